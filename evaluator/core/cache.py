"""Where fweval keeps between runs what can be made or fetched again."""

import os
from pathlib import Path

import platformdirs

from evaluator.core.errors import Unavailable

VARIABLE = "FWEVAL_CACHE"


def cache_folder() -> Path:
    """Return $FWEVAL_CACHE, or the user's cache folder; it need not exist yet."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).absolute()
    try:
        return platformdirs.user_cache_path("fweval")
    except RuntimeError:  # a user whom nobody knows, without HOME: container engines say that / is the home of those
        return Path("/.cache/fweval")


def make_folder(folder: Path) -> None:
    """Have a folder of the cache to write to; `Unavailable` says how to get one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if not writable:
        remedy = f"set {VARIABLE} to a folder that this user may write to"
        raise Unavailable(f"the cache folder {folder} cannot be written", remedy=remedy)
