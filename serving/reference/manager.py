"""The models of this server: which versions there are, in which state, and which of them answers a request."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from serving.reference.servable import Servable
from serving.reference.status import Code, StatusError, invalid


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


class Manager:
    """Finds the servable that a request asks for. All methods may be called from many threads."""

    def __init__(self, name: str, base: Path) -> None:
        """Load the folder with the highest number below `base`; `FileNotFoundError` when there is none."""
        versions = [int(path.name) for path in base.iterdir() if path.is_dir() and path.name.isdecimal()]
        if not versions:
            message = f"No versions of servable {name} found under base path {base}"
            raise FileNotFoundError(message)
        self._servable = Servable(name, max(versions), base / str(max(versions)))

    @contextmanager
    def use(self, name: str, version: int | None = None, label: str | None = None) -> Iterator[Servable]:
        """Lend a loaded version, the newest unless told otherwise; it is not unloaded before the context ends.

        Texts: core/basic_manager.cc and model_servers/server_core.cc of tensorflow_serving.
        """
        if label is not None:
            raise invalid(f"Unrecognized servable version label: {label}")
        if name != self._servable.name or version not in {None, self._servable.version}:
            which = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise StatusError(Code.NOT_FOUND, f"Servable not found for request: {which}")
        yield self._servable

    def states(self, name: str, version: int | None = None, label: str | None = None) -> list[VersionState]:
        """Tell how the versions of a model are, newest first; texts: model_servers/get_model_status_impl.cc."""
        if label is not None:
            raise invalid(f"Unrecognized servable version label: {label}")
        if name != self._servable.name:
            raise StatusError(Code.NOT_FOUND, f"Could not find any versions of model {name}")
        if version not in {None, self._servable.version}:
            raise StatusError(Code.NOT_FOUND, f"Could not find version {version} of model {name}")
        return [VersionState(version=self._servable.version, state=State.AVAILABLE)]

    def reload(self, config: Any) -> None:
        """Replace the models by those of a ModelServerConfig; returns when they are there."""
        raise StatusError(Code.UNIMPLEMENTED, "ModelConfigList cannot be replaced yet")
