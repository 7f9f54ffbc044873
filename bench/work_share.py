"""How much of `full`'s wall time is neither training, nor export, nor measured work: at most 15 %.

What is neither: starting processes, warming up, waiting for threads to sleep, proving, writing, and everything between
the steps. The figure is computed from what a run leaves: when each step began and ended, how long its blocks took, and
what else of it was timed to be a figure: importing, loading, first calls, cold starts, starts and stops of servers, and
the rates that were offered to servers in open loops.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from bench import _runs
from bench._question import How, Question
from bench._records import Line
from evaluator.core import metrics
from evaluator.core.files import read_blocks, read_samples
from evaluator.core.store import RunFolder
from evaluator.measure.load import Load
from evaluator.stages.load import LOADS

_WORK = ("train", "export")
_GOAL = 0.15
_TIMED = ("import_s", "load_s", "first_call_s", "ready_s", "stop_s", "bundle_s")  # figures beside the blocks
_STARTS = "cold_start"  # the samples of an artifact's starts


class Span(msgspec.Struct, frozen=True):
    """A time in which something was done, in seconds."""

    begin: float
    end: float


class _Event(msgspec.Struct, frozen=True, kw_only=True):
    """What of a line of events.jsonl says when something was."""

    at: datetime


def covered(spans: Iterable[Span]) -> float:
    """Return the seconds in which at least one of several things was done."""
    total, reached = 0.0, float("-inf")
    for span in sorted(spans, key=lambda each: each.begin):
        total += max(0.0, span.end - max(span.begin, reached))
        reached = max(reached, span.end)
    return total


def sessions(lines: Iterable[bytes]) -> float:
    """Return the seconds from the first to the last event of a run's events, read as lines."""
    at = [msgspec.json.decode(line, type=_Event).at.timestamp() for line in lines if line.strip()]
    return max(at) - min(at) if at else 0.0


def offered(path: Path) -> float:
    """Return the seconds in which rates were offered to a server in open loops; 0 where none were."""
    if not path.exists():
        return 0.0
    found = msgspec.json.decode(path.read_bytes(), type=dict[str, tuple[Load, ...] | int])  # a number: the version
    loads = [load for each in found.values() if isinstance(each, tuple) for load in each]
    return sum(load.wall_s for load in loads if load.kind == "open")


def spent(run: Path) -> tuple[float, dict[str, float]]:
    """Return how long a run took, and the seconds of it that went into each kind of work.

    Steps that take turns are alive together and asked one at a time: of a training all its own time counts, of what is
    measured the blocks, and what else of it is a figure. Other steps count from their begin to their end, those at the
    same time once.
    """
    folder = RunFolder.open(run)
    seconds: dict[str, float] = {}
    spans: dict[str, list[Span]] = {}
    for step, result in folder.results():
        kind = step.stage if step.stage in _WORK else "measured" if step.measures else "other"
        place = folder.folder(step.id)
        samples = read_samples(place)
        blocks = read_blocks(place, samples).blocks
        if blocks:
            own = result.seconds if step.stage in _WORK else sum(block.elapsed_s for block in blocks)
            if step.stage not in _WORK:
                own += sum(metrics.number(result.metrics.get(name)) or 0.0 for name in _TIMED)
                own += sum(samples.get(_STARTS, ())) + offered(place / LOADS)
            seconds[kind] = seconds.get(kind, 0.0) + own
        elif result.started_at and result.seconds:
            begin = datetime.fromisoformat(result.started_at).timestamp()
            spans.setdefault(kind, []).append(Span(begin, begin + result.seconds))
    for kind, found in spans.items():
        seconds[kind] = seconds.get(kind, 0.0) + covered(found)
    return sessions((run / "events.jsonl").read_bytes().splitlines()), seconds


def _lines(how: How) -> tuple[tuple[Line, ...], Mapping[str, Any]]:
    wall, seconds = spent(_runs.quiet_run(how))
    useful = sum(taken for kind, taken in seconds.items() if kind != "other")
    others = tuple(
        Line(what=f"Of it: {kind}", unit="share", reached=taken / wall) for kind, taken in sorted(seconds.items())
    )
    rest = Line(
        what="Share of a run that is neither train, export nor measured work",
        unit="share",
        reached=max(0.0, 1 - useful / wall),
        at_most=_GOAL,
    )
    return (rest, *others), {"wall_s": wall, "seconds": seconds}


question = Question(name="work_share", title="How much of a run is spent on anything else?", lines=_lines)
