"""SavedModel: a TensorFlow function with its variables, in a folder that TensorFlow Serving loads as it is.

What is lost: the Keras layers, and with them the way to go on training; what is kept is the forward pass, as a graph,
under the signature `serving_default`.
Specification: https://www.tensorflow.org/guide/saved_model
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from evaluator.core.records import Anatomy, TensorSpec
from exports.contract import Format
from exports.formats import _protobuf, _tensor_bundle
from exports.sizes import artifact_bytes, files_below

_FILE = "saved_model.pb"
_BEGIN = b"\x08\x01\x12"  # schema version 1, then a graph
_SIGNATURE = "serving_default"
_MOST_BYTES = 2 << 30  # protocol buffers have no more
# Operators that compute nothing: they hold a value, pass one on, or call a function, which is counted itself.
_PLUMBING = {"Const", "Identity", "NoOp", "Placeholder", "ReadVariableOp", "VarHandleOp"} | {
    "StatefulPartitionedCall",
    "PartitionedCall",
}
_SAVING = ("__inference__traced_save_", "__inference__traced_restore_")  # functions that every SavedModel has
# tensorflow/core/framework/types.proto
_DTYPES = {
    1: "float32",
    2: "float64",
    3: "int32",
    4: "uint8",
    5: "int16",
    6: "int8",
    7: "str",
    8: "complex64",
    9: "int64",
    10: "bool",
    11: "int8",  # from here the quantized types of old: qint8, quint8, qint32
    12: "uint8",
    13: "int32",
    14: "bfloat16",
    17: "uint16",
    18: "complex128",
    19: "float16",
    20: "resource",
    21: "variant",
    22: "uint32",
    23: "uint64",
    24: "float8_e5m2",
    25: "float8_e4m3fn",
    29: "int4",
    30: "uint4",
}
_NOT_WEIGHTS = {"_CHECKPOINTABLE_OBJECT_GRAPH", "save_counter/.ATTRIBUTES/VARIABLE_VALUE"}


class SavedModel(Format):
    """A folder with one signature, whose inputs and outputs carry our signature's names."""

    name = "savedmodel"
    title = "SavedModel"
    path = "server"
    suffixes = ("",)

    def recognises(self, path: Path) -> bool:
        """Look for the file with the graph, and whether it begins like one."""
        model = path / _FILE
        if not model.is_file():
            return False
        with model.open("rb") as file:
            return file.read(len(_BEGIN)) == _BEGIN

    def anatomy(self, artifact: Path) -> Anatomy:
        """Read the messages of the graph and the index of the variables, without TensorFlow.

        The operators of the graph and of all its functions are counted, but for those that only pass tensors on, and
        those that save and restore variables. Weights are the variables and the constants.
        """
        model = artifact / _FILE
        if not self.recognises(artifact) or model.stat().st_size > _MOST_BYTES:
            raise ValueError(f"{artifact.name} is no SavedModel: it has no {_FILE} that begins like one")
        try:
            return _anatomy(artifact, model)
        except (ValueError, UnicodeDecodeError) as error:
            raise ValueError(f"{artifact.name} is damaged, or cut off: {error}") from error


def _anatomy(artifact: Path, model: Path) -> Anatomy:
    content = _protobuf.read(memoryview(model.read_bytes()))
    graph = _protobuf.messages(content, 2)[0]
    about = _protobuf.messages(graph, 1)
    nodes = list(_nodes(graph))
    constants = Counter(dict(_constants(nodes)))
    weights = constants + _variables(artifact / "variables" / "variables.index")
    inputs, outputs = _signature(graph)
    program = sum(map(len, _protobuf.parts(graph, 2))) - constants.total()
    release = _protobuf.text(about[-1], 5) if about else ""
    operators = Counter(_protobuf.text(node, 2) for node in nodes)
    return Anatomy(
        version=f"TensorFlow {release}" if release else None,
        operators={name: count for name, count in sorted(operators.items()) if name not in _PLUMBING},
        inputs=inputs,
        outputs=outputs,
        weights=dict(sorted(weights.items())),
        graph_bytes=max(program, 0),
        metadata_bytes=max(artifact_bytes(files_below(artifact)) - weights.total() - max(program, 0), 0),
    )


def _nodes(meta_graph: _protobuf.Message) -> Iterator[_protobuf.Message]:
    """Yield the nodes of the graph, and of the functions in its library that the model computes with."""
    for graph in _protobuf.messages(meta_graph, 2):
        yield from _protobuf.messages(graph, 1)
        for library in _protobuf.messages(graph, 2):
            for function in _protobuf.messages(library, 1):
                if not _name(function).startswith(_SAVING):
                    yield from _protobuf.messages(function, 3)


def _name(function: _protobuf.Message) -> str:
    return next((_protobuf.text(signature, 1) for signature in _protobuf.messages(function, 1)), "")


def _constants(nodes: Iterable[_protobuf.Message]) -> Iterator[tuple[str, int]]:
    """Return the bytes of the constants by type; those of a few numbers are written in another way, and left out."""
    sizes: Counter[str] = Counter()
    for node in nodes:
        if _protobuf.text(node, 2) != "Const":
            continue
        values = [value for key, value in _map(node, 5) if key == "value"]
        for tensor in (tensor for value in values for tensor in _protobuf.messages(value, 8)):
            sizes[_dtype(_protobuf.integer(tensor, 1))] += sum(map(len, _protobuf.parts(tensor, 4)))
    yield from (+sizes).items()


def _variables(index: Path) -> Counter[str]:
    sizes: Counter[str] = Counter()
    if index.is_file():
        for key, variable in _tensor_bundle.read(index).items():
            if key not in _NOT_WEIGHTS:
                sizes[_dtype(variable.dtype)] += variable.size_bytes
    return sizes


def _signature(meta_graph: _protobuf.Message) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Return what `serving_default` takes and gives; nothing where there is no such signature."""
    known = dict(_map(meta_graph, 5))
    chosen = known.get(_SIGNATURE, {})
    inputs, outputs = (tuple(_spec(name, about) for name, about in sorted(_map(chosen, side))) for side in (1, 2))
    return inputs, outputs


def _map(message: _protobuf.Message, number: int) -> list[tuple[str, _protobuf.Message]]:
    """Return the entries of a map from strings to messages."""
    return [
        (_protobuf.text(entry, 1), found[-1] if (found := _protobuf.messages(entry, 2)) else {})
        for entry in _protobuf.messages(message, number)
    ]


def _spec(name: str, about: _protobuf.Message) -> TensorSpec:
    shapes = _protobuf.messages(about, 3)
    sizes = [_protobuf.integer(dimension, 1) for shape in shapes for dimension in _protobuf.messages(shape, 2)]
    return TensorSpec(
        name=name,
        dtype=_dtype(_protobuf.integer(about, 2)),
        shape=tuple(None if size < 0 else size for size in sizes),
    )


def _dtype(number: int) -> str:
    if number not in _DTYPES:
        raise ValueError(f"a tensor has a type that is not known: {number}")
    return _DTYPES[number]


plugin = SavedModel()
