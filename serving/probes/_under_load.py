"""What is done to a server while others call it, and what they notice."""

import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from evaluator.core.records import Metrics
from serving.life import Service
from serving.load.calls import Call
from serving.load.closed_loop import Calls
from serving.probing import WRONG, Field

T = TypeVar("T")
_SHARE = 4  # of the seconds under load: one before the action, one after


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """The calls around an action, which lasted from `begin` to `end`, and what came of them."""

    begin: float
    end: float
    calls: tuple[Call, ...]

    @property
    def failed(self) -> list[Call]:
        """The calls that were not answered rightly."""
        return [call for call in self.calls if call.code is not None]

    @property
    def right(self) -> list[Call]:
        """The calls that were answered rightly."""
        return [call for call in self.calls if call.code is None]

    @property
    def longest_gap_s(self) -> float:
        """The longest time within the action's bounds in which no right answer came."""
        ends = sorted(call.end for call in self.right if self.begin < call.end < self.end)
        return max(after - before for before, after in itertools.pairwise([self.begin, *ends, self.end]))

    @property
    def call_s(self) -> float:
        """The median time of the right answers; 0 without any."""
        return statistics.median([call.seconds for call in self.right] or [0.0])

    def figures(self) -> Metrics:
        """Return what the callers noticed."""
        wrong = sum(call.code == WRONG for call in self.failed)
        return {
            "requests_answered": len(self.right),
            "requests_failed": len(self.failed) - wrong,
            "requests_wrong": wrong,
            "longest_gap_s": self.longest_gap_s,
        }

    def summary(self) -> str:
        """Say how many failed, and with which codes."""
        codes = ", ".join(sorted({str(call.code) for call in self.failed}))
        return f"{len(self.failed)} of {len(self.calls)} requests failed" + (f" ({codes})" if codes else "")


def during(field: Field, service: Service, action: Callable[[], T], callers: int = 2) -> tuple[T, Noticed]:
    """Act while callers are at work, with a quarter of the field's seconds before and after."""
    with field.traffic(service, callers=callers) as calls:
        time.sleep(field.seconds / _SHARE)
        begin = time.perf_counter()
        result = action()
        time.sleep(field.seconds / _SHARE)
        end = time.perf_counter()
    return result, noticed(begin, end, calls)


def noticed(begin: float, end: float, calls: Calls) -> Noticed:
    """Look at the calls of a traffic that has ended."""
    return Noticed(begin=begin, end=end, calls=tuple(calls.taken))
