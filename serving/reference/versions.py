"""The life of a model's versions, and which of them to load or to unload next: pure rules."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from serving.reference.servable import Servable
from serving.reference.status import StatusError


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

    def described(self) -> VersionState:
        """Return what a status request is told."""
        if self.error is None:
            return VersionState(version=self.number, state=self.state)
        return VersionState(version=self.number, state=self.state, code=self.error.code, message=self.error.message)


def on_disk(base: Path) -> dict[int, Path] | None:
    """Return the numbered folders below `base`; None when there is no such folder, which says nothing about them."""
    try:
        folders = [path for path in base.iterdir() if path.name.isdecimal() and path.is_dir()]
    except OSError:
        return None
    return {int(path.name): path for path in folders}


def to_unload(versions: Mapping[int, Version], wanted: Collection[int]) -> list[int]:
    """Return the versions to unload: the unwanted, but the last of them only when a wanted one is available."""
    available = sorted(number for number, version in versions.items() if version.state is State.AVAILABLE)
    unwanted = [number for number in available if number not in wanted]
    replaced = not wanted or len(unwanted) < len(available)
    return unwanted if replaced else unwanted[:-1]


def to_load(versions: Mapping[int, Version], wanted: Collection[int]) -> int | None:
    """Return the version to load next, the newest first; one that failed is not tried again while it is wanted."""
    for number in sorted(wanted, reverse=True):
        known = versions.get(number)
        if known is None or (known.dropped and known.state >= State.UNLOADING):
            return number
    return None
