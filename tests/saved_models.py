"""SavedModels written by hand, field by field: only what their anatomy is read from. They cannot be loaded."""

from collections.abc import Mapping, Sequence
from pathlib import Path

FLOAT, INT64 = 1, 9  # tensorflow/core/framework/types.proto
Value = int | str | bytes | Sequence["Value"]


def message(fields: Mapping[int, Value]) -> bytes:
    """Encode a message: numbers as varints, texts and messages by their length, sequences as repeated fields."""
    return b"".join(_field(number, value) for number, value in fields.items())


def entry(key: str, value: bytes) -> bytes:
    """Encode an entry of a map."""
    return message({1: key, 2: value})


def tensor(*sizes: int, dtype: int = FLOAT, unranked: bool = False, sparse: bool = False) -> bytes:
    shape = message({2: [message({1: size}) for size in sizes], **({3: 1} if unranked else {})})
    return message({4: message({1: "values:0"})} if sparse else {1: "x:0"}) + message({2: dtype, 3: shape})


def signature(takes: Mapping[str, bytes], gives: Mapping[str, bytes], defaults: Sequence[str] = ()) -> bytes:
    sides = [[entry(name, about) for name, about in side.items()] for side in (takes, gives)]
    return message({1: sides[0], 2: sides[1], 4: [entry(name, message({1: FLOAT})) for name in defaults]})


def node(name: str, operator: str, **attributes: str) -> bytes:
    return message({1: name, 2: operator, 5: [entry(key, message({2: text})) for key, text in attributes.items()]})


def graph(
    nodes: Sequence[bytes] = (),
    *,
    signatures: Mapping[str, bytes] | None = None,
    functions: Mapping[str, Sequence[bytes]] | None = None,
    tags: Sequence[str] = ("serve",),
    saver: str = "",
    ragged: bool = False,
) -> bytes:
    """Encode a MetaGraphDef."""
    library = [message({1: message({1: name}), 3: inside}) for name, inside in (functions or {}).items()]
    argument = message({34: message({1: 3})})  # a specification of ragged tensors, in a tuple
    takes = message({3: message({52: message({1: [argument]})})})
    return message(
        {
            1: message({4: tags, 5: "2.21.0"}),
            2: message({1: nodes, 2: message({1: library})}),
            3: message({3: saver}),
            5: [entry(name, about) for name, about in (signatures or {}).items()],
            7: message({2: [entry("f", takes)]} if ragged else {}),
        }
    )


def write(folder: Path, *graphs: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "saved_model.pb").write_bytes(message({1: 1, 2: graphs}))
    return folder


def _field(number: int, value: Value) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value & (1 << 64) - 1)
    if isinstance(value, str | bytes):
        content = value.encode() if isinstance(value, str) else value
        return _varint(number << 3 | 2) + _varint(len(content)) + content
    return b"".join(_field(number, each) for each in value)


def _varint(number: int) -> bytes:
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])
