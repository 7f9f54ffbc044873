"""What tests/integration/test_onnx2tf.py looks at, in processes of their own: LiteRT and TensorFlow do not meet.

python onnx2tf_child.py export FOLDER        every case of CASES; why one was refused stands in FOLDER/refused.json
python onnx2tf_child.py run FOLDER RUNTIME   compute with them; FOLDER/RUNTIME.json: case -> output -> how far it is off

The first runs in the environment onnx2tf and reaches no network.
"""

import json
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from evaluator.core import registry
from evaluator.core.records import Signature, TensorSpec
from evaluator.core.tensors import Arrays, read_arrays, rows, write_arrays
from exports.contract import Origin

ROWS = 6
BATCHES = (1, 4, 2)
CASES = {  # network -> precisions as TFLite; "saved": a SavedModel. Each takes seconds: no more than show something
    "tiny": ("fp32",),
    "segments": ("saved", "int8"),
    "boxes": ("fp32",),
    "tokens": ("saved", "int8_dynamic"),
    "frames": ("fp16",),
    "fixed": ("fp32",),
    "square": ("fp32",),
    "negative": ("int8",),
}


@dataclass(frozen=True)
class Network:
    """A module, what it is given, and the names of what comes out."""

    module: Any
    inputs: Arrays
    outputs: tuple[str, ...]
    free: bool = True


