"""Whether every figure of a report follows from the scorecard, and from which of its fields one does.

A report is a pure function of the scorecard: written again it is the same, byte for byte. One that another fweval wrote
may say the same in other words. Of that, the numbers are looked for: among the scorecard's fields in every way in which
reports write them, in its sentences, and among what this fweval writes.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from evaluator.auditing.hashing import Hashes, Progress
from evaluator.auditing.recomputing import SCORECARD, plain
from evaluator.auditing.verdicts import Checked, Problem
from evaluator.core import quantities, registry
from evaluator.core.errors import UsageError
from evaluator.core.reading import read_bytes
from evaluator.core.records import Record
from evaluator.core.scorecard import Scorecard
from evaluator.core.store import RunFolder
from evaluator.core.text import cleaned, line
from evaluator.judging import replay
from evaluator.report import _format

_NUMBER = re.compile(r"(?<![\w.,-])[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(?![\w])(?!\.\d)")
_UNSEEN = frozenset({"style", "script"})
_SAID = frozenset({"title", "alt", "aria-label"})  # attributes that people read
_MOST = 8  # of a kind that are listed
_LONGEST = 100  # characters of a line that is shown


class Traced(Record, frozen=True, kw_only=True):
    """A field of the scorecard that a figure comes from, and the evidence that it rests on."""

    pointer: str  # RFC 6901, in scorecard.json
    value: str
    about: str = ""  # what the record around it is about
    evidence: tuple[str, ...] = ()  # files, with their digests where the finding names them, and their samples


class Trace(Record, frozen=True, kw_only=True):
    """Where a figure is shown, and where it comes from."""

    text: str
    shown: tuple[str, ...]  # file, line, and what stands there
    fields: tuple[Traced, ...]


@dataclass(frozen=True, slots=True)
class _Leaf:
    pointer: str
    value: Any
    around: tuple[Any, ...]  # the records that hold it, outermost first


def check(
    folder: RunFolder, card: Scorecard, hashes: Hashes, makers: Mapping[str, str], me: str, progress: Progress
) -> Checked:
    """Write every report again and compare."""
    problems: list[Problem] = []
    notes: list[str] = []
    same: list[str] = []
    numbers = 0
    leaves: set[str] | None = None
    for name, fresh in replay.rendered(card):
        if name == SCORECARD or name not in hashes.listing.files:
            continue
        stored = read_bytes(folder.path / name).decode(errors="replace")
        numbers += len(_NUMBER.findall(seen(name, stored)))
        progress.at(lambda: "reports: being written again")
        if stored == fresh:
            same.append(name)
        elif makers.get(name) == me:
            problems.append(_first_line(name, stored, fresh))
        else:
            leaves = leaves or {number for each in _leaves(plain(card)) for number in _dressed(each.value)}
            problems += _untraced(name, stored, leaves | set(_NUMBER.findall(seen(name, fresh))))
            notes.append(f"{name} is not as this fweval writes it: its numbers were looked for in {SCORECARD}")
    missing = [name for name, _ in _names(hashes)]
    return Checked(
        name="reports",
        proves="FWEVAL_REPORT_TRACED" if same or notes else "",
        said=f"{numbers:,} numbers" + (f"; byte for byte as written again: {', '.join(same)}" if same else ""),
        count=numbers,
        problems=tuple(problems),
        notes=(*notes, *missing),
        skipped="" if same or notes or problems else "no report lies in the folder: fweval report",
    )


def trace(folder: RunFolder, card: Scorecard, text: str) -> Trace:
    """Say where a figure of the report comes from; `UsageError` when no report shows it."""
    wanted = " ".join(text.split())
    shown = [
        f"{name}, line {number}: {line(each.strip(), _LONGEST)}"
        for name, report in replay.rendered(card)
        if name != SCORECARD
        for number, each in enumerate(report.splitlines(), start=1)
        if _holds(" ".join(each.split()), wanted)
    ]
    if not shown:
        raise UsageError(f"no report of this run shows '{text}'", remedy='give it as it is written there: "12.0 ms"')
    found = [
        Traced(
            pointer=leaf.pointer,
            value=line(str(leaf.value), _LONGEST),
            about=_about(leaf),
            evidence=tuple(_evidence(folder, card, leaf)),
        )
        for leaf in _leaves(plain(card))
        if _holds_leaf(leaf.value, wanted)
    ]
    return Trace(text=text, shown=tuple(shown), fields=tuple(found))


def seen(name: str, text: str) -> str:
    """Return what people read of a report: of a page no style, script or coordinate."""
    if not name.endswith((".html", ".xml")):
        return text
    reader = _Reader()
    reader.feed(text)
    reader.close()
    return "\n".join(reader.found)


class _Reader(HTMLParser):
    """Collects the texts of a page, and the attributes that people read."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the texts among its attributes."""
        if tag in _UNSEEN:
            self._inside.append("data" if dict(attrs).get("type") == "application/json" else tag)
        self.found += [value for name, value in attrs if value and name in _SAID]

    def handle_endtag(self, tag: str) -> None:
        """Leave what is not read."""
        if tag in _UNSEEN and self._inside:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        """Note a text."""
        if not self._inside or self._inside[-1] == "data":
            self.found.append(data)


def _names(hashes: Hashes) -> Iterator[tuple[str, str]]:
    """Yield files that are called as reports are, of a report that is not here."""
    known = {each.filename for each in registry.load_all("report")}
    for name in hashes.listing.files:
        if name.startswith("scorecard.") and name not in known:
            yield f"{name}: nothing here writes such a report", name


