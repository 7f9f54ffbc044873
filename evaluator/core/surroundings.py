"""What this machine refuses is nobody's failure: neither a bug of ours nor a fault of what is evaluated.

A disk that is full, files that may not be opened, a folder that is gone: said in one line each, with a remedy.
"""

import contextlib
import errno
import os
import resource
import shutil
from collections.abc import Iterable, Iterator

from evaluator.core.errors import FwevalError, IncompleteEvidence, UsageError

FILES = 4096  # that may be open at once: servers with their clients, one for each library and weight
_AGAIN = "then try again"
# Native code passes on the system's words, where its number is lost.
_SAID = {
    **{os.strerror(number): number for number in (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EROFS)},
    os.strerror(errno.ENOMEM): errno.ENOMEM,
    "can't start new thread": errno.EAGAIN,
    "Symlink loop": errno.ELOOP,  # pathlib's, before Python 3.13
}
_FULL_BELOW_BYTES = 1 << 16  # left over when a larger piece was refused


def refusal(error: BaseException) -> FwevalError | None:
    """Return what to say of an error that this machine's surroundings caused; None when they did not."""
    for each in _chain(error):
        number = _number(each)
        told = None if number is None else _words(number, str(getattr(each, "filename", None) or ""))
        if told is not None:
            return told
    return None


def full_disk(places: Iterable[str | os.PathLike[str]]) -> FwevalError | None:
    """Say which of the folders lies on a disk that is full: what failed there need not have said so."""
    for place in places:
        with contextlib.suppress(OSError):
            if shutil.disk_usage(place).free < _FULL_BELOW_BYTES:
                return _words(errno.ENOSPC, str(place))
    return None


def raise_file_limit(wanted: int) -> int:
    """Allow this process and its children that many open files, or as many as it may; return the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return file_limit()


def file_limit() -> int:
    """Return how many files this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else 1 << 30


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what it was raised from."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _number(error: BaseException) -> int | None:
    """Return the system's number of an error."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    text = str(error)
    return next((number for said, number in _SAID.items() if said in text), None)


def _words(number: int, place: str) -> FwevalError | None:
    where = f": {place}" if place else ""
    match number:
        case errno.ENOSPC | errno.EDQUOT:
            what, remedy = f"the disk is full{where}", f"free some space, {_AGAIN}"
        case errno.EFBIG:
            what, remedy = f"a file may not grow any more{where}", f"allow larger files (ulimit -f), {_AGAIN}"
        case errno.EMFILE | errno.ENFILE:
            what = f"no more files may be open (the limit is {file_limit()})"
            remedy = f"allow more (ulimit -n 4096), {_AGAIN}"
        case errno.ENOMEM:
            what, remedy = "memory ran out", f"close other programs or allow more (ulimit -v), {_AGAIN}"
        case errno.EAGAIN:
            what, remedy = "no more processes may be started", f"allow more (ulimit -u), {_AGAIN}"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            what = f"{os.strerror(number).lower()}{where}"
            remedy = "let this user read and write there, or work on a copy in a folder of its own"
        case errno.ENAMETOOLONG | errno.ELOOP:
            return UsageError(f"{os.strerror(number).lower()}{where}", remedy="name a path that can be there")
        case errno.EIO:
            what, remedy = f"a disk cannot be read or written{where}", f"see what the system says of it, {_AGAIN}"
        case errno.ENOENT | errno.ESTALE if _is_adrift():
            return UsageError("the folder that this was started in is gone", remedy="change to one that is there")
        case _:
            return None
    return IncompleteEvidence(what, remedy=remedy)


def _is_adrift() -> bool:
    try:
        os.getcwd()  # noqa: PTH109  # this is the question
    except OSError:
        return True
    return False
