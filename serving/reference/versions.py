"""The life of a model's versions, and which of them to load or to unload next: pure rules."""

import logging
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from pathlib import Path

from serving.reference.servable import Servable
from serving.reference.status import StatusError

LOWEST, HIGHEST = -(2**63), 2**63 - 1
_NUMBER = re.compile(r"(?a)\s*[+-]?\d+\s*")

log = logging.getLogger("reference")


class State(IntEnum):
    """The life of a version, by the names and numbers of apis/get_model_status.proto."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionState:
    """Where a version is in its life, and the error that brought it there (code 0: none)."""

    version: int
    state: State
    code: int = 0
    message: str = ""


@dataclass(slots=True, kw_only=True)
class Version:
    """One version of a model, as long as this server runs."""

    number: int
    state: State = State.START
    servable: Servable | None = None
    users: int = 0  # calls in flight
    error: StatusError | None = None
    dropped: bool = False  # not wanted any more: should it be wanted again, it is loaded anew
    failures: int = 0  # loads that did not succeed
    retry_at: float = 0.0  # while LOADING: when it may be tried again, by the monotonic clock

    def described(self) -> VersionState:
        """Return what a status request is told."""
        if self.error is None:
            return VersionState(version=self.number, state=self.state)
        return VersionState(version=self.number, state=self.state, code=self.error.code, message=self.error.message)


def on_disk(base: Path) -> dict[int, Path] | None:
    """Return the numbered folders below `base`; None when there is no such folder, which says nothing about them.

    A name is a number when absl::SimpleAtoi reads a 64-bit one from it: leading zeros do not count. Of several names
    for one number the last in the order of bytes is served, and a warning names both (ParseVersionNumber and
    IndexChildrenByVersion in sources/storage_path/file_system_storage_path_source.cc).
    """
    try:
        folders = sorted((path for path in base.iterdir() if path.is_dir()), key=lambda path: os.fsencode(path.name))
    except OSError:
        return None
    found: dict[int, Path] = {}
    for path in folders:
        if _NUMBER.fullmatch(path.name) is None or not LOWEST <= (number := int(path.name)) <= HIGHEST:
            continue
        if number in found:
            _tell_duplicate(number, path, found[number])
        found[number] = path
    return found


@cache
def _tell_duplicate(number: int, path: Path, ignored: Path) -> None:
    """Warn of it, once: the disk is looked at every second."""
    log.warning(
        "Duplicate version directories detected. Version %d will be loaded from %s, %s will be ignored.",
        *(number, path.name, ignored.name),
    )


def to_unload(versions: Mapping[int, Version], wanted: Collection[int]) -> list[int]:
    """Return the versions to unload: the unwanted, but the last of them only when a wanted one is available."""
    available = sorted(number for number, version in versions.items() if version.state is State.AVAILABLE)
    unwanted = [number for number in available if number not in wanted]
    replaced = not wanted or len(unwanted) < len(available)
    return unwanted if replaced else unwanted[:-1]


def to_load(versions: Mapping[int, Version], wanted: Collection[int], now: float) -> int | None:
    """Return the version to load next, the newest first: a new one, one that came back, one whose retry is due.

    One that failed for good is not tried again while it is wanted.
    """
    for number in sorted(wanted, reverse=True):
        known = versions.get(number)
        if known is None or (known.dropped and known.state >= State.UNLOADING):
            return number
        if known.state is State.LOADING and known.retry_at <= now:
            return number
    return None
