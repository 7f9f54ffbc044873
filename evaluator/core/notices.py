"""How a line of a log warns, and what of it is a matter of chance: its numbers, and where things lie on the machine."""

import re

# Native code: "W0000 00:00:17 file.cc:12] …" (absl), "2026-01-01 00:00:00.0: W tensorflow/…", "[W512 file.cpp:1] …".
_NATIVE = re.compile(r"^(?:[WEF]\d{4} |\d{4}-\d\d-\d\d [\d:.]+: [WEF] |\[[WEF]\d)")
_VARIES = re.compile(r"0x[0-9a-f]+|\d+")
_PATH = re.compile(r"(?<![\w:/.])(?:/[\w.+@-]+)+/([\w.+@-]+)")


def is_native(line: str) -> bool:
    """Tell whether native code warns in a line."""
    return _NATIVE.match(line) is not None


def alike(text: str) -> str:
    """Return what is the same in notices that differ in numbers only."""
    return _VARIES.sub("#", text)


def without_places(text: str) -> str:
    """Return a text with the names of files instead of their paths."""
    return _PATH.sub(r"\1", text)
