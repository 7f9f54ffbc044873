"""Run in a child: makes a small model of one framework, with golden inputs and outputs beside it.

Usage: serving_child.py pytorch|tensorflow FOLDER; then serving_child.py batch FOLDER asks TorchServe's handler.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from evaluator.core.tensors import write_arrays


def pytorch(folder: Path) -> None:
    """Save `model.pt`: an image of any size and a list of tokens in, logits and an integer label out."""
    import torch

    class Net(torch.nn.Module):  # type: ignore[misc]  # torch is Any to mypy
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 8, 3, padding=1)
            self.embedding = torch.nn.Embedding(10, 8)
            self.head = torch.nn.Linear(8, 5)

        def forward(self, image: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            seen = torch.relu(self.conv(image)).mean((2, 3))
            logits = self.head(seen + self.embedding(tokens).mean(1))
            return logits, logits.argmax(1)

    torch.manual_seed(0)
    torch.jit.script(Net().eval()).save(str(folder / "model.pt"))
    random = np.random.default_rng(0)
    image = random.standard_normal((6, 3, 32, 32)).astype(np.float32)
    tokens = random.integers(0, 10, (6, 7))
    with torch.inference_mode():
        loaded = torch.jit.load(str(folder / "model.pt"))
        logits, label = loaded(torch.from_numpy(image), torch.from_numpy(tokens))
    golden = {"image": image, "tokens": tokens, "logits": logits.numpy(), "label": label.numpy()}
    write_arrays(folder / "golden.npz", golden)


def tensorflow(folder: Path) -> None:
    """Save the SavedModel `model` with a signature of two inputs and two outputs, and one of a single pair."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 3), name="image")
    seen = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(8, 3, activation="relu")(image))
    logits = keras.layers.Dense(5)(seen)
    model = keras.Model(image, logits)

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[
            tf.TensorSpec((None, 32, 32, 3), tf.float32, name="image"),
            tf.TensorSpec((None,), tf.int32, name="shift"),
        ]
    )
    def serve(image: tf.Tensor, shift: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = model(image, training=False)
        return {"logits": logits, "label": tf.argmax(logits, axis=1) + tf.cast(shift, tf.int64)}

    @tf.function(input_signature=[tf.TensorSpec((None, 2), tf.float32, name="x")])  # type: ignore[untyped-decorator]
    def double(x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": 2 * x}

    # The functions with the variables that they use, not the Keras model: saving that adds copies of its variables, and
    # only those would be restored by a loader that, like TF Serving's, knows nothing of objects.
    module = tf.Module()
    module.kept = [variable.value for variable in model.variables]
    tf.saved_model.save(module, str(folder / "model"), signatures={"serving_default": serve, "double": double})
    random = np.random.default_rng(0)
    pictures = random.standard_normal((6, 32, 32, 3)).astype(np.float32)
    shift = np.arange(6, dtype=np.int32)
    answer = tf.saved_model.load(str(folder / "model")).signatures["serving_default"](
        image=tf.constant(pictures), shift=tf.constant(shift)
    )
    golden = {"image": pictures, "shift": shift, **{name: tensor.numpy() for name, tensor in answer.items()}}
    write_arrays(folder / "golden.npz", golden)


def batch(folder: Path) -> None:
    """Give the handler one batch of good and bad requests of two shapes; write what it answered to `answers.json`."""
    from safetensors.numpy import load, save

    from evaluator.core.tensors import read_arrays
    from serving.handlers.torchserve import Handler

    golden = read_arrays(folder / "golden.npz")
    statuses: dict[int, int] = {}
    context = SimpleNamespace(
        system_properties={"model_dir": str(folder)},
        manifest={"model": {"serializedFile": "model.pt", "modelName": "model", "modelVersion": "1"}},
        set_response_status=lambda code, phrase, idx: statuses.update({idx: code}),
        set_response_content_type=lambda idx, kind: None,
        get_request_id=lambda idx: f"request {idx}",
    )
    handler = Handler()
    handler.initialize(context)

    def row(start: int, stop: int, length: int = 7) -> dict[str, Any]:
        return {"image": golden["image"][start:stop], "tokens": golden["tokens"][start:stop, :length]}

    def body(arrays: dict[str, Any]) -> dict[str, Any]:
        return {"body": {"inputs": {name: array.tolist() for name, array in arrays.items()}}}

    def v2(arrays: dict[str, Any], datatype: str) -> dict[str, Any]:
        types = {"image": "FP32", "tokens": datatype}
        inputs = [
            {"name": name, "shape": array.shape, "datatype": types[name], "data": array.ravel().tolist()}
            for name, array in arrays.items()
        ]
        return {"body": {"id": "mine", "inputs": inputs}}

    rows = [
        body(row(0, 2)),
        {"body": "nonsense"},
        {"data": bytearray(save({name: np.ascontiguousarray(array) for name, array in row(2, 3).items()}))},
        body({**row(3, 4), "tokens": np.full((1, 7), 99)}),
        body(row(4, 5, length=3)),
        {"data": bytearray(b"no safetensors")},
        v2(row(5, 6), "INT64"),
        v2(row(5, 6), "FP32"),
    ]
    answers = handler.handle(rows, context)
    found = {index: json.loads(answers[index]) for index in (0, 4, 6, 7)}
    found[2] = {name: array.tolist() for name, array in load(answers[2]).items()}
    (folder / "answers.json").write_text(json.dumps({"statuses": statuses, "found": found}))


if __name__ == "__main__":
    {"pytorch": pytorch, "tensorflow": tensorflow, "batch": batch}[sys.argv[1]](Path(sys.argv[2]))
