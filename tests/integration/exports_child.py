"""One piece of tests/integration/test_exports.py, in a process of its own: two frameworks never meet in one.

python exports_child.py export FOLDER EXPORTER…           two models by each: golden.npz, signature.json, artifact/
python exports_child.py run RUNTIME DEVICE FOLDER…        one by one, load FOLDER's artifact, write FOLDER/RUNTIME.npz
python exports_child.py foreign FORMAT FOLDER             an artifact with an operator that no runtime knows
python exports_child.py lost FOLDER                       a TFLite file whose weights are lost; is it refused?
"""

import dataclasses
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from evaluator.core import registry
from evaluator.core.errors import FwevalError
from evaluator.core.records import Signature, TensorSpec
from evaluator.core.tensors import Arrays, rows, write_arrays
from exports.contract import Exporter, Origin

BATCHES = (1, 2, 8, 2)  # the last one: back to a batch size that was seen before
ROWS = 8
SIDE = 16
LENGTH = 6
WORDS = 40
CLASSES = 5


def signature_of(model: str, framework: str) -> Signature:
    image = (None, 3, SIDE, SIDE) if framework == "pytorch" else (None, SIDE, SIDE, 3)
    inputs = {
        "cnn": (TensorSpec(name="image", dtype="float32", shape=image),),
        # In another order than the alphabet's, of the same type and shape: whoever goes by position gets it wrong.
        "text": tuple(TensorSpec(name=name, dtype="int32", shape=(None, LENGTH)) for name in ("words", "marks")),
    }[model]
    return Signature(inputs=inputs, outputs=(TensorSpec(name="logits", dtype="float32", shape=(None, CLASSES)),))


def inputs_of(signature: Signature) -> Arrays:
    random = np.random.default_rng(7)
    shapes = {spec.name: (ROWS, *(size or 0 for size in spec.shape[1:])) for spec in signature.inputs}
    return {
        spec.name: (
            random.integers(0, WORDS, shapes[spec.name]).astype(np.int32)
            if spec.dtype == "int32"
            else random.standard_normal(shapes[spec.name], dtype=np.float32)
        )
        for spec in signature.inputs
    }


def build_torch(model: str) -> Any:
    import torch
    from torch import nn

    class Text(nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.word = nn.Embedding(WORDS, 8)
            self.mark = nn.Embedding(WORDS, 8)
            self.dense = nn.Linear(8 * LENGTH, CLASSES)

        def forward(self, words: torch.Tensor, marks: torch.Tensor) -> torch.Tensor:
            return self.dense((self.word(words) * self.mark(marks)).flatten(1))

    torch.manual_seed(3)
    if model == "text":
        return Text().eval()
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, CLASSES),
    ).eval()


def build_keras(model: str) -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    if model == "text":
        words = keras.Input((LENGTH,), dtype="int32", name="words")
        marks = keras.Input((LENGTH,), dtype="int32", name="marks")
        x = layers.Multiply()([layers.Embedding(WORDS, 8)(words), layers.Embedding(WORDS, 8)(marks)])
        x = keras.ops.multiply(keras.ops.ones((LENGTH, 1)) / LENGTH, x)  # a constant that the function captures
        return keras.Model([words, marks], layers.Dense(CLASSES)(layers.Flatten()(x)))
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(image)
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(layers.BatchNormalization()(x)))
    return keras.Model({"image": image}, {"logits": layers.Dense(CLASSES)(x)})


def build(model: str, framework: str) -> tuple[Origin, Any]:
    """Return the origin and its golden outputs."""
    signature = signature_of(model, framework)
    inputs = inputs_of(signature)
    if framework == "pytorch":
        import torch

        network = build_torch(model)
        with torch.no_grad():
            golden = network(*[torch.from_numpy(inputs[spec.name]) for spec in signature.inputs]).numpy()
    else:
        network = build_keras(model)
        # The CNN takes and gives dicts, the other model a list and a tensor: exporters must cope with both.
        golden = (network(inputs)["logits"] if model == "cnn" else network(list(inputs.values()))).numpy()
    origin = Origin(
        framework=framework,
        model=network,
        signature=signature,
        example=rows(inputs, 0, 2),
        calibration=inputs,
        counterpart=lambda: origin,
    )
    return origin, golden


def export(name: str, folder: Path) -> None:
    exporter: Exporter = registry.load("exporter", name)
    for model in ("cnn", "text"):
        place = folder / model
        (place / "artifact").mkdir(parents=True)
        origin, golden = build(model, exporter.origin)
        exporter.export(origin, "fp32", place / "artifact")
        write_arrays(place / "golden.npz", {"logits": golden})
        (place / "signature.json").write_bytes(msgspec.json.encode(origin.signature))


