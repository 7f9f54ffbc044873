"""Waivers: what somebody answers for although it fails, with a reason of a fixed list, a name and an end.

A waiver changes no score. It keeps a gate from failing, and is shown wherever it does; when its day has passed there is
none, and that is said.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, Literal

import msgspec

from evaluator.core import registry, toml
from evaluator.core.coordinates import Record
from evaluator.core.errors import UsageError
from evaluator.core.records import Title

NAME = "waivers.toml"  # in a run folder
Reason = Literal["accepted risk", "false positive", "fixed upstream", "not applicable here", "handled elsewhere"]
REASONS: dict[Reason, str] = {
    "accepted risk": "it is known, and somebody answers for it",
    "false positive": "the rule or the check is wrong about it",
    "fixed upstream": "mended by its makers, in a release that is still to come",
    "not applicable here": "what it is about does not occur where this is used",
    "handled elsewhere": "something around it makes up for it: a proxy, a retry, another service",
}


class Waiver(Record, frozen=True, kw_only=True):
    """One waiver: a table of a policy, or of waivers.toml."""

    of: str  # the id of a finding, or the name of a rule
    reason: Reason
    who: Title
    until: date  # the last day on which it counts
    note: Title = ""

    def __post_init__(self) -> None:
        """Refuse a waiver that nobody signed."""
        if not self.who.strip():
            raise ValueError("who: somebody must answer for a waiver")

    def counts(self, today: date) -> bool:
        """Tell whether it still counts on that day."""
        return today <= self.until

    @property
    def said(self) -> str:
        """Say who waived, why, and until when."""
        note = f": {self.note}" if self.note else ""
        return f"{self.reason}{note} ({self.who}, until {self.until.isoformat()})"


class Waivers(Record, frozen=True, kw_only=True):
    """A file of waivers, by names that somebody gave them."""

    waivers: dict[str, Any] = msgspec.field(default_factory=dict)


def read(path: Path) -> dict[str, Waiver]:
    """Read a file of waivers; `UsageError` says what is wrong, and where."""
    text, table = toml.parse(path)
    toml.convert(path, text, {name: {} for name in table}, Waivers)
    return dict(tables(path, text, table.get("waivers", {})))


def tables(path: Path, text: str, found: Any) -> Iterator[tuple[str, Waiver]]:
    """Yield the waivers of a table of tables, by their names."""
    if not isinstance(found, dict):
        raise UsageError(f"{path}: 'waivers' is no table", remedy="begin each with [waivers.NAME]")
    for name, each in found.items():
        reason = each.get("reason") if isinstance(each, dict) else None
        if isinstance(reason, str) and reason not in REASONS:
            error = registry.unknown("reason", reason, REASONS)
            where = f"{path}, line {toml.line_of(text, ('waivers', name), 'reason')}, key 'waivers.{name}.reason'"
            raise UsageError(f"{where}: {error.message}", remedy=error.remedy)
        yield name, toml.convert(path, text, each, Waiver, within=("waivers", name))


def of_run(folder: Path) -> dict[str, Waiver]:
    """Return the waivers that lie in a run folder; none in most."""
    path = folder / NAME
    return read(path) if path.exists() else {}
