"""Waiting for a server to become what it should be."""

import time
from collections.abc import Callable

from serving.errors import NotReady

_LOOK_EVERY_S = 0.05


def until_right(problem: Callable[[], object], bound_s: float, since: str) -> float:
    """Ask until there is no problem; return the seconds. Raises `NotReady` with the last one when time is up."""
    begin = time.perf_counter()
    while (found := problem()) is not None:
        if time.perf_counter() - begin > bound_s:
            raise NotReady(f"{bound_s:.0f} s after {since}: {found}", remedy="let a supervisor restart the server")
        time.sleep(_LOOK_EVERY_S)
    return time.perf_counter() - begin
