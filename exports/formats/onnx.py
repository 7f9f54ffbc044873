"""ONNX: an open graph format that both frameworks can be exported to and that many runtimes execute.

What is lost: everything but the forward pass. Weights stay bit for bit, operators are re-expressed in ONNX's own set
(exporters fuse and reorder some), so results differ by rounding. One file, which may have up to 2 GB (the limit of
protocol buffers), and files with weights beside it, which may have any size.
Specification: https://github.com/onnx/onnx/blob/main/docs/IR.md, for files beside it
https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
"""

from collections import Counter
from collections.abc import Hashable, Iterable
from math import prod
from os.path import normpath
from pathlib import Path
from typing import Any, BinaryIO

from evaluator.core.errors import FwevalError, Unavailable
from evaluator.core.records import Anatomy, TensorSpec
from exports.contract import Format, NotReadError
from exports.formats._onnx_sizes import usual
from exports.parts import own, shown
from exports.sizes import artifact_bytes

_FIELDS = {1: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, 7: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}  # of ModelProto -> wire type
_IR_VERSION, _GRAPH = 1, 7
_MOST_FIELDS = 1000  # that are looked at
_UNRANKED = "the file does not tell how many dimensions it has"
_STANDARD = {"", "ai.onnx"}  # both are the standard operators' domain
_BITS = {"int4": 4, "uint4": 4, "float4_e2m1fn": 4, "int2": 2, "uint2": 2}  # of types that are packed
# Operators that run Python, or read a file of their own: those of ONNX Runtime's extensions and of its training.
# https://github.com/microsoft/onnxruntime-extensions/blob/main/docs/custom_ops.md,
# https://onnxruntime.ai/docs/execution-providers/EP-Context-Design.html
_REACHING = {
    *("ai.onnx.contrib::PyOp", "com.microsoft::PyOp", "com.microsoft::PythonOp", "com.microsoft::PythonOpGrad"),
    "com.microsoft::EPContext",
}
_MOST_BYTES = (1 << 31) - 1  # of a message: https://protobuf.dev/programming-guides/encoding/#size-limit
_LISTS = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")  # hold the data that are not raw


class Onnx(Format):
    """A file whose inputs and outputs carry the signature's names, with a free batch dimension."""

    name = "onnx"
    title = "ONNX"
    path = "portable"
    suffixes = (".onnx",)
    inert = True

    def recognises(self, path: Path) -> bool:
        """Walk over the fields of the outermost message: an ONNX model tells its version and holds a graph."""
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return _is_model(file)

    def anatomy(self, artifact: Path) -> Anatomy:
        """Parse the protobuf message. Operators of subgraphs and of functions count, too.

        Of weights in files beside it only the sizes are looked at, and only below the artifact's own folder.
        Raises `Unavailable` without the package onnx, `FwevalError` for a file of more than 2 GB.
        """
        model = _parse(artifact)
        program = [*model.graph.node, *(node for function in model.functions for node in function.node)]
        nodes, inner = _inside(program)
        whole = own(artifact, [artifact.name, *map(_location, _outside(model))])
        places: dict[Hashable, tuple[str, int]] = {}  # tensors may share the place of their data
        for index, tensor in enumerate(_all_tensors(model)):
            size = _data_bytes(tensor, artifact.parent)
            place = (*_place(tensor)[:2], size) if _is_outside(tensor) else index
            places[place] = (_dtype(tensor.data_type), size)
        weights: Counter[str] = Counter()
        for dtype, size in places.values():
            weights[dtype] += size
        graph = sum(node.ByteSize() for node in program)
        graph -= sum(tensor.ByteSize() for tensor in inner) + sum(_notes_bytes(node) for node in nodes)
        initialised = {tensor.name for tensor in model.graph.initializer}  # old files list weights among the inputs
        operators = Counter(map(_operator, nodes))
        inputs = tuple(_spec(value) for value in model.graph.input if value.name not in initialised)
        return Anatomy(
            version=_version(model, nodes),
            operators=dict(sorted(operators.items())),
            inputs=inputs,
            outputs=tuple(map(_spec, model.graph.output)),
            usual=usual(model, inputs),
            reaches={name: count for name, count in sorted(operators.items()) if name in _REACHING},
            weights=dict(sorted(weights.items())),
            graph_bytes=graph,
            metadata_bytes=max(artifact_bytes(whole) - weights.total() - graph, 0),
        )

    def files(self, artifact: Path) -> list[Path]:
        """Return the file, and those beside it that it says its tensors lie in."""
        return own(artifact, [artifact.name, *locations(artifact)])