def run(runtime_name: str, device: str, folder: Path) -> None:
    runtime = registry.load("runtime", runtime_name)
    signature = msgspec.json.decode((folder / "signature.json").read_bytes(), type=Signature)
    (artifact,) = (folder / "artifact").iterdir()
    inputs = inputs_of(signature)
    outputs = {}
    with runtime.load(artifact, signature, device=device, threads=1) as session:
        for index, batch in enumerate(BATCHES):
            for name, array in session(rows(inputs, ROWS - batch, ROWS)).items():
                outputs[f"{index}.{name}"] = array
    write_arrays(folder / f"{runtime_name}.npz", outputs)


def foreign(format_name: str, folder: Path) -> None:
    """Export the CNN with an operator that runtimes do not have (or, for TFLite, not in this version)."""
    framework = "tensorflow" if format_name in {"savedmodel", "tflite"} else "pytorch"
    origin, _ = build("cnn", framework)
    (folder / "artifact").mkdir(parents=True)
    (folder / "signature.json").write_bytes(msgspec.json.encode(origin.signature))
    _FOREIGN[format_name](origin, folder / "artifact")


def _foreign_torch(exporter_name: str, origin: Origin, folder: Path) -> None:
    """Register an operator in this process only."""
    import torch
    from torch import nn

    library = torch.library.Library("fweval_test", "DEF")
    library.define("nowhere(Tensor x) -> Tensor")
    library.impl("nowhere", lambda x: x + 1, "CompositeExplicitAutograd")

    class Foreign(nn.Module):  # type: ignore[misc]  # torch is untyped here
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.ops.fweval_test.nowhere(image)

    changed = dataclasses.replace(origin, model=Foreign().eval())
    registry.load("exporter", exporter_name).export(changed, "fp32", folder)


def _foreign_onnx(origin: Origin, folder: Path) -> None:
    import onnx

    path = registry.load("exporter", "onnx_torch_export").export(origin, "fp32", folder)
    model = onnx.load(path)
    next(node for node in model.graph.node if node.op_type == "Conv").op_type = "Nowhere"
    onnx.save(model, path)


def _foreign_saved_model(origin: Origin, folder: Path) -> None:
    path = registry.load("exporter", "keras_savedmodel").export(origin, "fp32", folder) / "saved_model.pb"
    path.write_bytes(path.read_bytes().replace(b"MatMul", b"MatMuX"))  # the same length: still a valid message


def _foreign_tflite(origin: Origin, folder: Path) -> None:
    """Quantise a dense layer's weights: TensorFlow 2.21 then writes a version of it that tflite-runtime 2.14 lacks."""
    import keras
    import tensorflow as tf

    image = keras.Input((SIDE, SIDE, 3), name="image")
    network = keras.Model(image, keras.layers.Dense(CLASSES)(keras.layers.Flatten()(image)))
    network.export(folder.parent / "keras", verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder.parent / "keras"))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    content = converter.convert()
    (folder / "model.tflite").write_bytes(content)


_FOREIGN: dict[str, Callable[[Origin, Path], None]] = {
    "torchscript": partial(_foreign_torch, "torchscript_trace"),
    "torchmobile": partial(_foreign_torch, "torchmobile_lite"),
    "onnx": _foreign_onnx,
    "savedmodel": _foreign_saved_model,
    "tflite": _foreign_tflite,
}


def lost() -> None:
    """Convert a Keras 3 model by the route that loses its weights, and ask whether the exporter notices."""
    import tensorflow as tf

    from exports.exporters import keras_tflite

    network = build_keras("cnn")
    function = tf.function(lambda image: network({"image": image}, training=False))
    concrete = function.get_concrete_function(tf.TensorSpec((None, SIDE, SIDE, 3), tf.float32, name="image"))
    content = tf.lite.TFLiteConverter.from_concrete_functions([concrete], network).convert()
    try:
        keras_tflite.refuse_lost_weights(content)
    except ValueError as error:
        tell(refused=str(error))


def tell(**answer: str | None) -> None:
    """Give the parent an answer, as a line of its own behind whatever a framework may have printed."""
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


def main(command: str, *arguments: str) -> None:
    match command, arguments:
        case "export", (folder, *exporters):
            for exporter in exporters:
                export(exporter, Path(folder) / exporter)
        case "run", (runtime, device, *folders):
            for folder in folders:
                run(runtime, device, Path(folder))
        case "foreign", (format_name, folder):
            foreign(format_name, Path(folder))
        case "lost", ():
            lost()
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except FwevalError as error:
        tell(error=type(error).__name__, message=str(error), remedy=error.remedy)
        sys.exit(3)
