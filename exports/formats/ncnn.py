"""ncnn: Tencent's small runtime for phones; a graph as text (`.param`) and the weights beside it (`.bin`).

What is lost: names and types of inputs and outputs, and free sizes. There is no batch: a file computes one row, so
that the first dimension of all that goes in and comes out is 1. The sizes of a row stand in the file where its
converter wrote them. Specification: https://github.com/Tencent/ncnn/wiki/param-and-model-file-structure
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from evaluator.core.records import Anatomy, TensorSpec
from exports.contract import Format
from exports.formats import _ncnn_weights as weights_of
from exports.formats._naming import short
from exports.parts import own

MAGIC = "7767517"
INPUT = "Input"
_HEAD_BYTES = 1 << 12
_MOST_BYTES = 64 << 20  # of the graph: it is text
_FOREIGN = b"pnnx."  # layers of PNNX's own graphs, which begin with the same line
_ARRAY = -23300  # below it, a setting is an array of the number that is left, in the older way of writing
_LOOKED_UP = "Embed"  # takes the numbers of rows as whole numbers; every other layer computes with floats
_PASSING = ("Split", "Noop", "Reshape", "Flatten", "Squeeze", "ExpandDims", "Permute", "Slice", "Crop", "Dropout")
# Where an input says the sizes of a row, from the innermost on, for as many dimensions as it has.
SIZES = ((0,), (0, 1), (0, 1, 2), (0, 1, 11, 2))
_UNSIZED = "the file does not say which sizes it takes"
_LEAST_WORDS = 4  # of a layer: its kind, its name, how many values it takes, and how many it gives
_NUMBERED = re.compile(r"(?:in|out)(\d+)")  # as PNNX calls them, in the order of the network's own


class Layer(NamedTuple):
    """One line of the graph."""

    kind: str
    name: str
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    settings: dict[int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Graph:
    """What goes in and comes out of a file, and its layers in the order in which they are computed."""

    layers: tuple[Layer, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    mixed: tuple[str, ...]  # inputs that are both looked up and computed with: no array is both


class Ncnn(Format):
    """Two files: `NAME.param`, which is the artifact's path, and `NAME.bin` beside it."""

    name = "ncnn"
    title = "ncnn"
    path = "mobile"
    suffixes = (".param",)
    inert = True

    def recognises(self, path: Path) -> bool:
        """Look for the first line, and tell ncnn's layers from those of PNNX's own graphs."""
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        return re.match(rb"7767517\s+\d+\s+\d+\s", head) is not None and _FOREIGN not in head

    def files(self, artifact: Path) -> list[Path]:
        """Return the graph and its weights; raises `ValueError` when they are not there."""
        return [artifact, *own(artifact, [artifact.with_suffix(".bin").name])]

    def anatomy(self, artifact: Path) -> Anatomy:
        """Read the graph, and go through the weights as its layers have them."""
        graph = read(artifact)
        _, path = self.files(artifact)
        stored, total = path.stat().st_size, artifact.stat().st_size
        weights = _weights(graph.layers, path)
        return Anatomy(
            version=MAGIC,
            operators=dict(Counter(layer.kind for layer in graph.layers)),
            inputs=graph.inputs,
            outputs=graph.outputs,
            weights=dict(weights),
            graph_bytes=total,
            metadata_bytes=stored - weights.total(),
        )


def read(artifact: Path) -> Graph:
    """Take the text of a graph apart; raises `ValueError` when it is damaged."""
    if artifact.stat().st_size > _MOST_BYTES:
        raise ValueError(f"a graph of more than {_MOST_BYTES >> 20} MB is not read")
    try:
        lines = artifact.read_bytes().decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError("the graph is no text") from error
    if lines[0].strip() != MAGIC or len(lines) < 3:  # magic, counts, layers
        raise ValueError(f"the file does not begin with the line {MAGIC}")
    counts = lines[1].split()
    layers = tuple(_layer(line) for line in lines[2:] if line.strip())
    blobs = [blob for layer in layers for blob in layer.gives]
    if counts != [str(len(layers)), str(len(blobs))]:
        raise ValueError(
            f"the graph is cut off: it should have {short(' '.join(counts))} layers and values, "
            f"and has {len(layers)} and {len(blobs)}"
        )
    if len(set(blobs)) < len(blobs):
        raise ValueError("two values of the graph have one name")
    return _described(layers)


def position(name: str) -> int | None:
    """Return the place of an input or output among the network's own, where its name tells: `in2` -> 2."""
    found = _NUMBERED.fullmatch(name)
    return int(found[1]) if found and len(found[1]) < len(MAGIC) else None


