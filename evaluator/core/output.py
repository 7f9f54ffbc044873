"""Standard output and error as machines have them: not in UTF-8, closed, with nobody who reads, on a strange terminal.

`prepare` is called once, before anything is printed; what prints afterwards knows nothing of it.
"""

import codecs
import errno
import io
import os
import sys
import unicodedata

# The signs that we use, where only ASCII can be had. What is not here loses its accents, or becomes a question mark.
_SIGNS = '✓+ ✗x ·- •* ●* ○o →-> ←<- ⇒=> ▲^ ×x ±+/- ≥>= ≤<= ≈~ ≠!= µu μu ∞inf –- —- −- ‑- ‘\' ’\' “" ”" „"'  # noqa: RUF001
_NEAREST = str.maketrans({each[0]: each[1:] for each in _SIGNS.split()})
_GONE = (errno.EPIPE, errno.EIO, errno.ECONNRESET)  # nobody reads a pipe, a terminal, a socket any more


class ReaderGoneError(Exception):
    """Whoever read our output went away: there is nobody left to tell, and nothing went wrong here."""


class _Output(io.TextIOWrapper):
    """A standard stream that every text can be written to.

    One that is not UTF-8 gets ASCII, which every encoding has in common. (A terminal that is not UTF-8 takes some bytes
    of it for commands.)
    """

    def __init__(self, stream: io.TextIOWrapper, *, needed: bool) -> None:
        """Take a stream's place; without a reader, one that is not needed swallows what it is given."""
        utf_8 = codecs.lookup(stream.encoding).name == "utf-8"
        # Names of files need not be text. That it calls itself Latin-1 keeps click from another idea of its own.
        encoding, errors = ("utf-8", "backslashreplace") if utf_8 else ("latin-1", "strict")
        super().__init__(stream.buffer, encoding=encoding, errors=errors, line_buffering=stream.line_buffering)
        self._utf_8, self._needed = utf_8, needed

    def write(self, text: str, /) -> int:
        """Write a text, or what is nearest to it."""
        try:
            super().write(text if self._utf_8 else _ascii(text))
        except OSError as error:
            self._bear(error)
        return len(text)

    def write_data(self, text: str) -> None:
        """Write a text in UTF-8, whatever the stream's encoding is."""
        self.flush()
        try:
            self.buffer.write(text.encode())
            self.buffer.flush()
        except OSError as error:
            self._bear(error)

    def flush(self) -> None:
        """Hand on what was written."""
        try:
            super().flush()
        except OSError as error:
            self._bear(error)

    def _bear(self, error: OSError) -> None:
        """Write to nowhere from now on when the reader is gone; say so if somebody should have read it."""
        if error.errno not in _GONE:
            raise error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        if self._needed:
            raise ReaderGoneError from error


def prepare() -> None:
    """Make standard output and error such that anything can be printed, and correct what nobody can mean.

    Progress and complaints are worth no run: without a reader they are dropped. The answer to a command is needed.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:  # it was closed: else the next file that is opened would be taken for it
            _reopen(number, name)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout is sys.__stdout__:
        sys.stdout = _Output(sys.stdout, needed=True)
    if isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr is sys.__stderr__:
        sys.stderr = _Output(sys.stderr, needed=False)
    for name in ("COLUMNS", "LINES"):  # rich takes 0 columns at its word
        if not _is_size(os.environ.get(name, "")):
            os.environ.pop(name, None)


def write_data(text: str) -> None:
    """Print what a machine reads: it is UTF-8 in every locale."""
    if isinstance(sys.stdout, _Output):
        sys.stdout.write_data(text)
    else:
        sys.stdout.write(text)


def _reopen(number: int, name: str) -> None:
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
    os.set_inheritable(number, True)
    setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8"))


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text) > 0


def _ascii(text: str) -> str:
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKD", text.translate(_NEAREST))
    kept = (sign for sign in plain if not unicodedata.combining(sign))
    return "".join(kept).encode("ascii", "replace").decode("ascii")
