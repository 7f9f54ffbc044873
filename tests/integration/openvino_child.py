"""What tests/integration/test_openvino.py looks at, in a process of its own in the environment of OpenVINO.

python openvino_child.py FRAMEWORK FOLDER    every precision of two networks, exported and computed: FOLDER/told.json
python openvino_child.py options FOLDER      what a loaded graph has set, and what it is by default: FOLDER/told.json
"""

import gc
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core import registry
from evaluator.core.errors import Unsupported
from evaluator.core.records import PRECISIONS, Signature, TensorSpec
from evaluator.core.tensors import Arrays, rows
from evaluator.measure import fidelity
from exports.contract import Exporter, Format, Origin, Runtime
from scenarios.models.tiny import TinySettings, plugin

EXPORTERS = {"pytorch": "openvino_from_onnx", "tensorflow": "openvino_from_savedmodel"}
ROWS, BATCHES = 16, (1, 16, 5)
WORDS = 40
FORM: Format = registry.load("format", "openvino")
RUNTIME: Runtime = registry.load("runtime", "openvino")


def mixed_signature(framework: str) -> Signature:
    """Two inputs of different types; two outputs of floats of the same shape, not in the alphabet's order, and one of
    integers."""
    image = (None, 3, 8, 8) if framework == "pytorch" else (None, 8, 8, 3)
    specs = [("words", "int32", (None, 6)), ("image", "float32", image)]
    given = [("scores", "float32", (None, 8)), ("hidden", "float32", (None, 8)), ("count", "int64", (None,))]
    inputs, outputs = (tuple(TensorSpec(name=n, dtype=d, shape=s) for n, d, s in each) for each in (specs, given))
    return Signature(inputs=inputs, outputs=outputs)


