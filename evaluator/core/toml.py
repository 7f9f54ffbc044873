"""TOML files that people write, read strictly: a mistake is one line that names the file, the line and the key."""

import codecs
import difflib
import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from evaluator.core.coordinates import Record
from evaluator.core.errors import UsageError
from evaluator.core.reading import read_bytes

_MARKS = (  # byte order marks; that of UTF-32 begins like that of UTF-16
    *((codecs.BOM_UTF32_LE, "UTF-32"), (codecs.BOM_UTF32_BE, "UTF-32")),
    *((codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16")),
)
_LARGEST = 1 << 16  # characters of a file: what is longer was made, to keep a reader at work
_Read = TypeVar("_Read", bound=Record)


def parse(path: Path) -> tuple[str, dict[str, Any]]:
    """Read a file; return its text and what stands in it, unchecked."""
    return parsed(path, read(path))


def parsed(path: Path, text: str) -> tuple[str, dict[str, Any]]:
    """Return a text that was read already, and what stands in it; `path` is named in mistakes."""
    if len(text) > _LARGEST:
        raise UsageError(f"{path} has {len(text):,} characters", remedy="such a file has a page or two")
    try:
        return text, tomllib.loads(text)
    except RecursionError as error:
        raise UsageError(f"{path} is nested too deeply", remedy="no key needs more than three levels") from error
    except tomllib.TOMLDecodeError as error:
        what, _, position = str(error).partition(" (at ")
        number = re.match(r"line (\d+)", position)
        lines = text.rstrip("\n").split("\n")
        line = int(number[1]) if number else len(lines)  # "(at end of document)"
        written = _visible(lines[line - 1].strip()) if line <= len(lines) else ""
        raise UsageError(f"{path}, line {line}: no valid TOML: {what}: {written}") from error


def read(path: Path) -> str:
    """Read a file as TOML wants it: UTF-8, a byte order mark left out, every line ended by a newline alone."""
    try:
        content = read_bytes(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    return decoded(path, content)


def decoded(path: Path, content: bytes) -> str:
    """Return the bytes of a file as TOML wants its text; `path` is named in mistakes."""
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "UTF-16" if b"\0" in content else None)
    if encoding is not None:
        remedy = f"iconv -f {encoding} -t UTF-8, or save it as UTF-8 in its editor"
        raise UsageError(f"{path} is written in {encoding}: TOML files are UTF-8", remedy=remedy)
    content = content.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        what = f"the byte 0x{content[error.start]:02x} is not of UTF-8"
        raise UsageError(f"{path}, line {line}: {what}", remedy="save it as UTF-8 in its editor") from error


def _visible(text: str) -> str:
    """Return a text in which signs that nobody would see are named."""
    return "".join(sign if sign.isprintable() else f"<U+{ord(sign):04X}>" for sign in text)


def convert(path: Path, text: str, table: Any, kind: type[_Read], *, within: tuple[str, ...] = ()) -> _Read:
    """Check a table against its record; `within` is where the table lies in the file."""
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at ")
        keys = tuple(re.findall(r"\.(\w+)", place))
        named = re.search(r"(unknown|required) field `(.+)`$", what)
        remedy = None
        if named:
            what = {"unknown": "unknown key", "required": "missing key"}[named[1]]
            remedy = did_you_mean(named[2], _fields(kind, keys)) if named[1] == "unknown" else None
            keys = (*keys, named[2])
        *tables, key = (*within, *keys) or ("",)
        where = f"{path}, line {line_of(text, tuple(tables), key)}, key '{'.'.join((*within, *keys))}'"
        raise UsageError(f"{where}: {what}", remedy=remedy) from error


def _fields(kind: Any, keys: Iterable[str]) -> tuple[str, ...]:
    """List the keys that the record at the end of the path knows."""
    for key in keys:
        kind = next(field.type for field in msgspec.structs.fields(kind) if field.name == key)
        if get_origin(kind) is UnionType:  # a table that may be left out
            kind = get_args(kind)[0]
    return () if get_origin(kind) else kind.__struct_fields__


def did_you_mean(given: str, known: tuple[str, ...]) -> str:
    """Name what comes nearest to an unknown key, or all that is known."""
    near = difflib.get_close_matches(given.lower(), known, n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(known) or 'no keys'}"


def line_of(text: str, tables: tuple[str, ...], key: str) -> int:
    """Find the line of a key in its table; a key that is not there is at its table's header, or in line 1.

    The first of several tables of one name, `[[gates]]`, is the table "gates[0]".
    """
    current: tuple[str, ...] = ()
    nearest = 1
    several: Counter[str] = Counter()
    for number, line in enumerate(text.split("\n"), start=1):
        header = re.match(r"\s*\[\s*([\w.\-]+)\s*\]", line)
        one_of = re.match(r"\s*\[\[\s*([\w.\-]+)\s*\]\]", line)
        if one_of:
            current = (f"{one_of[1]}[{several[one_of[1]]}]",)
            several[one_of[1]] += 1
            nearest = number if current in (tables, (*tables, key)) else nearest
        elif header:
            current = tuple(header[1].split("."))
            if current in (tables, (*tables, key)) or (nearest == 1 and current[: len(tables) + 1] == (*tables, key)):
                nearest = number
        if current == tables and re.match(rf"""\s*["']?{re.escape(key)}["']?\s*=""", line):
            return number
        if current == tables[:-1] and tables and re.match(rf"\s*{re.escape(tables[-1])}\s*=", line):
            nearest = number  # an inline table
    return nearest
