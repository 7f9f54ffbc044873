"""One call over a wire, with its time and its end."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

from serving.contract import Wire
from serving.errors import ServerError

Connect = Callable[[], AbstractContextManager[Wire]]  # opens one more connection to the server


class Call(NamedTuple):
    """A call that was made."""

    begin: float  # `time.perf_counter()` when it was sent
    seconds: float  # until the answer was there, or the failure known
    code: str | None  # of the `ServerError`; None: it succeeded

    @property
    def end(self) -> float:
        """`time.perf_counter()` when it was over."""
        return self.begin + self.seconds


def timed(wire: Wire, request: Any) -> Call:
    """Make a call and time it; a failure of the server is part of the result."""
    begin = time.perf_counter()
    code = None
    try:
        wire.call(request)
    except ServerError as error:
        code = error.code
    return Call(begin, time.perf_counter() - begin, code)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let the garbage collector look at new objects only: going through all the old ones holds up every thread."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