def locations(artifact: Path) -> list[str]:
    """Return the names by which a file calls those beside it that hold its tensors' data, each once."""
    return list(dict.fromkeys(map(_location, _outside(_parse(artifact)))))


def opset(artifact: Path) -> int | None:
    """Return which version of the standard operators a file is written in; None where it names none."""
    return max((entry.version for entry in _parse(artifact).opset_import if entry.domain in _STANDARD), default=None)


def _is_model(file: BinaryIO) -> bool:
    """Read field after field, and skip over what they hold: https://protobuf.dev/programming-guides/encoding/."""
    seen: set[int] = set()
    for _ in range(_MOST_FIELDS):
        tag = _varint(file)
        if tag is None:
            break
        number, wire = tag >> 3, tag & 7
        if _FIELDS.get(number) != wire:
            return False
        seen.add(number)
        value = _varint(file)
        if value is None or value >= 1 << 40:
            break
        if wire == 2:
            file.seek(value, 1)
    return seen >= {_IR_VERSION, _GRAPH}


def _varint(file: BinaryIO) -> int | None:
    """Read a number of seven bits a byte; None at the end of the file, or when it does not end."""
    value = 0
    for index in range(10):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << 7 * index
        if byte[0] < 0x80:
            return value
    return None


def _parse(artifact: Path) -> Any:
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ModuleNotFoundError as error:
        raise Unavailable("not installed: onnx", remedy="pip install -c constraints.txt onnx") from error
    size = artifact.stat().st_size
    if size > _MOST_BYTES:
        raise FwevalError(
            f"{artifact.name} has {size / 1e9:.3g} GB: nothing reads an ONNX file of more than 2 GB",
            remedy="export it with its weights in a file beside it (save_as_external_data=True)",
        )
    try:
        model = onnx.load(artifact, load_external_data=False)
    except DecodeError as error:  # also for too deep nesting
        raise ValueError(f"{artifact.name} is damaged, or no ONNX model: {error}") from error
    if not model.HasField("graph") or not (model.opset_import or model.ir_version < 3):
        raise ValueError(f"{artifact.name} is cut off, or no ONNX model: it has no graph or no operator set")
    return model


