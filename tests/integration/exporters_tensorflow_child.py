"""One piece of tests/integration/test_exporters_tensorflow.py, in a process of its own.

python exporters_tensorflow_child.py export FOLDER        every exporter at every precision: FOLDER/NAME-PRECISION/
python exporters_tensorflow_child.py run RUNTIME FOLDER   compute with all of them that the runtime reads
python exporters_tensorflow_child.py place RUNTIME FILE   where its operators run: RUNTIME.placement.json beside FILE
The first two leave JSON, `export.json` or `RUNTIME.json`: name and precision -> how it failed, or nothing. `run` leaves
the outputs in FOLDER/RUNTIME.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from evaluator.core import registry
from evaluator.core.records import PRECISIONS, Signature, TensorSpec
from evaluator.core.tensors import read_arrays, rows, write_arrays
from exports.contract import Exporter, Origin, Runtime

SIDE, WIDTH, HIDDEN, CLASSES = 8, 64, 32, 5  # 64 by 32 is the least dense layer that the TFLite converter quantizes
ROWS = 16
EXPORTERS = (
    "keras_savedmodel",
    "keras_tflite",
    "keras_tflite_per_tensor",
    "tflite_from_concrete_functions",
    "savedmodel_from_torch",
    "torchscript_from_keras",
    "torchmobile_from_keras",
)


def signature(framework: str) -> Signature:
    image = (None, 3, SIDE, SIDE) if framework == "pytorch" else (None, SIDE, SIDE, 3)
    return Signature(
        inputs=(TensorSpec(name="image", dtype="float32", shape=image),),
        outputs=(TensorSpec(name="logits", dtype="float32", shape=(None, CLASSES)),),
    )


def build_keras() -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(WIDTH, 3, padding="same", activation="relu")(image))
    x = keras.ops.relu(layers.Dense(HIDDEN)(x))  # an operation that is no layer
    network = keras.Model({"image": image}, {"logits": layers.Dense(CLASSES)(x)})
    random = np.random.default_rng(5)  # for the biases, too: converters leave out those that are zero
    network.set_weights([weight + 0.1 * random.standard_normal(weight.shape) for weight in network.get_weights()])
    return network


def build_torch(weights: list[Any]) -> Any:
    """Build the same network and give it the weights of the one in Keras."""
    import torch
    from torch import nn

    network = nn.Sequential(
        nn.Conv2d(3, WIDTH, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(WIDTH, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, CLASSES),
    )
    with torch.no_grad():
        for parameter, weight in zip(network.parameters(), weights, strict=True):
            turned = weight.transpose(3, 2, 0, 1) if weight.ndim == 4 else weight.T
            parameter.copy_(torch.from_numpy(turned.copy()))
    return network.eval()


def origins() -> dict[str, Origin]:
    images = np.random.default_rng(7).standard_normal((ROWS, SIDE, SIDE, 3), dtype=np.float32)
    keras_model = build_keras()
    models = {"tensorflow": keras_model, "pytorch": build_torch(keras_model.get_weights())}
    made: dict[str, Origin] = {}
    for framework, other in (("tensorflow", "pytorch"), ("pytorch", "tensorflow")):
        inputs = {"image": images if framework == "tensorflow" else images.transpose(0, 3, 1, 2).copy()}
        made[framework] = Origin(
            framework=framework,
            model=models[framework],
            signature=signature(framework),
            example=rows(inputs, 0, 2),
            calibration=inputs,
            counterpart=partial(made.__getitem__, other),
        )
    return made


def export(folder: Path) -> dict[str, str | None]:
    made = origins()
    images = made["tensorflow"].calibration["image"]
    golden = made["tensorflow"].model({"image": images})["logits"].numpy()
    write_arrays(folder / "golden.npz", {"image": images, "logits": golden})
    endings: dict[str, str | None] = {}
    for name in EXPORTERS:
        exporter: Exporter = registry.load("exporter", name)
        for precision in (each for each in PRECISIONS if each not in exporter.cannot):
            place = folder / f"{name}-{precision}"
            place.mkdir()
            endings[place.name] = attempt(partial(exporter.export, made[exporter.origin], precision, place))
    return endings


def attempt(call: Any) -> str | None:
    try:
        call()
    except Exception as error:  # noqa: BLE001  # how it failed is what the test asks for
        return f"{type(error).__name__}: {error}"
    return None


def run(name: str, folder: Path) -> dict[str, str | None]:
    runtime: Runtime = registry.load("runtime", name)
    images = read_arrays(folder / "golden.npz")["image"]
    (folder / name).mkdir()

    def compute(exporter: Exporter, place: Path) -> None:
        (artifact,) = place.iterdir()
        taken = images if exporter.layout == "tensorflow" else images.transpose(0, 3, 1, 2).copy()
        with runtime.load(artifact, signature(exporter.layout), device="cpu", threads=1) as session:
            parts = [session({"image": taken[start : start + size]}) for start, size in ((0, 1), (1, 15))]
        logits = np.concatenate([part["logits"] for part in parts])
        write_arrays(folder / name / f"{place.name}.npz", {"logits": logits})

    endings: dict[str, str | None] = {}
    for place in sorted(folder.glob("*-*")):
        exporter = registry.load("exporter", place.name.rpartition("-")[0])
        if exporter.format in runtime.formats and any(place.iterdir()):
            endings[place.name] = attempt(partial(compute, exporter, place))
    return endings


def place(runtime: str, artifact: Path) -> None:
    found = registry.load("runtime", runtime).placement(artifact)
    artifact.with_name(f"{runtime}.placement.json").write_bytes(msgspec.json.encode(found))


def main(*arguments: str) -> None:
    *_, last, path = arguments
    if arguments[0] == "place":
        place(last, Path(path))
        return
    told = export(Path(path)) if last == "export" else run(last, Path(path))
    (Path(path) / f"{last}.json").write_bytes(msgspec.json.encode(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
