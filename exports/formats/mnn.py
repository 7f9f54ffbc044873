"""MNN: Alibaba's runtime for phones; a flat buffer that holds the graph and its weights.

What is lost: everything but the forward pass, and the types of what comes out. Names are kept; a free batch is too, and
stands in the file as 1.
Specification: https://github.com/alibaba/MNN/tree/master/schema/default
"""

import mmap
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from evaluator.core.records import Anatomy, TensorSpec
from exports.contract import Format, NotReadError
from exports.formats import _flatbuffers, _mnn_schema
from exports.formats._flatbuffers import Table
from exports.formats._naming import MOST_DIMENSIONS, short

_SUFFIX = ".mnn"
_UNTOLD = "the file does not say what comes out of it"


class Mnn(Format):
    """A file of one network; the operators of its subgraphs count as well."""

    name = "mnn"
    title = "MNN"
    path = "mobile"
    suffixes = (_SUFFIX,)
    inert = True

    def recognises(self, path: Path) -> bool:
        """Go by the name, since nothing in the file says what it is, and by whether operators and tensors are there."""
        if not path.is_file() or path.suffix != _SUFFIX:
            return False
        try:
            with _opened(path) as net:
                return bool(net.tables(3)) and bool(net.tables(7))
        except ValueError:
            return False

    def anatomy(self, artifact: Path) -> Anatomy:
        """Read the net, and weigh what its operators hold."""
        with _opened(artifact) as net:
            operators: Counter[str] = Counter()
            weights: Counter[str] = Counter()
            for operator in _operators(net):
                number = operator.number(5, "<i")
                operators[_mnn_schema.OPERATORS.get(number, f"type {number}")] += 1
                _weigh(operator, weights)
            outputs = tuple(
                TensorSpec(name=_text(each), dtype="float32", shape=(), unknown=_UNTOLD) for each in net.tables(4)
            )
            if not operators or not outputs:
                raise ValueError("the net has no operators, or nothing comes out of it")
            said = net.size(0) + net.size(11)
            total = artifact.stat().st_size
            if weights.total() + said > total:
                raise ValueError("the net holds more than the file has")
            return Anatomy(
                version=_version(net),
                operators=dict(operators),
                inputs=tuple(spec for spec, _ in _inputs(net)),
                outputs=outputs,
                weights=dict(+weights),
                graph_bytes=total - weights.total() - said,
                metadata_bytes=said,
            )


def layouts(artifact: Path) -> dict[str, tuple[str, bool]]:
    """Return of each input the type that the file takes, and whether its channels come last."""
    with _opened(artifact) as net:
        return {spec.name: (spec.dtype, last) for spec, last in _inputs(net)}


@contextmanager
def _opened(path: Path) -> Iterator[Table]:
    """Give the root of a file; raises `ValueError` where that cannot be read."""
    if path.stat().st_size < 8:  # the root's offset, and one of its own
        raise ValueError("the file is too short for a flat buffer")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield _flatbuffers.root(data, b"")


def _operators(net: Table) -> Iterator[Table]:
    yield from net.tables(3)
    for graph in net.tables(10):
        yield from graph.tables(4)


def _inputs(net: Table) -> list[tuple[TensorSpec, bool]]:
    """Describe the inputs in the file's order, each with whether its channels come last."""
    names = [_text(each) for each in net.tables(7)]
    found = []
    for operator in net.tables(3):
        told, places = operator.table(2), operator.numbers(4, "<i")
        if operator.number(5, "<i") != _mnn_schema.INPUT:
            continue
        if told is None or operator.number(1, "<B") != _mnn_schema.INPUT_OF or len(places) != 1:
            raise ValueError("an input of the net is damaged")
        if not 0 <= places[0] < len(names):
            raise ValueError("an input of the net has no name")
        sizes = told.numbers(0, "<i")
        if len(sizes) > MOST_DIMENSIONS:
            raise ValueError(f"the input '{short(names[places[0]])}' has {len(sizes)} dimensions")
        dtype, _ = _type(told.number(1, "<i", 1))
        shape = tuple(size if size >= 0 else None for size in sizes)
        spec = TensorSpec(name=names[places[0]], dtype=dtype, shape=shape)
        found.append((spec, told.number(2, "<b", 2) == _mnn_schema.NHWC))
    return found


def _type(number: int) -> tuple[str, int]:
    return _mnn_schema.TYPES.get(number, (f"type {number}", 0))


def _text(string: Table) -> str:
    """Return a string of a vector of strings, which is read as a table: its place is where its length stands."""
    size = string.buffer.unpack("<I", string.position)
    start = string.position + 4
    if start + size > len(string.buffer.data):
        raise ValueError("the flat buffer points outside of itself")
    string.buffer.spend(size // 8)
    return string.buffer.data[start : start + size].decode(errors="replace")


def _version(net: Table) -> str | None:
    extra = net.table(2)
    said = "" if extra is None else extra.text(2)
    return short(said) or None


def _weigh(operator: Table, weights: Counter[str]) -> None:
    """Add the weights of one operator, by type."""
    kind, told = operator.number(1, "<B"), operator.table(2)
    if told is None:
        return
    weigh = _WEIGHED.get(kind)
    if weigh is not None:
        weigh(told, weights)
    for field in _mnn_schema.FLOATS.get(kind, ()):
        weights["float32"] += _bytes(told, field, 4)


def _convolution(told: Table, weights: Counter[str]) -> None:
    _refuse_outside(told, 6)
    weights["float32"] += _bytes(told, 1, 4) + _bytes(told, 2, 4)
    _packed(told.table(3), weights)
    quantized = told.table(4)
    if quantized is not None:
        weights["int8"] += quantized.size(0)
        weights["int32"] += _bytes(quantized, 1, 4)
        weights["float32"] += _bytes(quantized, 2, 4)


def _inner_product(told: Table, weights: Counter[str]) -> None:
    weights["float32"] += _bytes(told, 3, 4) + _bytes(told, 4, 4)
    _packed(told.table(7), weights)


def _packed(told: Table | None, weights: Counter[str]) -> None:
    """Add what lies packed: a head, which tells how, the numbers, and the factors beside them."""
    if told is not None:
        weights[_mnn_schema.PACKED.get(told.number(2, "<i"), "int8")] += told.size(0)
        weights["float32"] += _bytes(told, 1, 4)


def _blob(told: Table, weights: Counter[str]) -> None:
    """Add a constant; numbers of 16 bits lie among the bytes."""
    _refuse_outside(told, 9)
    dtype, _ = _type(told.number(2, "<i", 1))
    weights[dtype if dtype in ("float16", "bfloat16", "uint8", "bool") else "uint8"] += told.size(3)
    weights["int8"] += told.size(4)
    for field, name, width in ((5, "int32", 4), (6, "int64", 8), (7, "float32", 4)):
        weights[name] += _bytes(told, field, width)


def _refuse_outside(told: Table, field: int) -> None:
    if told.numbers(field, "<q"):
        raise NotReadError("its weights lie in a file of their own (MNNConvert --saveExternalData): convert it without")


def _bytes(told: Table, field: int, width: int) -> int:
    """Return how many bytes a vector of numbers has, and read none of them."""
    return width * told.length(field, width)


_WEIGHED: dict[int, Callable[[Table, Counter[str]], None]] = {
    _mnn_schema.BLOB: _blob,
    _mnn_schema.CONVOLUTION: _convolution,
    _mnn_schema.INNER_PRODUCT: _inner_product,
}

plugin = Mnn()