def _first_line(name: str, stored: str, fresh: str) -> Problem:
    """Name the first line that differs."""
    ours, theirs = stored.splitlines(), fresh.splitlines()
    number = next((n for n, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), None)
    if number is None:
        number = min(len(ours), len(theirs))
    one, other = (each[number] if number < len(each) else "" for each in (ours, theirs))
    start = max(0, next((n for n, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0) - 30)
    said = f"it has '{_part(one, start)}'; written again: '{_part(other, start)}'"
    return Problem(kind="differs", file=name, field=f"line {number + 1}", said=said)


def _part(text: str, start: int) -> str:
    return line(("…" if start else "") + text[start : start + 70].strip())


def _untraced(name: str, stored: str, known: set[str]) -> Iterator[Problem]:
    """Name the numbers that stand in a report and nowhere else."""
    unknown: dict[str, str] = {}
    for each in seen(name, stored).splitlines():
        for number in _NUMBER.findall(each):
            if _bare(number) not in known and number not in known:
                unknown.setdefault(number, each.strip())
    for number, where in list(unknown.items())[:_MOST]:
        said = f"the number {number} follows from nothing in {SCORECARD}: '{line(where, _LONGEST)}'"
        yield Problem(kind="untraced", file=name, field=number, said=said)
    if len(unknown) > _MOST:
        yield Problem(kind="untraced", file=name, said=f"{len(unknown) - _MOST} more numbers follow from nothing")


def _bare(number: str) -> str:
    return number.rstrip(",").lstrip("+")


def _leaves(value: Any, pointer: str = "", around: tuple[Any, ...] = ()) -> Iterator[_Leaf]:
    """Yield every number and sentence of a document, with what holds it."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _leaves(each, f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}", (*around, value))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _leaves(each, f"{pointer}/{number}", around)
    elif value is not None and not isinstance(value, bool):
        yield _Leaf(pointer, value, around)


def _written(value: float) -> tuple[str, ...]:
    """Return a number in every way in which reports write one."""
    if isinstance(value, float) and not abs(value) < 1e300:  # far above all that is measured
        return (str(value),)
    ways = (
        *(quantities.seconds(value), quantities.size(value), quantities.times(value), quantities.percent(value)),
        *(quantities.share(value), quantities.more(value) if value > 0 else "", _format.score(value)),
        *(_format.coverage(value), quantities.significant(value), quantities.percent(1 - value)),
        *(f"{value:,}", f"{value:,.0f}", str(value), f"{value:.1f}", f"{value:.2f}", f"{value:g}"),
        f"{quantities.significant(value)} per s",
    )
    return tuple(dict.fromkeys(way for way in ways if way))


def _dressed(value: Any) -> set[str]:
    texts = (value,) if isinstance(value, str) else _written(value)
    return {_bare(number) for text in texts for number in _NUMBER.findall(cleaned(text))}


def _holds(text: str, wanted: str) -> bool:
    """Tell whether a text holds a figure whole: "12 ms" is no part of "112 ms"."""
    return re.search(rf"(?<![\w.,]){re.escape(wanted)}(?!\w|[.,]\d)", text) is not None


def _holds_leaf(value: Any, wanted: str) -> bool:
    texts = (value,) if isinstance(value, str) else _written(value)
    return any(_holds(text, wanted) for text in texts) if isinstance(value, str) else wanted in texts


def _about(leaf: _Leaf) -> str:
    """Name the record around a field by what it calls itself."""
    for record in reversed(leaf.around):
        for key in ("id", "title", "evidence", "subject", "question", "name", "check"):
            told = record.get(key) if isinstance(record, dict) else None
            if isinstance(told, str) and told:
                return told
    return ""


def _evidence(folder: RunFolder, card: Scorecard, leaf: _Leaf) -> Iterator[str]:
    """Name the files that the record around a field rests on, with the series of samples in their folders."""
    for record in reversed(leaf.around):
        found = record.get("evidence")
        if isinstance(found, str) and found:
            yield from _files(folder, found, "")
            return
        if isinstance(found, list) and found:
            for ref in found:
                yield from _files(folder, ref["path"].rpartition("/")[0], ref["sha256"])
            return
    for ref in _of_comparison(card, leaf.around):
        yield from _files(folder, ref[0].rpartition("/")[0], ref[1])


def _of_comparison(card: Scorecard, around: tuple[Any, ...]) -> Iterator[tuple[str, str]]:
    """Find what a comparison rests on: what the findings on the same metric, scenario, path and device rest on."""
    compared = next((each for each in around if "lower_is_better" in each and "ratio" in each), None)
    if compared is None:
        return
    keys = ("scenario", "path", "device", "metric")
    same = [each for each in card.findings if all(getattr(each, key) == compared.get(key) for key in keys)]
    yield from dict.fromkeys((ref.path, ref.sha256) for each in same for ref in each.evidence)


def _files(folder: RunFolder, step: str, digest: str) -> Iterator[str]:
    yield f"{step}/result.json" + (f" (sha256 {digest[:12]}…)" if digest else "")
    place = folder.path / step / "samples"
    for path in sorted(place.glob("*.jsonl")) if place.is_dir() and not place.is_symlink() else ():
        count = read_bytes(path).count(b"\n")
        yield f"{step}/samples/{path.name} ({count:,} samples)"