def _inside(program: Iterable[Any]) -> tuple[list[Any], list[Any]]:
    """Return all nodes, down through their subgraphs, and all tensors that they and their subgraphs hold."""
    nodes, tensors, left = [], [], list(program)
    while left:
        node = left.pop()
        nodes.append(node)
        for attribute in node.attribute:
            tensors += [attribute.t] if attribute.HasField("t") else []
            tensors += attribute.tensors
            sparse = [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
            tensors += [part for each in (*sparse, *attribute.sparse_tensors) for part in (each.values, each.indices)]
            for graph in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                left += graph.node
                tensors += _tensors(graph)
    return nodes, tensors


def _tensors(graph: Any) -> list[Any]:
    sparse = [part for tensor in graph.sparse_initializer for part in (tensor.values, tensor.indices)]
    return [*graph.initializer, *sparse]


def _all_tensors(model: Any) -> list[Any]:
    """Return every tensor of a model, those of its training program, too."""
    functions = (node for function in model.functions for node in function.node)
    training = [graph for each in model.training_info for graph in (each.initialization, each.algorithm)]
    nodes = [*functions, *(node for graph in (model.graph, *training) for node in graph.node)]
    return [*(tensor for graph in (model.graph, *training) for tensor in _tensors(graph)), *_inside(nodes)[1]]


def _is_outside(tensor: Any) -> bool:
    return bool(tensor.data_location == tensor.EXTERNAL)


def _outside(model: Any) -> list[Any]:
    """Return the tensors whose data lie in other files."""
    return [tensor for tensor in _all_tensors(model) if _is_outside(tensor)]


def _operator(node: Any) -> str:
    return f"{node.domain}::{node.op_type}" if node.domain not in _STANDARD else str(node.op_type)


def _version(model: Any, nodes: Iterable[Any]) -> str:
    """Return the operator set's version first, for it decides who can read the file; tools import sets in passing."""
    used = {node.domain for node in nodes} - _STANDARD
    ours = [f"opset {entry.version}" for entry in model.opset_import if entry.domain in _STANDARD]
    others = [f"{entry.domain} {entry.version}" for entry in model.opset_import if entry.domain in used]
    return ", ".join([*ours, f"IR {model.ir_version}", *others])


def _dtype(number: int) -> str:
    """Return numpy's name of a type of ONNX (or that of the package ml_dtypes); "str" for strings."""
    from onnx import TensorProto, helper

    if number == TensorProto.STRING:
        return "str"
    try:
        return str(helper.tensor_dtype_to_np_dtype(number).name)
    except KeyError as error:
        raise NotReadError(f"it has a tensor of the type {number}, which the package onnx does not know") from error


def _spec(value: Any) -> TensorSpec:
    """Describe an input or an output; one that is no tensor gets the name of its kind: "sequence", "optional"."""
    kind = value.type.WhichOneof("value") or "nothing"
    if kind != "tensor_type":
        return TensorSpec(name=str(value.name), dtype=kind.removesuffix("_type"), shape=())
    tensor = value.type.tensor_type
    sizes = [size.dim_value if size.HasField("dim_value") else -1 for size in tensor.shape.dim]
    shape = tuple(size if size >= 0 else None for size in sizes)
    unknown = "" if tensor.HasField("shape") else _UNRANKED  # a shape without dimensions is a scalar's
    return TensorSpec(name=str(value.name), dtype=_dtype(tensor.elem_type), shape=shape, unknown=unknown)


def _data_bytes(tensor: Any, folder: Path) -> int:
    """Return how many bytes a tensor's numbers take; `ValueError` when they are not all there."""
    dtype = _dtype(tensor.data_type)
    if dtype == "str":
        return sum(map(len, tensor.string_data))
    if any(size < 0 for size in tensor.dims):
        raise ValueError(f"the tensor '{tensor.name}' has the shape {list(tensor.dims)}")
    wanted: int = (prod(tensor.dims) * _bits(dtype, tensor.data_type) + 7) // 8
    if _is_outside(tensor):
        held = _external_bytes(tensor, folder, wanted)
    elif tensor.HasField("raw_data"):
        held = len(tensor.raw_data)
    else:
        held = wanted if wanted == 0 or any(len(getattr(tensor, name)) for name in _LISTS) else 0
    if held != wanted:
        cut = f"its file '{shown(_location(tensor))}' is not whole: " if _is_outside(tensor) else ""
        raise ValueError(f"{cut}the tensor '{shown(tensor.name)}' should have {wanted} bytes of data and has {held}")
    return wanted


def _bits(dtype: str, number: int) -> int:
    from onnx import helper

    return _BITS.get(dtype) or 8 * int(helper.tensor_dtype_to_np_dtype(number).itemsize)


def _location(tensor: Any) -> str:
    return {entry.key: str(entry.value) for entry in tensor.external_data}.get("location", "")


def _place(tensor: Any) -> tuple[str, int, int | None]:
    """Return where in which file a tensor's data lie, and how many bytes, where that is said."""
    told = {entry.key: str(entry.value) for entry in tensor.external_data}
    try:
        start, length = int(told.get("offset") or 0), int(told["length"]) if told.get("length") else None
    except ValueError as error:
        raise ValueError(f"the place of the data of '{shown(tensor.name)}' is no number") from error
    return normpath(_location(tensor)), start, length


def _external_bytes(tensor: Any, folder: Path, wanted: int) -> int:
    """Return how many bytes of a file beside the model belong to a tensor: by its shape, where it is not said."""
    name, start, length = _place(tensor)
    size = (folder / name).stat().st_size
    length = wanted if length is None else length
    return length if 0 <= start <= start + length <= size else max(size - max(start, 0), 0)


def _notes_bytes(node: Any) -> int:
    """Return what of a node is for readers only: PyTorch's exporter writes stack traces there."""
    return len(node.doc_string) + sum(int(note.ByteSize()) for note in node.metadata_props)


plugin = Onnx()
