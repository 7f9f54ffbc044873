"""TensorFlow.js graph model: a frozen TensorFlow graph as JSON, with its weights in files beside it, for web pages.

What is lost: everything but the forward pass. Operators are fused and constants folded by the converter, weights may be
stored in fewer bits (they are 32-bit floats again once loaded), and there are no 64-bit integers.
Specification: https://github.com/tensorflow/tfjs/blob/master/tfjs-core/src/io/types.ts
"""

from collections import Counter
from math import prod
from pathlib import Path
from typing import TypeVar

import msgspec

from evaluator.core.records import Anatomy, TensorSpec
from exports.contract import Format
from exports.sizes import artifact_bytes

_MODEL = "model.json"
_KIND = "graph-model"
_MOST_BYTES = 256 << 20  # of model.json: the weights lie beside it
_HEAD_BYTES = 4096  # where a converter has said by then what it wrote
_DTYPES = {
    "DT_FLOAT": "float32",
    "DT_HALF": "float16",
    "DT_DOUBLE": "float64",
    "DT_INT32": "int32",
    "DT_INT64": "int64",
    "DT_UINT8": "uint8",
    "DT_BOOL": "bool",
    "DT_STRING": "str",
}
_WIDTHS = {"float32": 4, "int32": 4, "bool": 1, "complex64": 8, "float16": 2, "uint8": 1, "uint16": 2}
_Kind = TypeVar("_Kind")


class _Quantization(msgspec.Struct):
    dtype: str


class _Weight(msgspec.Struct):
    name: str
    dtype: str
    shape: tuple[int, ...]
    quantization: _Quantization | None = None


class _Group(msgspec.Struct):
    paths: tuple[str, ...]
    weights: tuple[_Weight, ...]


class _Node(msgspec.Struct):
    op: str


class _Function(msgspec.Struct):
    nodes: tuple[_Node, ...] = msgspec.field(default=(), name="nodeDef")


class _Library(msgspec.Struct):
    functions: tuple[_Function, ...] = msgspec.field(default=(), name="function")


class _Topology(msgspec.Struct):
    nodes: tuple[_Node, ...] = msgspec.field(name="node")
    library: _Library = msgspec.field(default_factory=_Library)


class _Dimension(msgspec.Struct):
    size: int = 0  # protobuf's JSON writes 64-bit integers as strings


class _Shape(msgspec.Struct):
    dim: tuple[_Dimension, ...] = ()


class _Tensor(msgspec.Struct):
    dtype: str
    shape: _Shape = msgspec.field(default_factory=_Shape, name="tensorShape")


class _Signature(msgspec.Struct):
    inputs: dict[str, _Tensor] = msgspec.field(default_factory=dict)
    outputs: dict[str, _Tensor] = msgspec.field(default_factory=dict)


class _Model(msgspec.Struct):
    """What is read of model.json; the rest is for the library."""

    format: str
    topology: msgspec.Raw = msgspec.field(name="modelTopology")
    manifest: tuple[_Group, ...] = msgspec.field(name="weightsManifest")
    signature: _Signature = msgspec.field(default_factory=_Signature)
    converter: str | None = msgspec.field(default=None, name="convertedBy")


class Tfjs(Format):
    """A folder with `model.json` and its weights in shards; the signature has the names of the model's signature."""

    name = "tfjs"
    title = "TensorFlow.js"
    path = "web"
    suffixes = ("",)
    inert = True

    def recognises(self, path: Path) -> bool:
        """Look for a model.json that begins like a graph model's; a layers model is something else."""
        model = path / _MODEL
        if not model.is_file():
            return False
        with model.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        return head.lstrip().startswith(b"{") and f'"{_KIND}"'.encode() in head

    def anatomy(self, artifact: Path) -> Anatomy:
        """Read model.json strictly, and of the weights only how large their files are."""
        model = artifact / _MODEL
        if not model.is_file():
            raise ValueError(f"{artifact.name} is no {self.title} model: it has no {_MODEL}")
        if model.stat().st_size > _MOST_BYTES:
            raise ValueError(f"{_MODEL} has {model.stat().st_size} bytes, more than {_MOST_BYTES} are not read")
        described = _decode(model.read_bytes(), _Model)
        if described.format != _KIND:
            raise ValueError(f"{_MODEL} describes a '{described.format}', not a {_KIND}")
        topology = _decode(bytes(described.topology), _Topology)
        nodes = [*topology.nodes, *(node for function in topology.library.functions for node in function.nodes)]
        weights: Counter[str] = Counter()
        for group in described.manifest:
            weights.update(_stored(group, artifact))
        graph = len(bytes(described.topology))
        return Anatomy(
            version=described.converter,
            operators=dict(sorted(Counter(node.op for node in nodes).items())),
            inputs=_specs(described.signature.inputs),
            outputs=_specs(described.signature.outputs),
            weights=dict(sorted(weights.items())),
            graph_bytes=graph,
            metadata_bytes=max(artifact_bytes(self.files(artifact)) - weights.total() - graph, 0),
        )


def _decode(text: bytes, kind: type[_Kind]) -> _Kind:
    try:
        return msgspec.json.decode(text, type=kind, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{_MODEL} is damaged, or describes no model: {error}") from error


def _stored(group: _Group, folder: Path) -> Counter[str]:
    """Return how many bytes of each type a group of weights has; `ValueError` when its files do not hold them."""
    sizes: Counter[str] = Counter()
    texts = 0
    for weight in group.weights:
        stored = weight.quantization.dtype if weight.quantization else weight.dtype
        if any(size < 0 for size in weight.shape):
            raise ValueError(f"the weight '{weight.name}' has the shape {list(weight.shape)}")
        if stored == "string":  # each of its own length, which only its bytes tell
            texts += 1
        elif stored in _WIDTHS:
            sizes[stored] += prod(weight.shape) * _WIDTHS[stored]
        else:
            raise ValueError(f"the weight '{weight.name}' has a type that TensorFlow.js does not know: {stored}")
    held = sum(_shard_bytes(folder, name) for name in group.paths)
    if texts:
        sizes["str"] = held - sizes.total()
    if held != sizes.total() or sizes["str"] < 0:
        raise ValueError(f"the weights should have {sizes.total()} bytes, and their files have {held}")
    return +sizes


def _shard_bytes(folder: Path, name: str) -> int:
    file = (folder / name).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise ValueError(f"the weights in '{file.name}' would lie outside the model's folder")
    if not file.is_file():
        raise ValueError(f"the weights should lie in a file '{file.name}' beside {_MODEL}")
    return file.stat().st_size


def _specs(tensors: dict[str, _Tensor]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(
            name=name,
            dtype=_DTYPES.get(tensor.dtype, tensor.dtype),
            shape=tuple(None if dimension.size < 0 else dimension.size for dimension in tensor.shape.dim),
        )
        for name, tensor in tensors.items()
    )


plugin = Tfjs()
