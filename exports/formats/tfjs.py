"""TensorFlow.js graph model: a frozen TensorFlow graph as JSON, with its weights in files beside it, for web pages.

What is lost: everything but the forward pass. Operators are fused and constants folded by the converter, weights may be
stored in fewer bits (they are 32-bit floats again once loaded), and there are no 64-bit integers.
Specification: https://github.com/tensorflow/tfjs/blob/master/tfjs-core/src/io/types.ts; how it is loaded:
https://github.com/tensorflow/tfjs/blob/master/tfjs-converter/src/executor/graph_model.ts
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TypeVar

import msgspec

from evaluator.core.records import Anatomy, Signature, TensorSpec
from exports.contract import Format
from exports.formats._naming import MOST_DIMENSIONS, short
from exports.formats._stated_sizes import beside, of_images
from exports.formats._tensorflow_operators import reaching
from exports.parts import own
from exports.sizes import artifact_bytes

MODEL = "model.json"  # as a converter names it; a page may give any name to its loader
GRAPH, LAYERS = "graph-model", "layers-model"
_MOST_BYTES = 256 << 20  # of the JSON file: the weights lie beside it
_MOST_FILES = 1000  # of a folder that are looked at
_FORMAT = re.compile(rb'"format"\s*:\s*"(graph-model|layers-model)"')
_TOPOLOGY = re.compile(rb'"modelTopology"\s*:\s*\{')
_GRAPH = re.compile(rb'"modelTopology"\s*:\s*\{\s*"(node|library|versions)"')  # in models that do not tell their format
_UNRANKED = "the file does not tell how many dimensions it has"
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
_NUMBERED = {1: "DT_FLOAT", 2: "DT_DOUBLE", 3: "DT_INT32", 4: "DT_UINT8", 7: "DT_STRING", 9: "DT_INT64", 10: "DT_BOOL"}
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
    name: str = ""
    inputs: tuple[str, ...] = msgspec.field(default=(), name="input")
    attributes: msgspec.Raw = msgspec.field(default=msgspec.Raw(b"{}"), name="attr")


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
    unranked: bool = msgspec.field(default=False, name="unknownRank")


class _Tensor(msgspec.Struct):
    dtype: str | int
    shape: _Shape | None = msgspec.field(default=None, name="tensorShape")


class _ShapeValue(msgspec.Struct):
    shape: _Shape | None = None


class _TypeValue(msgspec.Struct):
    type: str | int = "DT_FLOAT"


class _Attributes(msgspec.Struct):
    """Of a placeholder."""

    dtype: _TypeValue = msgspec.field(default_factory=_TypeValue)
    shape: _ShapeValue = msgspec.field(default_factory=_ShapeValue)


class _Signature(msgspec.Struct):
    inputs: dict[str, _Tensor] = msgspec.field(default_factory=dict)
    outputs: dict[str, _Tensor] = msgspec.field(default_factory=dict)


class _Metadata(msgspec.Struct):
    signature: _Signature = msgspec.field(default_factory=_Signature)


class _Model(msgspec.Struct):
    """What is read of the JSON file; the rest is for the library."""

    topology: msgspec.Raw = msgspec.field(name="modelTopology")
    format: str = GRAPH
    manifest: tuple[_Group, ...] = msgspec.field(default=(), name="weightsManifest")
    signature: _Signature | None = None
    metadata: _Metadata | None = msgspec.field(default=None, name="userDefinedMetadata")
    converter: str | None = msgspec.field(default=None, name="convertedBy")


class Tfjs(Format):
    """A JSON file with its weights in shards, or the folder of the only one; tensors have the signature's names."""

    name = "tfjs"
    title = "TensorFlow.js"
    path = "web"
    suffixes = ("", ".json")
    inert = True

    def recognises(self, path: Path) -> bool:
        """Look for JSON that describes a graph; a layers model is something else, and so are two models in a folder."""
        if not path.is_dir():
            return kind_of(path) == GRAPH
        others = [each for each in sorted(path.glob("*.json"))[:_MOST_FILES] if each.name != MODEL]
        return kind_of(path / MODEL) == GRAPH and not any(kind_of(each) == GRAPH for each in others)

    def anatomy(self, artifact: Path) -> Anatomy:
        """Read the JSON strictly, and of the weights only how large their files are.

        The names of inputs and outputs are those of the signature, where there is one; else the placeholders', and
        those of the nodes that no other node takes anything from, as the library itself has it.
        """
        model = _json_of(artifact)
        described = _described(model)
        topology = _decode(model, bytes(described.topology), _Topology)
        nodes = [*topology.nodes, *(node for function in topology.library.functions for node in function.nodes)]
        weights: Counter[str] = Counter()
        for group in described.manifest:
            weights.update(_stored(group, own(model, group.paths)))
        signature = _signature(model, described, topology)
        operators = Counter(node.op for node in nodes)
        graph = len(bytes(described.topology))
        return Anatomy(
            version=described.converter,
            operators=dict(sorted(operators.items())),
            inputs=signature.inputs,
            outputs=signature.outputs,
            usual=of_images(beside(model.parent), signature.inputs, last=True),
            reaches=reaching(operators.items()),
            weights=dict(sorted(weights.items())),
            graph_bytes=graph,
            metadata_bytes=max(artifact_bytes(self.files(artifact)) - weights.total() - graph, 0),
        )

    def files(self, artifact: Path) -> list[Path]:
        """Return the JSON file and the weights that it names; raises `exports.parts.AbsentError` when some are gone."""
        model = _json_of(artifact)
        return [model, *own(model, [name for group in _described(model).manifest for name in group.paths])]


