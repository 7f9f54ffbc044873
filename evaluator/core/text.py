"""Text that others wrote, made harmless for people: nothing in it moves a cursor, turns the line round or hides.

Names of tensors, operators and files, and what tools say, come from anywhere. Whoever shows them (a terminal, a page,
a table, an error) shows what `cleaned` or `line` made of them: control characters of both sets (C0, C1) and the marks
that reorder text are written as escapes, line ends as spaces, and what is far too long is cut with a cue.
The marks are those of https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing.
"""

import json
import re
from typing import Any, TypeVar

T = TypeVar("T")
LONGEST = 2_000  # characters of one text in a report
_ENDS = re.compile("[\t\n\v\f\r\x85\u2028\u2029]+")  # of lines, and tabs
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # controls
    "\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"  # marks of direction, and what has no width
    "\ud800-\udfff\ufff9-\ufffb\ufffe\uffff"  # halves of characters, notes between lines, no characters
    "\U000e0000-\U000e0fff]"  # tags
)


def line(text: str, longest: int = LONGEST) -> str:
    """Return a text as one line that can be shown anywhere; what was left out is counted."""
    shown = _HARMFUL.sub(_escaped, _ENDS.sub(" ", text[: longest + 1]))
    if len(text) <= longest:
        return shown
    return f"{shown[:longest]} … ({len(text) - longest:,} more characters)"


def cleaned(record: T, longest: int = LONGEST) -> T:
    """Return a record in which every text, names in dictionaries included, is a `line`."""
    import msgspec  # here, because the command line's help does without it

    return msgspec.convert(_clean(msgspec.to_builtins(record), longest), type(record))


def harmless_json(encoded: str) -> str:
    """Return JSON of the same meaning in which nothing harmful stands unescaped: it is printed on terminals, too.

    Printable ASCII, as nearly all is, is passed over at a glance.
    """
    if encoded.isascii() and encoded.isprintable():
        return encoded
    return _HARMFUL.sub(lambda found: found[0] if found[0] == "\n" else json.dumps(found[0])[1:-1], encoded)


def _clean(value: Any, longest: int) -> Any:
    if isinstance(value, str):
        return line(value, longest)
    if isinstance(value, dict):
        return {_clean(name, longest): _clean(each, longest) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(each, longest) for each in value]
    return value


def _escaped(found: "re.Match[str]") -> str:
    return found[0].encode("unicode_escape", errors="backslashreplace").decode()
