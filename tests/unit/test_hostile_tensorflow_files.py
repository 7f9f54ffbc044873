"""TFLite, SavedModel and TensorFlow.js artifacts changed at random: none of them ends in anything but words."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evaluator.core import registry
from tests import saved_models, tfjs_models, tflite_files
from tests.hostile import mutated, survives

TIMES = 300


def a_tflite_file(folder: Path) -> Path:
    first, second = tflite_files.adds(["x", "x"], ["y"]), tflite_files.adds(["x"], ["y"], shape=(-1, 4))
    second = tflite_files.named(second, "serving_default", ["a"], ["b"])
    data = np.ones(4, np.float32).tobytes()
    weights = tflite_files.Graph(
        tensors=[tflite_files.Tensor(name="w", data=data, shape=(4,)), tflite_files.Tensor(name="v", external=1)],
        operators=[tflite_files.Operator(name="FlexReadFile", inputs=(0,), outputs=(1,))],
        inputs=(0,),
        outputs=(1,),
    )
    (folder / "weights.bin").write_bytes(bytes(16))
    return tflite_files.write(folder / "m.tflite", first, second, weights, external=[("weights.bin", 0, 16)])


def a_saved_model(folder: Path) -> Path:
    described = saved_models.signature(
        {"x": saved_models.tensor(-1, 4), "k": saved_models.tensor(unranked=True)},
        {"y": saved_models.tensor(-1, 4)},
        defaults=["k"],
    )
    nodes = [saved_models.node("a", "Const"), saved_models.node("b", "PrintV2", output_stream="file:///x")]
    graph = saved_models.graph(
        nodes, functions={"f": nodes}, signatures={"serving_default": described, "other": described}, ragged=True
    )
    return saved_models.write(folder / "m", graph, saved_models.graph(tags=("train",))) / "saved_model.pb"


def a_tfjs_model(folder: Path) -> Path:
    return tfjs_models.write(folder / "m.json", tfjs_models.scaled("DT_UINT8"))


def an_unsigned_tfjs_model(folder: Path) -> Path:
    return tfjs_models.write(folder / "m.json", tfjs_models.scaled("DT_INT64", signature=False))


MAKERS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "tflite": ("tflite", a_tflite_file),
    "savedmodel": ("savedmodel", a_saved_model),
    "tfjs": ("tfjs", a_tfjs_model),
    "tfjs without a signature": ("tfjs", an_unsigned_tfjs_model),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_file_that_was_changed_at_random_is_read_or_refused_in_words(tmp_path: Path, kind: str) -> None:
    name, make = MAKERS[kind]
    file, form, chance = make(tmp_path), registry.load("format", name), random.Random(7)  # noqa: S311  # the same each time
    artifact = file.parent if file.suffix == ".pb" else file
    assert form.anatomy(artifact).operators
    content = file.read_bytes()
    for _ in range(TIMES):
        file.write_bytes(mutated(content, chance))
        survives(form, artifact)


def test_a_name_of_any_length_makes_no_message_longer(tmp_path: Path) -> None:
    long = "x" * 70_000
    tflite = tflite_files.write(tmp_path / "m.tflite", tflite_files.adds([long], [long], data=b"\0"))
    outside = tflite_files.write(
        tmp_path / "n.tflite", tflite_files.adds(["x"], ["y"]), external=[(f"../{long}", 0, 1)]
    )
    described = tfjs_models.scaled("DT_INT32")
    described["weightsManifest"][0]["weights"][0].update(name=long, dtype=long)
    for path in (tflite, outside, tfjs_models.write(tmp_path / "m.json", described)):
        form = next(each for each in registry.load_all("format") if each.recognises(path))
        survives(form, path)
    (tmp_path / "n.json").write_text(json.dumps({**tfjs_models.scaled("DT_INT32"), "format": long}))
    survives(registry.load("format", "tfjs"), tmp_path / "n.json")