def kind_of(path: Path) -> str | None:
    """Return which kind of TensorFlow.js model a JSON file describes; None for anything else.

    JavaScript writes the topology first, a converter the format: it may stand anywhere.
    """
    if not path.is_file() or not 2 <= path.stat().st_size <= _MOST_BYTES:
        return None
    with _mapped(path) as content:
        if not re.match(rb"\xef?\xbb?\xbf?\s*\{", content) or not _TOPOLOGY.search(content):
            return None
        told = _FORMAT.search(content)
        return (told[1].decode() if told else GRAPH) if told or _GRAPH.search(content) else None


@contextmanager
def _mapped(path: Path) -> Iterator[mmap]:
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        yield content


def _json_of(artifact: Path) -> Path:
    model = artifact / MODEL if artifact.is_dir() else artifact
    if not model.is_file():
        raise ValueError(f"{artifact.name} is no TensorFlow.js model: it has no {MODEL}")
    if model.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{model.name} has {model.stat().st_size} bytes, more than {_MOST_BYTES} are not read")
    return model


def _described(model: Path) -> _Model:
    described = _decode(model, model.read_bytes().removeprefix(b"\xef\xbb\xbf"), _Model)
    if described.format == LAYERS:
        raise ValueError(f"{model.name} describes a layers model, which fweval does not read, not a {GRAPH}")
    if described.format != GRAPH:
        raise ValueError(f"{model.name} describes a '{short(described.format)}', not a {GRAPH}")
    return described


def _decode(model: Path, text: bytes, kind: type[_Kind]) -> _Kind:
    try:
        return msgspec.json.decode(text, type=kind, strict=False)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{model.name} is damaged, or describes no model: {short(str(error))}") from error


def _stored(group: _Group, files: Sequence[Path]) -> Counter[str]:
    """Return how many bytes of each type a group of weights has; `ValueError` when its files do not hold them."""
    sizes: Counter[str] = Counter()
    texts = 0
    for weight in group.weights:
        stored = weight.quantization.dtype if weight.quantization else weight.dtype
        if any(size < 0 for size in weight.shape) or len(weight.shape) > MOST_DIMENSIONS:
            raise ValueError(f"the weight '{short(weight.name)}' has the shape {short(str(list(weight.shape)))}")
        if stored == "string":  # each of its own length, which only its bytes tell
            texts += 1
        elif stored in _WIDTHS:
            sizes[stored] += prod(weight.shape) * _WIDTHS[stored]
        else:
            said = f"a type that TensorFlow.js does not know: {short(stored)}"
            raise ValueError(f"the weight '{short(weight.name)}' has {said}")
    held = artifact_bytes(files)
    if texts:
        sizes["str"] = held - sizes.total()
    if held != sizes.total() or sizes["str"] < 0:
        raise ValueError(f"the weights should have {sizes.total()} bytes, and their files have {held}")
    return +sizes


def _signature(model: Path, described: _Model, topology: _Topology) -> Signature:
    """Return what the model takes and gives. Where its signature stands has changed between versions."""
    for told in (described.signature, described.metadata and described.metadata.signature):
        if told and (told.inputs or told.outputs):
            return Signature(inputs=_specs(told.inputs), outputs=_specs(told.outputs))
    taken = {name.partition(":")[0].removeprefix("^") for node in topology.nodes for name in node.inputs}
    placeholders = {node.name: node for node in topology.nodes if node.op.startswith("Placeholder")}
    last = [node.name for node in topology.nodes if node.name not in taken and node.op not in ("Const", "NoOp")]
    tensors = {name: _placeholder(model, node) for name, node in placeholders.items()}
    return Signature(
        inputs=_specs(tensors),
        outputs=tuple(
            TensorSpec(name=name, dtype="float32", shape=(), unknown=_UNRANKED)
            for name in last
            if name not in placeholders
        ),
    )


def _placeholder(model: Path, node: _Node) -> _Tensor:
    attributes = _decode(model, bytes(node.attributes), _Attributes)
    return _Tensor(dtype=attributes.dtype.type, shape=attributes.shape.shape)


def _specs(tensors: dict[str, _Tensor]) -> tuple[TensorSpec, ...]:
    return tuple(_spec(name, tensor) for name, tensor in tensors.items())


def _spec(name: str, tensor: _Tensor) -> TensorSpec:
    kind = _NUMBERED.get(tensor.dtype, str(tensor.dtype)) if isinstance(tensor.dtype, int) else tensor.dtype
    shape = tensor.shape or _Shape(unranked=True)
    if len(shape.dim) > MOST_DIMENSIONS:
        raise ValueError(f"the tensor '{short(name)}' has {len(shape.dim)} dimensions")
    return TensorSpec(
        name=name,
        dtype=_DTYPES.get(kind, kind),
        shape=tuple(None if dimension.size < 0 else dimension.size for dimension in shape.dim),
        unknown=_UNRANKED if shape.unranked else "",
    )


plugin = Tfjs()
