"""Files spoiled on purpose: bytes, JSON values and the files themselves, in ways that follow from a seed."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 1.5, -0.0, 5e-324, 1e308, -1e308, 1e-300, 2**31, 2**63, 2**64, -(2**63) - 1),
    *("", " ", "x" * 70_000, "\x1b[31mred\x07", "\u202egnp.exe", "../..", "/dev/zero", ".", "\n\n", "nan", "passed"),
    *([], {}, [[]], [1, 2, 3], {"": 1}, {"a": {"b": None}}, [None] * 3, [1e308, 1e308, -1e308], ["a", 1]),
)
RAW = (
    *("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "01", "1" * 5000, '"\\ud800"', '"\\u0000"', '"\\u009b2J"'),
    *("[" * depth + "]" * depth for depth in (30, 700, 20_000)),
)
KEYS = ("", "x", "../x", "x" * 300, "\x1b[2J", "version", "name")
_MARK = "here stands what json.dumps does not write"


def spoil_bytes(data: bytes, random: Random) -> bytes:
    """Return a file's content with bytes changed, inserted, left out or cut off, or all of it exchanged."""
    at = random.randrange(len(data) + 1)
    few = random.choice((1, 1, 2, 40))
    flipped = bytearray(data or b" ")
    for _ in range(few):
        flipped[random.randrange(len(flipped))] = random.randrange(256)
    ways: tuple[bytes, ...] = (
        *(data[:at], data[:at] + random.randbytes(few) + data[at:], data[:at] + data[at + few :], bytes(flipped)),
        *(b"", random.randbytes(300), b"\xef\xbb\xbf" + data, data.decode(errors="replace").encode("utf-16")),
        *(b"\0" * 300, b"[" * 100_000, data + data),
    )
    return random.choice((*ways, *ways[:4]))


def spoil_json(data: bytes, random: Random) -> bytes:
    """Return a JSON document with a value, a key or an item in it changed to what does not belong there."""
    root = [json.loads(data)]
    holder, key = random.choice(list(_places(root)))
    way = random.choice((_other_value, _other_value, _raw_value, _value_from_elsewhere, _gone, _renamed, _repeated))
    raw = random.choice(RAW)
    way(holder, key, root, random)
    text = json.dumps(root[0]) if root else ""
    if way is _repeated and isinstance(holder, dict):
        text = re.sub(re.escape(f"{json.dumps(key)}: "), lambda found: f"{found[0]}null, {found[0]}", text, count=1)
    return text.replace(f'"{_MARK}"', raw).encode()


def _places(holder: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every value of a document, as what holds it and its key or number there."""
    for key, value in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
        yield holder, key
        if isinstance(value, dict | list):
            yield from _places(value)


def _other_value(holder: Any, key: Any, _: Any, random: Random) -> None:
    holder[key] = random.choice(VALUES)


def _raw_value(holder: Any, key: Any, *_: Any) -> None:
    holder[key] = _MARK


def _value_from_elsewhere(holder: Any, key: Any, root: Any, random: Random) -> None:
    other, there = random.choice(list(_places(root)))
    holder[key] = json.loads(json.dumps(other[there]))


def _gone(holder: Any, key: Any, *_: Any) -> None:
    del holder[key]


def _renamed(holder: Any, key: Any, _: Any, random: Random) -> None:
    if isinstance(holder, dict):
        holder[random.choice(KEYS)] = holder.pop(key)
    else:
        holder.reverse()


def _repeated(holder: Any, key: Any, *_: Any) -> None:
    if isinstance(holder, list):
        holder.append(holder[key])


def spoil_file(path: Path, random: Random) -> None:
    """Put in place of a file what is none, or what cannot be read to its end."""
    path.unlink()
    ways: Sequence[Callable[[], object]] = (
        lambda: None,
        path.mkdir,
        lambda: os.mkfifo(path),
        lambda: path.symlink_to("nowhere"),
        lambda: path.symlink_to(path.name),
        lambda: path.symlink_to("/dev/zero"),
        lambda: path.symlink_to(".."),
        lambda: _sparse(path),
    )
    random.choice(ways)()


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def spoil(folder: Path, random: Random) -> str:
    """Spoil one file below a folder, now and then a folder; return what was done, for people."""
    top = sorted(path for path in folder.iterdir() if path.is_file())
    every = sorted(path for path in folder.rglob("*") if path.is_file())
    path = random.choice(random.choice((top, every)))
    name = path.relative_to(folder)
    way = random.choice(("json", "json", "json", "json", "json", "bytes", "bytes", "file"))
    if way == "json" and path.suffix == ".json":
        path.write_bytes(spoil_json(path.read_bytes(), random))
    elif way == "file" and path.parent != folder and random.randrange(4) == 0:
        shutil.rmtree(path.parent)
        path.parent.write_text("no folder")
        return f"{name.parent}: a file"
    elif way == "file":
        spoil_file(path, random)
    else:
        way = "bytes"
        path.write_bytes(spoil_bytes(path.read_bytes(), random))
    return f"{name}: {way}"
