"""What a question of the benchmark is, and what it may ask for while it is answered."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench._records import Answer, Line
from evaluator.core import clock, machine
from evaluator.measure import neighbours

Say = Callable[[str], None]
_WATCH_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How thorough to be, where files may go, what was measured before, and whom to tell how it goes."""

    quick: bool = False
    keep: bool = False  # what is found is kept in the repository
    scratch: Path
    runs: tuple[Path, ...] = ()  # complete ones that are there already: a quiet one, and one beside a neighbour
    say: Say = field(default=lambda _: None)

    def times(self, many: int, few: int) -> int:
        """Return how often to repeat something."""
        return few if self.quick else many


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question: the name of its file, its words, and what answers it."""

    name: str
    title: str
    lines: Callable[[How], tuple[tuple[Line, ...], Mapping[str, Any]]]  # with the raw figures behind them
    beside: str = "nothing that was started on purpose"

    def ask(self, how: How) -> Answer:
        """Answer it here and now."""
        load = neighbours.watch(_WATCH_S)
        found, raw = self.lines(how)
        return Answer(
            question=self.name,
            title=self.title,
            at=clock.utc_now(),
            machine=machine.describe(None, None).processor,
            beside=f"{self.beside}; just before, {load.said()}",
            quick=how.quick,
            lines=found,
            raw=dict(raw),
        )
