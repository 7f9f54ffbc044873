"""Waiting until others leave the machine alone: before anything is measured, and no longer than people allow."""

import time

from evaluator.core.answers import REMEDY as REMEDY  # noqa: PLC0414  # said before a run as well as after it
from evaluator.measure import neighbours
from evaluator.running.progress import Reporter, span

BESIDE = "what is measured beside that is marked, and left out of comparisons"


class Quiet:
    """What is left of the seconds that a run may wait; without any it looks, and says what it saw."""

    def __init__(self, most_s: float = 0.0) -> None:
        self.left_s = most_s
        self._may_wait = most_s > 0

    def wait(self, reporter: Reporter) -> neighbours.Load:
        """Wait until the machine is quiet or no time is left for that; return what was seen last."""
        begin = time.monotonic()
        found = neighbours.wait_for_quiet(self.left_s, lambda load, left_s: reporter.waiting(load.said(), left_s))
        self.left_s = max(0.0, self.left_s - (time.monotonic() - begin))
        return found

    def begin(self, reporter: Reporter) -> neighbours.Load:
        """Wait before the first step, and say what the machine is like now."""
        begin = time.monotonic()
        found = self.wait(reporter)
        waited = f" after {span(time.monotonic() - begin)}" if self._may_wait else ""
        if found.quiet:
            reporter.note(f"the machine is quiet{waited}: {found.said()}")
        else:
            remedy = "" if self._may_wait else f" → {REMEDY}"
            reporter.note(f"the machine is not quiet{waited}: {found.said()}; {BESIDE}{remedy}")
        return found
