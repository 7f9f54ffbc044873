"""What a question of the benchmark answers: lines with goals, the raw figures behind them, and where that was."""

from typing import Any, Literal

import msgspec

from evaluator.core.records import Record

Unit = Literal["share", "times", "s", "ms", "count"]

# In the order in which they are asked and shown; each is a file of its name.
QUESTIONS = (
    "bare_loop",
    "false_alarms",
    "planted",
    "contradictions",
    "work_share",
    "score_time",
    "cluster_speed",
    "idle_engine",
)


class Line(Record, frozen=True, kw_only=True):
    """One figure with its goal; `reached` is None where it could not be had, and `note` says why."""

    what: str
    unit: Unit
    reached: float | None
    low: float | None = None  # the ends of its 95 % interval, where there is one
    high: float | None = None
    at_least: float | None = None  # the goal's bounds; a figure without any only informs
    at_most: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal was reached; None where there is none, or no figure."""
        if self.reached is None or self.at_least is self.at_most is None:
            return None
        enough = self.at_least is None or self.reached >= self.at_least
        return enough and (self.at_most is None or self.reached <= self.at_most)


class Answer(Record, frozen=True, kw_only=True):
    """What one question found, once, on one machine."""

    question: str
    title: str
    at: str  # ISO 8601, UTC
    machine: str  # processor and cores
    beside: str  # who else was at work there meanwhile
    quick: bool = False  # with fewer repetitions, for a first look
    lines: tuple[Line, ...]
    raw: dict[str, Any] = msgspec.field(default_factory=dict)  # what the lines were computed from


class Kept(Record, frozen=True, kw_only=True):
    """`docs/bench.json`: the last answer to each question, in the order of the questions."""

    answers: tuple[Answer, ...] = ()

    def with_answer(self, new: Answer, order: tuple[str, ...]) -> "Kept":
        """Return these with one answer renewed."""
        known = {**{each.question: each for each in self.answers}, new.question: new}
        return Kept(answers=tuple(known[name] for name in order if name in known))


def dump(kept: Kept) -> str:
    """Write the answers as JSON: lines to read, and what they were computed from on one line for each series."""
    return '{\n"answers": [\n' + ",\n".join(map(_dumped, kept.answers)) + "\n]\n}\n"


def _dumped(answer: Answer) -> str:
    bare = msgspec.json.encode(msgspec.structs.replace(answer, raw={}))
    series = ((msgspec.json.encode(each).decode() for each in pair) for pair in answer.raw.items())
    raw = ",\n".join(": ".join(pair) for pair in series)
    return msgspec.json.format(bare, indent=1).decode().removesuffix("{}\n}") + "{\n" + raw + "\n}\n}"


def load(text: str | bytes) -> Kept:
    """Read the answers back; `msgspec.ValidationError` where they are none."""
    return msgspec.json.decode(text, type=Kept)
