"""What a user is told while some lines run: warnings, log records and lines of native code on stderr."""

import logging
import os
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from evaluator.core.notices import alike, is_native

# Python shows these only where they are about the script that was started.
_FOR_DEVELOPERS = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)


@dataclass(frozen=True, slots=True)
class Notice:
    """One of them, the line of the user's that was at work, and when it was."""

    kind: str
    text: str
    at: float
    line: int | None = None
    hidden: bool = False

    @property
    def gist(self) -> tuple[str, str]:
        """What it says, without what varies from call to call."""
        return self.kind, alike(self.text)


class Notices(logging.Handler):
    """Collects them; `user` is the file whose lines are the user's."""

    def __init__(self, user: Path) -> None:
        """Take what is a warning or worse."""
        super().__init__(logging.WARNING)
        self.user = user
        self.found: list[Notice] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a log record."""
        self._keep("log", record.getMessage(), hidden=False)

    def warned(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        """Keep a warning."""
        ours = Path(filename).name == self.user.name
        self._keep(category.__name__, str(message), hidden=issubclass(category, _FOR_DEVELOPERS) and not ours)

    def _keep(self, kind: str, text: str, *, hidden: bool) -> None:
        lines = [each.lineno for each in traceback.extract_stack() if each.filename == str(self.user)]
        self.found.append(Notice(kind, text, time.perf_counter(), lines[-1] if lines else None, hidden))


@contextmanager
def noticing(user: Path) -> Iterator[list[Notice]]:
    """Collect what is told while the block runs; the list is complete when it has ended."""
    notices = Notices(user)
    loggers = [logging.getLogger(), *map(logging.getLogger, ("tensorflow", "absl"))]
    kept = [(each, each.handlers) for each in loggers]
    with warnings.catch_warnings(), _native(notices.found):
        warnings.simplefilter("always")
        warnings.showwarning = notices.warned
        for each in loggers:
            each.handlers = [notices]
        try:
            yield notices.found
        finally:
            for logger, handlers in kept:
                logger.handlers = handlers


@contextmanager
def _native(found: list[Notice]) -> Iterator[None]:
    """Read what native code writes to stderr meanwhile, and pass it on."""
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            file.seek(0)
            written = file.read()
            os.write(2, written)
            lines = written.decode(errors="replace").splitlines()
            found.extend(Notice("stderr", each, time.perf_counter()) for each in lines if is_native(each))
