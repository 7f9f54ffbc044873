"""Deliberate faults in what judges, each with the tests that must notice it."""

from pathlib import Path

import msgspec

ROOT = Path(__file__).parents[2]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A text that stands once in a file, and what to put in its place."""

    what: str  # is wrong then, in the words of someone who reads the scorecard
    file: str
    old: str
    new: str
    tests: str  # the file of those that must fail

    def put_into(self, sound: str) -> str:
        """Return the file with the fault in it; `ValueError` where its text does not stand exactly once."""
        if sound.count(self.old) != 1:
            raise ValueError(f"{self.file}: {sound.count(self.old)} times {self.old!r}, of the fault '{self.what}'")
        return sound.replace(self.old, self.new)


def faults() -> tuple[Fault, ...]:
    """Read the list."""
    text = Path(__file__).with_name("faults.toml").read_bytes()
    return tuple(msgspec.toml.decode(text, type=dict[str, tuple[Fault, ...]])["fault"])
