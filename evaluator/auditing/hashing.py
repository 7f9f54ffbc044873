"""Digests of a run's files, each computed once however many records name it, with a word about how far it is."""

import time
from collections.abc import Callable
from pathlib import Path

from evaluator.core import digests
from evaluator.core.quantities import size

SILENCE_S = 2.0  # of work that nobody waits for; then something is said, and again as often
Tell = Callable[[str], None]


class Progress:
    """Says how far something is, once it takes longer than people wait without a word."""

    def __init__(self, tell: Tell = lambda _: None) -> None:
        self._tell = tell
        self._said = time.monotonic()

    def at(self, words: Callable[[], str]) -> None:
        """Say these words when nothing was said for a while."""
        if time.monotonic() - self._said >= SILENCE_S:
            self._tell(words())
            self._said = time.monotonic()


class Hashes:
    """The files of a run folder, listed once, and their digests."""

    def __init__(self, root: Path, progress: Progress) -> None:
        self.listing = digests.listed(root)
        self._progress = progress
        self._known: dict[str, str | None] = {}
        self._bytes = 0

    @property
    def recorded(self) -> tuple[str, ...]:
        """The names of the files that digests.json is of."""
        return tuple(filter(digests.recorded, self.listing.files))

    @property
    def signed(self) -> tuple[str, ...]:
        """The names of the files that a signature is of."""
        return tuple(filter(digests.signed, self.listing.files))

    def of(self, name: str) -> str | None:
        """Return the digest of a file; None when it is not there, or cannot be read."""
        if name not in self._known:
            self._known[name] = self._hashed(name)
        return self._known[name]

    def _hashed(self, name: str) -> str | None:
        path = self.listing.files.get(name)
        try:
            return None if path is None else digests.sha256(path, self._count)
        except (OSError, ValueError):
            return None

    def _count(self, more: int) -> None:
        self._bytes += more
        self._progress.at(lambda: f"digests: {size(self._bytes)} read")
