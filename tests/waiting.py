"""Waiting for what others do in their own time."""

import time
from collections.abc import Callable
from typing import TypeVar

_LOOK_EVERY_S = 0.05
_Seen = TypeVar("_Seen")


def until(
    look: Callable[[], _Seen],
    right: Callable[[_Seen], object] = bool,
    *,
    within_s: float = 20.0,
    said: Callable[[], object] = str,
) -> _Seen:
    """Look until what is seen is right, and return it; when time is up the test fails with what is `said` then."""
    deadline = time.monotonic() + within_s
    while not right(seen := look()):
        assert time.monotonic() < deadline, f"not within {within_s:g} s, but {seen!r}: {said()}"
        time.sleep(_LOOK_EVERY_S)
    return seen