def placed(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return by which of the `wanted` names each of a file's inputs (or outputs) goes: by its number, or its place.

    PNNX numbers them as the network has them, and leaves out what is not used. Raises `ValueError` where neither fits.
    """
    numbers = [position(name) for name in names]
    if all(number is not None and number < len(wanted) for number in numbers):
        return [wanted[number] for number in numbers if number is not None]
    if len(names) == len(wanted):
        return list(wanted)
    raise ValueError(f"the file has {len(names)} ({', '.join(names)}) where the model has {', '.join(wanted)}")


def _layer(line: str) -> Layer:
    words = line.split()
    if len(words) < _LEAST_WORDS:
        raise ValueError(f"the line '{short(line.strip())}' of the graph is cut off")
    kind, name, *rest = words
    try:
        takes, gives, last = _counts(rest)
        settings = dict(_setting(each) for each in _joined(rest[last:]))
    except ValueError as error:
        raise ValueError(f"the layer '{short(name)}' is damaged") from error
    return Layer(kind, name, tuple(rest[2 : 2 + takes]), tuple(rest[last - gives : last]), settings)


def _counts(words: Sequence[str]) -> tuple[int, int, int]:
    """Return how many values a layer takes, how many it gives, and where their names end."""
    takes, gives = int(words[0]), int(words[1])
    last = 2 + takes + gives
    if min(takes, gives) < 0 or last > len(words):
        raise ValueError("a number of names that are not there")
    return takes, gives, last


def _joined(words: Iterable[str]) -> list[str]:
    """Put texts with blanks in them together again."""
    found: list[str] = []
    for word in words:
        if "=" not in word and found and '"' in found[-1]:
            found[-1] += f" {word}"
        else:
            found.append(word)
    return found


def _setting(word: str) -> tuple[int, tuple[str, ...]]:
    key, equals, said = word.partition("=")
    if not equals:
        raise ValueError(word)
    number, values = int(key), tuple(said.split(","))
    return (_ARRAY - number, values[1:]) if number <= _ARRAY else (number, values)


def _described(layers: tuple[Layer, ...]) -> Graph:
    """Find what goes in and comes out; raises `ValueError` where a layer takes what none before it gives."""
    given: set[str] = set()
    taken: set[str] = set()
    for layer in layers:
        lost = next((blob for blob in layer.takes if blob not in given), None)
        if lost is not None:
            raise ValueError(f"the layer '{short(layer.name)}' takes '{short(lost)}', which no layer before it gives")
        given.update(layer.gives)
        taken.update(layer.takes)
    inputs = [(blob, layer) for layer in layers if layer.kind == INPUT for blob in layer.gives]
    outputs = [blob for layer in layers if layer.kind != INPUT for blob in layer.gives if blob not in taken]
    uses = _uses(layers)
    by_number = (
        sorted(inputs, key=lambda each: position(each[0]) or 0) if _all_numbered(b for b, _ in inputs) else inputs
    )
    if _all_numbered(outputs):
        outputs.sort(key=lambda name: position(name) or 0)
    return Graph(
        layers,
        tuple(_input(blob, layer, uses.get(blob, set())) for blob, layer in by_number),
        tuple(TensorSpec(name=name, dtype="float32", shape=(), unknown=_UNSIZED) for name in outputs),
        tuple(blob for blob, _ in by_number if len(uses.get(blob, ())) > 1),
    )


def _all_numbered(names: Iterable[str]) -> bool:
    return all(position(name) is not None for name in names)


def _uses(layers: Sequence[Layer]) -> dict[str, set[str]]:
    """Return as what each value is used, through layers that only hand it on: as whole numbers, as floats, or both."""
    uses: dict[str, set[str]] = {}
    for layer in reversed(layers):
        if layer.kind == _LOOKED_UP:
            as_what = {"int32"}
        elif layer.kind in _PASSING:
            as_what = set().union(*(uses.get(blob, set()) for blob in layer.gives)) or {"float32"}
        else:
            as_what = {"float32"}
        for blob in layer.takes:
            uses.setdefault(blob, set()).update(as_what)
    return uses


def _input(blob: str, layer: Layer, uses: set[str]) -> TensorSpec:
    dtype = "int32" if uses == {"int32"} else "float32"
    known = {key: weights_of.value(layer.settings, key) for key in SIZES[-1]}
    keys = next((keys for keys in reversed(SIZES) if all(known[key] for key in keys)), None)
    if keys is None:
        return TensorSpec(name=blob, dtype=dtype, shape=(), unknown=_UNSIZED)
    return TensorSpec(name=blob, dtype=dtype, shape=(1, *(known[key] for key in reversed(keys))))


def _weights(layers: Iterable[Layer], path: Path) -> Counter[str]:
    """Weigh what the layers have, by type; raises `ValueError` when the file has less.

    It stops before a layer of which it does not know what it has, and what is left is none of the weights then.
    """
    found: Counter[str] = Counter()
    left = path.stat().st_size
    with path.open("rb") as file:
        for layer in layers:
            told = weights_of.pieces(layer.kind, layer.settings)
            if told is None:
                break
            for piece in (each for each in told if each.numbers):
                tag = int.from_bytes(file.read(4), "little") if piece.tagged else 0
                dtype, size = weights_of.stored(piece, tag)
                left -= size + 4 * piece.tagged
                if left < 0:
                    raise ValueError(f"the weights are cut off: those of the layer '{short(layer.name)}' are missing")
                file.seek(size, 1)
                found[dtype] += size
    return found


plugin = Ncnn()