def networks() -> Mapping[str, Network]:
    import torch
    import torch._dynamo  # imports Triton, where that is installed: after TensorFlow, it would crash
    from torch import nn
    from torch.nn import functional as F  # noqa: N812

    from scenarios.models import tiny

    class Segments(nn.Module):  # type: ignore[misc]  # torch is untyped here
        """Image to image, with what segmenting networks have: skips, pooling with padding, both ways to enlarge."""

        def __init__(self) -> None:
            super().__init__()
            self.down, self.pool = nn.Conv2d(3, 8, 3, 1, 1), nn.MaxPool2d(3, 2, 1)
            self.up, self.out = nn.ConvTranspose2d(8, 4, 2, 2), nn.Conv2d(20, 5, 1)

        def forward(self, image: Any) -> Any:
            fine = F.relu(self.down(image))
            coarse = self.pool(fine)
            return self.out(
                torch.cat([fine, self.up(coarse), F.interpolate(coarse, scale_factor=2, mode="nearest")], 1)
            )

    class Boxes(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.shared, self.box, self.score = nn.Conv2d(3, 8, 3, 2, 1), nn.Linear(8 * 48, 4), nn.Conv2d(8, 6, 1)

        def forward(self, image: Any) -> Any:
            found = F.relu(self.shared(image))
            scores = self.score(found).permute(0, 2, 3, 1).reshape(found.shape[0], -1, 3).softmax(-1)
            return scores, self.box(found.flatten(1))

    class Tokens(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.words, self.dense = nn.Embedding(500, 32), nn.Linear(32, 64)

        def forward(self, words: Any, mask: Any) -> Any:
            counted = mask.unsqueeze(-1).float()
            return F.normalize((self.dense(self.words(words)) * counted).sum(1) / counted.sum(1).clamp(min=1), dim=-1)

    class Square(nn.Module):  # type: ignore[misc]
        """As many steps as features: their sizes do not tell which are channels."""

        def __init__(self) -> None:
            super().__init__()
            self.into, self.dense = nn.Linear(12, 36), nn.Linear(12, 7)

        def forward(self, steps: Any) -> Any:
            q, k, v = self.into(steps).reshape(steps.shape[0], 12, 3, 3, 4).permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(steps.shape[0], 12, 12)
            return self.dense(steps + mixed)

    torch.manual_seed(3)
    random = np.random.default_rng(3)
    image: Arrays = {"image": random.standard_normal((ROWS, 3, 12, 16), np.float32)}
    tokens: Arrays = {"words": random.integers(0, 500, (ROWS, 7)), "mask": random.integers(0, 2, (ROWS, 7))}
    made: dict[str, tuple[Any, Arrays]] = {
        "tiny": (tiny.plugin.build_torch(tiny.TinySettings()), {"image": random.random((ROWS, 1, 16, 16), np.float32)}),
        "segments": (Segments(), image),
        "boxes": (Boxes(), image),
        "tokens": (Tokens(), tokens),
        "frames": (nn.Conv1d(2, 6, 5, 2, 2), {"input": random.standard_normal((ROWS, 2, 20), np.float32)}),
        # Of a shape for which onnx2tf wants sample images.
        "fixed": (nn.Conv2d(3, 4, 3, 1, 1), {"input": random.random((2, 3, 8, 3), np.float32)}),
        "square": (Square(), {"steps": random.standard_normal((ROWS, 12, 12), np.float32)}),
        "negative": (nn.Sequential(nn.Conv2d(3, 8, 3), nn.MaxPool2d(3, 2, 1)), {"input": image["image"]}),
    }
    outputs = {"boxes": ("scores", "box"), "segments": ("mask",)}
    return {
        name: Network(module.eval(), inputs, outputs.get(name, ("out",)), free=name != "fixed")
        for name, (module, inputs) in made.items()
    }


def origin(network: Network) -> tuple[Origin, Arrays]:
    import torch

    with torch.no_grad():
        result = network.module(*(torch.from_numpy(each) for each in network.inputs.values()))
    results = result if isinstance(result, tuple) else (result,)
    golden = {name: each.numpy() for name, each in zip(network.outputs, results, strict=True)}

    def specs(arrays: Arrays) -> tuple[TensorSpec, ...]:
        return tuple(
            TensorSpec(name=name, dtype=str(array.dtype), shape=(None if network.free else 2, *array.shape[1:]))
            for name, array in arrays.items()
        )

    made = Origin(
        framework="pytorch",
        model=network.module,
        signature=Signature(inputs=specs(network.inputs), outputs=specs(golden)),
        example=rows(network.inputs, 0, 2),
        calibration=network.inputs,
        counterpart=lambda: made,
        free={name: {0: "batch"} if network.free else {} for name in network.inputs},
    )
    return made, golden


def no_network(*_: Any) -> None:
    raise AssertionError("something wants the network")


def export(folder: Path) -> None:
    socket.socket.connect = socket.create_connection = no_network  # type: ignore[assignment,method-assign]
    refused = {}
    for name, network in networks().items():
        source, golden = origin(network)
        place = folder / name
        place.mkdir()
        write_arrays(place / "inputs.npz", network.inputs)
        write_arrays(place / "golden.npz", golden)
        (place / "signature.json").write_bytes(msgspec.json.encode(source.signature))
        for precision in CASES[name]:
            exporter = registry.load("exporter", "onnx2tf_savedmodel" if precision == "saved" else "onnx2tf_tflite")
            (place / precision).mkdir()
            try:
                exporter.export(source, "fp32" if precision == "saved" else precision, place / precision)
            except ValueError as error:
                refused[f"{name}/{precision}"] = str(error)
    (folder / "refused.json").write_text(json.dumps(refused))


def run(folder: Path, runtime_name: str) -> None:
    runtime = registry.load("runtime", runtime_name)
    off = {}
    for artifact in sorted(folder.glob("*/*/model*")):
        if registry.load("format", runtime.formats[0]).recognises(artifact):
            off["/".join(artifact.parts[-3:-1])] = differences(runtime, artifact)
    (folder / f"{runtime_name}.json").write_text(json.dumps(off))


def differences(runtime: Any, artifact: Path) -> dict[str, float]:
    """Return how far each output is off at most, relative to the largest value, over all batch sizes."""
    place = artifact.parents[1]
    signature = msgspec.json.decode((place / "signature.json").read_bytes(), type=Signature)
    inputs, golden = read_arrays(place / "inputs.npz"), read_arrays(place / "golden.npz")
    batches = BATCHES if signature.inputs[0].shape[0] is None else (2,)
    off = dict.fromkeys(golden, 0.0)
    with runtime.load(artifact, signature, device="cpu", threads=1) as session:
        for batch in batches:
            outputs = session(rows(inputs, 0, batch))
            for name, right in golden.items():
                distance = float(np.abs(outputs[name] - right[:batch]).max() / np.abs(right).max())
                off[name] = max(off[name], distance)
    return off


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["export", folder]:
            export(Path(folder))
        case ["run", folder, name]:
            run(Path(folder), name)
