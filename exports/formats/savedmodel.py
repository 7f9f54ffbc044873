"""SavedModel: a TensorFlow function with its variables, in a folder that TensorFlow Serving loads as it is.

What is lost: the Keras layers, and with them the way to go on training; what is kept is the forward pass, as a graph,
under signatures, of which `serving_default` is what a server takes by default.
Specification: https://www.tensorflow.org/guide/saved_model,
https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/protobuf/meta_graph.proto
"""

import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from evaluator.core.errors import FwevalError
from evaluator.core.records import Anatomy, Signature, TensorSpec
from exports.contract import Format, NotReadError
from exports.formats import _protobuf, _tensor_bundle
from exports.formats._naming import MOST_DIMENSIONS, short
from exports.formats._stated_sizes import beside, of_images
from exports.formats._tensorflow_operators import reaching
from exports.parts import PartError, kind, shown
from exports.signatures import judged
from exports.sizes import artifact_bytes

_FILE = "saved_model.pb"
_PARTS = (_FILE, "variables", "assets", "assets.extra")  # what TensorFlow looks for; else nothing is its own
_BEGIN = b"\x08\x01\x12"  # schema version 1, then a graph
_TAGS = ("serve",)  # the tags of the graph that TensorFlow Serving loads
_MOST_BYTES = 2 << 30  # protocol buffers have no more
# Operators that compute nothing: they hold a value, pass one on, or call a function, which is counted itself.
_PLUMBING = {"Const", "Identity", "NoOp", "Placeholder", "ReadVariableOp", "VarHandleOp"} | {
    "StatefulPartitionedCall",
    "PartitionedCall",
}
_SAVING = ("__inference__traced_save_", "__inference__traced_restore_")  # functions that every SavedModel has
_OF_THE_SAVER = {"Save", "SaveV2", "SaveSlices", "Restore", "RestoreV2", "RestoreSlice", "MergeV2Checkpoints"}
_SAVER = re.compile("save(_[0-9]+)?")  # the scope of each, unless it was given another
_PRINTS, _TO_A_FILE = "PrintV2", b"file://"  # where its attribute `output_stream` begins so; else it is the terminal
NO_ENTRIES = {"__saved_model_init_op", "__saved_model_train_op"}  # what the loader itself calls
_UNRANKED = "the file does not tell how many dimensions it has"
_PART = "it is a part of a ragged or sparse tensor"
# Of a StructuredValue, the kinds that hold others: tensorflow/core/protobuf/struct.proto
_LISTS, _DICTIONARY, _NAMED, _TYPE_SPEC = (51, 52), 53, 54, 34
_COMPOSITES = {1, 3}  # SPARSE_TENSOR_SPEC, RAGGED_TENSOR_SPEC
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
    """A folder with signatures, whose inputs and outputs have names of their own."""

    name = "savedmodel"
    title = "SavedModel"
    path = "server"
    suffixes = ("",)
    untold = (
        "it has no signature: TensorFlow Serving cannot serve it",
        "save it with what is to be served: tf.saved_model.save(model, folder, signatures=…)",
    )

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
        those that save and restore variables. Weights are the variables and the constants. Of several graphs the one
        with the tag "serve" alone is read, else the first that has it, else the first.
        """
        model = artifact / _FILE
        if not self.recognises(artifact):
            raise ValueError(f"{artifact.name} is no SavedModel: it has no {_FILE} that begins like one")
        size = model.stat().st_size
        if size > _MOST_BYTES:
            raise FwevalError(
                f"{_FILE} has {size / 1e9:.3g} GB: nothing reads a graph of more than 2 GB",
                remedy="save the weights as variables, not as constants of the graph",
            )
        try:
            return _anatomy(artifact, model)
        except NotReadError:
            raise
        except (ValueError, UnicodeDecodeError) as error:
            raise ValueError(f"{artifact.name} is damaged, or cut off: {error}") from error

    def files(self, artifact: Path) -> list[Path]:
        """Return all files below the folder.

        Raises `PartError` where one of the model's own is a device or a pipe, which would be read for ever, or a link
        that leads nowhere.
        """
        paths = sorted(artifact.rglob("*"), key=lambda path: path.relative_to(artifact).as_posix())
        return [path for path in paths if _is_file(artifact, path)]


def _is_file(folder: Path, path: Path) -> bool:
    """Tell whether it is a file of the model; what lies in its folder beside that and is no file is left out."""
    name = path.relative_to(folder)
    try:
        mode = path.stat().st_mode
    except OSError:
        mode = 0
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode) or name.parts[0] not in _PARTS:
        return stat.S_ISREG(mode)
    what = kind(mode) if mode else "a link to what is not there, or may not be seen"
    raise PartError(f"its file '{shown(str(name))}' is {what}", remedy="copy the file itself into the folder")


def served(graphs: Sequence[Sequence[str]]) -> int:
    """Return which of several graphs is judged, by their tags: what TensorFlow Serving loads, where it is there."""
    ranked = [(tuple(tags) != _TAGS, not set(_TAGS) <= set(tags), position) for position, tags in enumerate(graphs)]
    return min(ranked)[-1]


def _anatomy(artifact: Path, model: Path) -> Anatomy:
    content = _protobuf.read(memoryview(model.read_bytes()))
    graphs = _protobuf.messages(content, 2)
    tags = [_tags(graph) for graph in graphs]
    place = served(tags)
    graph = graphs[place]
    about = _protobuf.messages(graph, 1)
    nodes = list(_nodes(graph))
    constants = Counter(dict(_constants(nodes)))
    weights = constants + _variables(artifact / "variables" / "variables.index")
    signatures = tuple(_signatures(graph))
    taken = judged(signatures)
    program = sum(map(len, _protobuf.parts(graph, 2))) - constants.total()
    release = _protobuf.text(about[-1], 5) if about else ""
    operators = Counter(_protobuf.text(node, 2) for node in nodes)
    return Anatomy(
        version=_version(release, tags[place]),
        operators={name: count for name, count in sorted(operators.items()) if name not in _PLUMBING},
        inputs=taken.inputs if taken else (),
        outputs=taken.outputs if taken else (),
        signatures=signatures,
        judged=taken.name if taken else "",
        usual=of_images(beside(artifact), taken.inputs, last=True) if taken else {},
        reaches=reaching(Counter(_reached(graph)).items()),
        weights=dict(sorted(weights.items())),
        graph_bytes=max(program, 0),
        metadata_bytes=max(artifact_bytes(plugin.files(artifact)) - weights.total() - max(program, 0), 0),
    )


def _tags(graph: _protobuf.Message) -> tuple[str, ...]:
    abouts = _protobuf.messages(graph, 1)
    return tuple(bytes(tag).decode() for about in abouts for tag in _protobuf.parts(about, 4))


def _version(release: str, tags: Sequence[str]) -> str | None:
    parts = [
        f"TensorFlow {release}" if release else "",
        "" if tuple(tags) == _TAGS else f"tags: {', '.join(tags) or 'none'}",
    ]
    return "; ".join(filter(None, parts)) or None


def _nodes(meta_graph: _protobuf.Message) -> Iterator[_protobuf.Message]:
    """Yield the nodes of the graph, and of the functions in its library that the model computes with."""
    for function, node in _all_nodes(meta_graph):
        if not function.startswith(_SAVING):
            yield node


def _all_nodes(meta_graph: _protobuf.Message) -> Iterator[tuple[str, _protobuf.Message]]:
    """Yield all nodes, each with the name of the function that it is in, "" outside of functions."""
    for graph in _protobuf.messages(meta_graph, 2):
        for node in _protobuf.messages(graph, 1):
            yield "", node
        for library in _protobuf.messages(graph, 2):
            for function in _protobuf.messages(library, 1):
                name = _name(function)
                for node in _protobuf.messages(function, 3):
                    yield name, node


def _reached(meta_graph: _protobuf.Message) -> Iterator[str]:
    """Yield the operators, but for those that save and restore the variables where every SavedModel does."""
    savers = _protobuf.messages(meta_graph, 3)
    scopes = {_protobuf.text(saver, 3).rpartition("/")[0] for saver in savers} - {""}
    for function, node in _all_nodes(meta_graph):
        operator = _protobuf.text(node, 2)
        scope = "" if function else _protobuf.text(node, 1).partition("/")[0]
        own = function.startswith(_SAVING) or scope in scopes or _SAVER.fullmatch(scope)
        if operator == _PRINTS:
            if _stream(node).startswith(_TO_A_FILE):
                yield operator
        elif not (own and operator in _OF_THE_SAVER):
            yield operator


def _stream(node: _protobuf.Message) -> bytes:
    found = [part for key, value in _map(node, 5) if key == "output_stream" for part in _protobuf.parts(value, 2)]
    return bytes(found[-1]) if found else b""


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


def _signatures(meta_graph: _protobuf.Message) -> Iterator[Signature]:
    """Yield what can be asked for, by name."""
    composite = _takes_composites(meta_graph)
    for name, described in sorted(_map(meta_graph, 5), key=lambda entry: entry[0]):
        if name in NO_ENTRIES:
            continue
        optional = {key for key, _ in _map(described, 4)}
        takes, gives = (
            [_spec(key, about) for key, about in sorted(_map(described, side), key=lambda entry: entry[0])]
            for side in (1, 2)
        )
        takes = [msgspec.structs.replace(spec, optional=spec.name in optional) for spec in takes]
        yield Signature(name=name, inputs=tuple(_parts_marked(takes) if composite else takes), outputs=tuple(gives))


def _takes_composites(meta_graph: _protobuf.Message) -> bool:
    """Tell whether a function takes sparse or ragged tensors: a signature has their parts as tensors."""
    left = [
        _protobuf.messages(function, 3)
        for objects in _protobuf.messages(meta_graph, 7)
        for _, function in _map(objects, 2)
    ]
    while left:
        for value in left.pop():
            for spec in _protobuf.messages(value, _TYPE_SPEC):
                if _protobuf.integer(spec, 1) in _COMPOSITES:
                    return True
            held_in = [each for kind in _LISTS for each in _protobuf.messages(value, kind)]
            left.extend(_protobuf.messages(held, 1) for held in held_in)
            for held in _protobuf.messages(value, _DICTIONARY):
                left.extend([each] for _, each in _map(held, 1))
            for held in _protobuf.messages(value, _NAMED):
                left.extend(_protobuf.messages(pair, 2) for pair in _protobuf.messages(held, 2))
    return False


def _parts_marked(specs: Sequence[TensorSpec]) -> list[TensorSpec]:
    """Mark the parts of composite tensors, which are told by their names: "r", "r_1", "r_2"."""
    names = {spec.name for spec in specs}
    bases = {name.removesuffix("_1") for name in names if name.endswith("_1")} & names
    return [
        msgspec.structs.replace(spec, unknown=_PART) if re.sub(r"_[0-9]+$", "", spec.name) in bases else spec
        for spec in specs
    ]


def _map(message: _protobuf.Message, number: int) -> list[tuple[str, _protobuf.Message]]:
    """Return the entries of a map from strings to messages."""
    return [
        (_protobuf.text(entry, 1), found[-1] if (found := _protobuf.messages(entry, 2)) else {})
        for entry in _protobuf.messages(message, number)
    ]


def _spec(name: str, about: _protobuf.Message) -> TensorSpec:
    shapes = _protobuf.messages(about, 3)
    sizes = [_protobuf.integer(dimension, 1) for shape in shapes for dimension in _protobuf.messages(shape, 2)]
    if len(sizes) > MOST_DIMENSIONS:
        raise ValueError(f"the tensor '{short(name)}' has {len(sizes)} dimensions")
    unranked = any(_protobuf.integer(shape, 3) for shape in shapes)
    whole = _protobuf.parts(about, 4) or _protobuf.parts(about, 5)  # it names its parts in place of itself
    return TensorSpec(
        name=name,
        dtype=_dtype(_protobuf.integer(about, 2)),
        shape=tuple(None if size < 0 else size for size in sizes),
        unknown=_PART if whole else _UNRANKED if unranked else "",
    )


def _dtype(number: int) -> str:
    if number not in _DTYPES:
        raise NotReadError(f"it has a tensor of the type {number} (tensorflow/core/framework/types.proto)")
    return _DTYPES[number]


plugin = SavedModel()
