"""What a person sees while a run is at work: a bar with the time left on a terminal, plain lines elsewhere.

The display changes when a step starts or ends, between turns, and once a minute while none of that happens: a
refreshing thread would burn the cores that are measured.
"""

import math
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from types import TracebackType
from typing import Self

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from evaluator.core import metrics, quality, quantities, registry, text
from evaluator.core.outcome import Outcome
from evaluator.core.records import Profile, Result, Step
from evaluator.stages._contract import Shown, Stage

SILENCE_S = 60.0  # without a word, at most
_DRAWN_EVERY_S = 1.0
_MARKS = {Outcome.PASSED: "[green]✓[/]", Outcome.UNAVAILABLE: "[dim]-[/]", Outcome.NOT_APPLICABLE: "[dim]·[/]"}


@dataclass(frozen=True, slots=True)
class _Since:
    """When steps were first known to have been measured how far."""

    steps: frozenset[str]
    at: float  # by the monotonic clock
    share: float


class Reporter:
    """Follows a run. Use as a context, so that the terminal is given back whatever happens."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}% {task.fields[left]}"),
            console=console,
            auto_refresh=False,
            transient=True,
        )
        self._task: TaskID | None = None
        self._promises: dict[str, float] = {}  # step -> the seconds that it was expected to take,
        self._left: dict[str, float] = {}  # and those that are left of them
        self._paces: list[float] = []  # of steps that ended: how many times as long as expected they took
        self._promised_s = 0.0
        self._ended = 0
        self._total = 0
        self._since = _Since(frozenset(), 0.0, 0.0)
        self._spoke_of_waiting = self._spoke = self._drew = -math.inf
        self._begun: dict[str, float] = {}  # step -> when, by the monotonic clock

    def __enter__(self) -> Self:
        if self.console.is_interactive:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, raised: BaseException | None, _: TracebackType | None) -> None:
        if self.console.is_interactive:  # elsewhere it would print an empty line
            self._bar.stop()

    def begin(self, steps: Sequence[Step]) -> None:
        """Take the steps that will really run."""
        self._expect(steps)
        self._task = self._bar.add_task("starting", total=max(1.0, sum(self._promises.values())), left="")

    def more(self, steps: Sequence[Step]) -> None:
        """Take further steps that nobody had expected."""
        self._expect(steps)
        if self._task is not None:
            self._bar.update(self._task, total=max(1.0, self._promised_s + sum(self._promises.values())))

    def _expect(self, steps: Sequence[Step]) -> None:
        promises = {step.id: expected_seconds(step) for step in steps}
        self._promises |= promises
        self._left |= promises
        self._total += len(steps)

    def started(self, step: Step) -> None:
        """Show what is at work now."""
        self._begun[step.id] = time.monotonic()
        self._refresh(step.title())

    def going_on(self, steps: Sequence[Step]) -> None:
        """Say that nothing has ended for a while: what is at work, for how long, and what is left."""
        for step in steps:
            since = span(time.monotonic() - self._begun[step.id])
            if self.console.is_interactive:
                self._refresh(f"{step.title()}, for {since}")
            else:
                self.note(f"[{self._ended}/{self._total}] … {step.title()}: at work for {since}{self._time_left()}")

    def measured(self, steps: Sequence[Step], share: float) -> None:
        """Say how much of what steps are measured in turns has been, 0 to 1; the time left follows from how fast."""
        now, together = time.monotonic(), frozenset(step.id for step in steps)
        if self._since.steps != together:
            self._since = _Since(together, now, share)
        if share > self._since.share:
            rest_s = (now - self._since.at) * (1 - share) / (share - self._since.share)
            self._left |= dict.fromkeys(together, rest_s / len(steps) / self._pace())
        else:
            self._left |= {step: (1 - share) * self._promises.get(step, 0.0) for step in together}
        title = steps[0].title() if len(steps) == 1 else f"{steps[0].stage} {steps[0].scenario}, {len(steps)} in turns"
        if self.console.is_interactive:
            if now - self._drew >= _DRAWN_EVERY_S:
                self._refresh(f"{title}: {share:.0%} measured")
        elif now - self._spoke >= SILENCE_S:
            self.note(f"[{self._ended}/{self._total}] … {title}: {share:.0%} measured{self._time_left()}")

    def ended(self, step: Step, result: Result) -> None:
        """Show how a step ended, and correct the time left by how long it took."""
        self._begun.pop(step.id, None)
        self._left.pop(step.id, None)
        promised_s = self._promises.pop(step.id, 0.0)
        self._promised_s += promised_s
        if promised_s and result.seconds:
            self._paces.append(result.seconds / promised_s)
        self._ended += 1
        mark = _MARKS.get(result.outcome, "[red]✗[/]")
        count = "" if self.console.is_interactive else f"[{self._ended}/{self._total}] "
        detail = result.reason if result.outcome is not Outcome.PASSED else figures(step, result)
        line = f"{count}{mark} {step.title()}: {result.outcome.value}"
        left = "" if self.console.is_interactive else self._time_left()
        self._spoke = time.monotonic()
        self.console.print(f"{line} [dim]{escape(text.line(detail or ''))}[/]{left}", highlight=False, soft_wrap=True)
        if not self.console.is_interactive:
            return
        self._refresh(step.title())

    def waiting(self, said: str, left_s: float) -> None:
        """Say what is waited for, for how long at most; off a terminal once a minute."""
        left = f"at most {span(left_s)} more"
        if time.monotonic() - self._spoke_of_waiting >= SILENCE_S:
            self._spoke_of_waiting = time.monotonic()
            self.note(f"waiting for a quiet machine, {left}: {said}")
        if self.console.is_interactive:
            self._refresh(f"waiting for a quiet machine, {left}")

    def note(self, said: str) -> None:
        """Print a line that is not about one step."""
        self._spoke = time.monotonic()
        self.console.print(text.line(said), markup=False, highlight=False, soft_wrap=True)

    def seconds_left(self) -> float:
        """Estimate the time left: what was promised, corrected by how good the promises were so far."""
        return self._pace() * sum(self._left.values())

    def _pace(self) -> float:
        """Return how many times as long as expected steps usually take here. A single one may take 40 times as long."""
        return median(self._paces) if self._paces else 1.0

    def _time_left(self) -> str:
        """Say what is left and until when, empty once nothing is."""
        left = self.seconds_left()
        clock = time.strftime("%H:%M", time.localtime(time.time() + left))
        return f" ({span(left)} left, until {clock})" if self._left else ""

    def _refresh(self, description: str) -> None:
        if self._task is None:
            return
        self._drew = time.monotonic()
        left = self._time_left().strip(" ()")
        done = sum(max(0.0, promised - self._left[step]) for step, promised in self._promises.items())
        self._bar.update(self._task, completed=self._promised_s + done, description=description, left=left)
        self._bar.refresh()


def on_stderr() -> Reporter:
    """Return a reporter for whoever reads standard error: a terminal, a file, or a notebook, in which lines are best.

    Colours may be asked for in a pipe, too: a bar that draws over itself is for a terminal that can.
    """
    interactive = sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    return Reporter(Console(stderr=True, force_interactive=interactive, force_jupyter=False))


def expected_seconds(step: Step) -> float:
    """Return a first guess of a step's duration, from its profile where that decides; only proportions matter long."""
    stage: Stage = registry.load("stage", step.stage)
    profile = step.settings.get("profile")
    return stage.expected_s + (stage.measuring_s(msgspec.convert(profile, Profile)) if profile else 0.0)


def figures(step: Step, result: Result) -> str:
    """Return the two or three figures of a result that tell most."""
    stage: Stage = registry.load("stage", step.stage)
    found = ((shown, metrics.find(result, shown.key)) for shown in stage.figures)
    told = ((shown, metrics.number(figure.value)) for shown, figure in found if figure is not None)
    dressed = [shown.form.format(_dressed(shown, value)) for shown, value in told if value is not None]
    good = quality.read(result)
    return ", ".join([*dressed, *(() if good is None else (good.short,))])


def _dressed(shown: Shown, value: float) -> str:
    return quantities.quantity(value, metrics.metric(shown.key.name).unit)


def span(seconds: float) -> str:
    """Write a duration as a clock does: "3:07"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
