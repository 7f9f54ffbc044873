"""Where fweval keeps between runs what can be made or fetched again."""

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """Return $FWEVAL_CACHE, or the user's cache folder; it need not exist yet."""
    chosen = os.environ.get("FWEVAL_CACHE")
    return Path(chosen) if chosen else platformdirs.user_cache_path("fweval")