def mixed_torch() -> Any:
    import torch
    from torch import nn

    class Mixed(nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)
            self.word = nn.Embedding(WORDS, 8)
            self.dense = nn.Linear(8, 8)

        def forward(self, words: torch.Tensor, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
            hidden = self.conv(image).relu().mean((2, 3)) + self.word(words).mean(1)
            return self.dense(hidden), hidden, (words > 3).sum(1)

    return Mixed().eval()


def mixed_keras() -> Any:
    import keras
    from keras import layers, ops

    words = keras.Input((6,), dtype="int32", name="words")
    image = keras.Input((8, 8, 3), name="image")
    seen = layers.GlobalAveragePooling2D()(layers.ReLU()(layers.Conv2D(8, 3)(image)))
    hidden = layers.Add()([seen, ops.mean(layers.Embedding(WORDS, 8)(words), axis=1)])
    count = ops.sum(ops.cast(words > 3, "int64"), axis=1)
    return keras.Model([words, image], {"scores": layers.Dense(8)(hidden), "hidden": hidden, "count": count})


def inputs_of(signature: Signature) -> Arrays:
    random = np.random.default_rng(7)
    shapes = {spec.name: (ROWS, *(size or 0 for size in spec.shape[1:])) for spec in signature.inputs}
    return {
        spec.name: random.integers(0, WORDS, shapes[spec.name]).astype(spec.dtype)
        if "int" in spec.dtype
        else random.standard_normal(shapes[spec.name], dtype=np.float32)
        for spec in signature.inputs
    }


def origins(framework: str) -> dict[str, Origin]:
    """Return the network of the scenario tiny and one with several outputs, with weights as they begin."""
    if framework == "pytorch":
        import torch

        torch.manual_seed(3)
        networks = {"tiny": plugin.build_torch(TinySettings()).eval(), "mixed": mixed_torch()}
    else:
        import keras

        keras.utils.set_random_seed(3)
        networks = {"tiny": plugin.build_tensorflow(TinySettings()), "mixed": mixed_keras()}
    signatures = {"tiny": plugin.signature(TinySettings(), framework), "mixed": mixed_signature(framework)}
    made: dict[str, Origin] = {}
    for name, network in networks.items():
        inputs = inputs_of(signatures[name])
        made[name] = Origin(
            framework=framework,
            model=network,
            signature=signatures[name],
            example=rows(inputs, 0, 2),
            calibration=inputs,
            counterpart=lambda: made["tiny"],
        )
    return made


def golden(origin: Origin) -> Arrays:
    inputs = inputs_of(origin.signature)
    names = [spec.name for spec in origin.signature.outputs]
    if origin.framework == "pytorch":
        import torch

        with torch.no_grad():
            found = origin.model(*(torch.from_numpy(inputs[spec.name]) for spec in origin.signature.inputs))
        return dict(
            zip(names, [each.numpy() for each in (found if isinstance(found, tuple) else (found,))], strict=True)
        )
    takes = inputs if len(inputs) == 1 else list(inputs.values())
    return {name: np.asarray(each) for name, each in origin.model(takes, training=False).items()}


def tried(exporter: Exporter, origin: Origin, precision: str, folder: Path) -> dict[str, Any]:
    """Export, take apart and compute in several batch sizes."""
    folder.mkdir(parents=True)
    path = exporter.export(origin, precision, folder)
    assert list(folder.iterdir()) == [path], "one folder, and nothing of what lay in between"
    inputs, expected = inputs_of(origin.signature), golden(origin)
    found = []
    with RUNTIME.load(path, origin.signature, device="cpu", threads=1) as session:
        kept = session(rows(inputs, 0, 1))
        before = {name: array.copy() for name, array in kept.items()}
        for batch in BATCHES:
            outputs = session(rows(inputs, ROWS - batch, ROWS))
            found.append(fidelity.compare(rows(expected, ROWS - batch, ROWS), outputs, 1.0))
        assert all(np.array_equal(kept[name], before[name]) for name in kept), "a call wrote into the arrays of another"
    anatomy = FORM.anatomy(path)
    exact = [name for name, array in outputs.items() if array.dtype == np.int64]
    assert all(np.array_equal(outputs[name], expected[name][-BATCHES[-1] :]) for name in exact)
    return {
        "max_rel": max(each.max_rel if each.max_rel is not None else np.inf for each in found),
        "cosine": min(each.cosine or 0.0 for each in found),
        "weights": anatomy.weights,
        "signature": described((*anatomy.inputs, *anatomy.outputs)),
        "wanted": described((*origin.signature.inputs, *origin.signature.outputs)),
        "bytes": [anatomy.graph_bytes, anatomy.metadata_bytes, sum(each.stat().st_size for each in FORM.files(path))],
        "recognised": [form.name for form in registry.load_all("format") if form.recognises(path)],
    }


def described(specs: tuple[TensorSpec, ...]) -> list[str]:
    return sorted(f"{spec.name} {spec.dtype}{list(spec.shape)}" for spec in specs)


def options() -> Mapping[str, Any]:
    """Return what a loaded graph has set that is not the default, and what an unknown operator ends in."""
    import openvino

    place = Path(sys.argv[2])
    x = TensorSpec(name="x", dtype="float32", shape=(None, 4))
    relu = openvino.opset13.relu(openvino.opset13.parameter([-1, 4], openvino.Type.f32, name="x"))
    network = openvino.Model([relu], [relu.input_value(0).get_node()], "tiny")
    openvino.save_model(network, str(place / "m.xml"))
    signature = Signature(inputs=(x,), outputs=(TensorSpec(name="y", dtype="float32", shape=(None, 4)),))
    with RUNTIME.load(place / "m.xml", signature, device="cpu", threads=1) as session:
        assert session({"x": np.ones((2, 4), np.float32)})["y"].shape == (2, 4)  # no name of the file's: by position
        (ours,) = (each for each in gc.get_objects() if isinstance(each, openvino.CompiledModel))
        default = openvino.compile_model(network, "CPU")
        names = default.get_property("SUPPORTED_PROPERTIES")
        changed = {
            name: str(ours.get_property(name))
            for name in names
            if ours.get_property(name) != default.get_property(name)
        }
    (place / "m.xml").write_text((place / "m.xml").read_text().replace('type="ReLU"', 'type="Nowhere"'))
    try:
        with RUNTIME.load(place / "m.xml", signature, device="cpu", threads=1):
            refused = ""
    except Unsupported as error:
        refused = str(error)
    return {"changed": changed, "refused": refused, "reports": "openvino_telemetry" in sys.modules}


def main(what: str, folder: Path) -> None:
    if what == "options":
        told = options()
    else:
        exporter: Exporter = registry.load("exporter", EXPORTERS[what])
        told = {
            f"{name} {precision}": tried(exporter, origin, precision, folder / name / precision)
            for name, origin in origins(what).items()
            for precision in PRECISIONS
        }
    (folder / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
