"""The models of this server: which versions there are, in which state, and which of them answers a request.

A new version is loaded beside the old one, takes over, and only then is the old one unloaded, after its last call:
tensorflow_serving/core/availability_preserving_policy.cc. A version that cannot be loaded disturbs no other.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serving.reference import configuration
from serving.reference.configuration import ServedModel
from serving.reference.servable import Servable
from serving.reference.status import Code, StatusError, invalid
from serving.reference.versions import State, Version, VersionState, on_disk, to_load, to_unload

log = logging.getLogger("reference")

_LOOK_S = 1.0  # how often retries are looked for where no disk is polled
_SOON_S = 0.01

Load = Callable[[str, int, Path], Servable]  # name, version and folder; `StatusError` when it cannot be loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How a manager goes about it, by the flags of tensorflow_model_server."""

    poll_s: float = 1.0  # look for versions this often; not above 0: only at the start and when told
    retries: int = 5
    retry_s: float = 60.0
    labels_for_unavailable: bool = False


@dataclass(slots=True, kw_only=True)
class _Served:
    model: ServedModel
    versions: dict[int, Version] = field(default_factory=dict)


class Manager:
    """Finds the servable that a request asks for. All methods may be called from many threads."""

    def __init__(self, load: Load, habits: Habits) -> None:
        self._load = load
        self._habits = habits
        self._served: dict[str, _Served] = {}
        self._removed: dict[str, dict[int, Version]] = {}
        self._known = threading.Condition()  # guards the two above
        self._changing = threading.Lock()  # held while versions come and go: by one thread at a time
        self._closed = threading.Event()

    @contextmanager
    def use(self, name: str, version: int | None = None, label: str | None = None) -> Iterator[Servable]:
        """Lend a loaded version, the newest unless told otherwise; it is not unloaded before the context ends.

        Texts: core/basic_manager.cc and model_servers/server_core.cc of tensorflow_serving.
        """
        if not name:
            raise invalid("ModelSpec has no name specified.")
        with self._known:
            found, servable = self._find(name, version, label)
            found.users += 1
        try:
            yield servable
        finally:
            with self._known:
                found.users -= 1
                if found.state is State.UNLOADING:
                    self._known.notify_all()

    def states(self, name: str, version: int | None = None, label: str | None = None) -> list[VersionState]:
        """Tell how the versions of a model are, newest first; texts: model_servers/get_model_status_impl.cc.

        A label is not looked at, as upstream does not either.
        """
        with self._known:
            served = self._served.get(name)
            versions = served.versions if served is not None else self._removed.get(name, {})
            states = [versions[number].described() for number in sorted(versions, reverse=True)]
        if version is None:
            if not states:
                raise StatusError(Code.NOT_FOUND, f"Could not find any versions of model {name}")
            return states
        for state in states:
            if state.version == version:
                return [state]
        raise StatusError(Code.NOT_FOUND, f"Could not find version {version} of model {name}")

    def reload(self, config: Any) -> None:
        """Replace the models by those of a ModelServerConfig; returns when the new ones are there, or raises."""
        models = configuration.models(config)
        with self._changing:
            with self._known:
                self._check_labels(models)
                new = self._replace(models)
            self._refresh()
        while (due := self._waiting(new)) and not self._closed.wait(_left_s(min(due))):
            with self._changing:
                self._refresh()
        self._check_available(new)

    def start(self) -> None:
        """Look for new and removed versions from now on, as often as the habits say, and retry what failed to load."""
        threading.Thread(target=self._poll, daemon=True).start()

    def close(self, timeout_s: float) -> None:
        """Stop looking, and free what nobody uses any more; returns when all is free, or when time is up."""
        self._closed.set()
        with self._known:
            self._replace([])
            versions = [version for versions in self._removed.values() for version in versions.values()]
            for version in versions:
                self._unload(version)
            self._known.wait_for(lambda: all(version.servable is None for version in versions), timeout_s)

    def _find(self, name: str, version: int | None, label: str | None) -> tuple[Version, Servable]:
        served = self._served.get(name)
        if label is not None:
            if served is None or label not in served.model.labels:
                raise invalid(f"Unrecognized servable version label: {label}")
            version = served.model.labels[label]
        versions = {} if served is None else served.versions
        available = [number for number, known in versions.items() if known.state is State.AVAILABLE]
        chosen = max(available, default=None) if version is None else version
        if chosen is not None and chosen in available and (servable := versions[chosen].servable) is not None:
            return versions[chosen], servable
        which = f"Latest({name})" if version is None else f"Specific({name}, {version})"
        raise StatusError(Code.NOT_FOUND, f"Servable not found for request: {which}")

    def _check_labels(self, models: Sequence[ServedModel]) -> None:
        """Allow labels for available versions only (UpdateModelVersionLabelMap in server_core.cc)."""
        for model in models:
            served = self._served.get(model.name, _Served(model=ServedModel(name=model.name, base=model.base)))
            for label, number in model.labels.items():
                known = served.versions.get(number)
                moves = served.model.labels.get(label, number) != number
                if self._habits.labels_for_unavailable and not moves:
                    continue
                if known is None or known.state is not State.AVAILABLE:
                    raise StatusError(
                        Code.FAILED_PRECONDITION,
                        f"Request to assign label to version {number} of model {model.name}, which is not currently "
                        "available for inference",
                    )

    def _replace(self, models: Sequence[ServedModel]) -> list[str]:
        """Take over a list of models; return the names of the new ones."""
        wanted = {model.name: model for model in models}
        for name in set(self._served) - set(wanted):
            self._removed[name] = self._served.pop(name).versions
            for version in self._removed[name].values():
                version.dropped = True
        new = [name for name in wanted if name not in self._served]
        for name, model in wanted.items():
            known = self._served.pop(name, None)
            versions = known.versions if known is not None else self._removed.pop(name, {})
            self._served[name] = _Served(model=model, versions=versions)
        return new

    def _refresh(self) -> None:
        """Compare the disk with what is loaded, and load and unload accordingly."""
        with self._known:
            served = list(self._served.values())
            gone = [version for versions in self._removed.values() for version in versions.values()]
        for version in gone:
            self._unload(version)
        for one in served:
            present = on_disk(one.model.base)
            if present is None:
                log.error("Could not find base path %s for servable %s", one.model.base, one.model.name)
                continue
            if not present:
                log.warning("No versions of servable %s found under base path %s", one.model.name, one.model.base)
            self._settle(one, present)

    def _settle(self, served: _Served, present: Mapping[int, Path]) -> None:
        """Bring one model's versions to what is wanted, one action after another."""
        wanted = served.model.policy.choose(present)
        with self._known:
            for number, version in served.versions.items():
                version.dropped = version.dropped or number not in wanted
                if version.dropped and version.state is State.LOADING:
                    self._unload(version)
        while not self._closed.is_set():
            with self._known:
                for number in to_unload(served.versions, wanted):
                    self._unload(served.versions[number])
                chosen = to_load(served.versions, wanted, time.monotonic())
                if chosen is None:
                    return
                known = served.versions.get(chosen)
                if known is None or known.state is not State.LOADING:
                    known = served.versions[chosen] = Version(number=chosen)
            self._try_to_load(served.model.name, known, present[chosen])

    def _try_to_load(self, name: str, version: Version, folder: Path) -> None:
        """Load a version; what does not succeed is tried again later, or ends with the error in its state.

        Nobody waits for the retry: other models and versions come and go meanwhile, and one that is not wanted any
        more is not tried again (core/loader_harness.cc: retries are cancelled after the interval under way).
        """
        with self._known:
            version.state = State.LOADING
        log.info("Loading servable version {name: %s version: %d}", name, version.number)
        try:
            servable = self._load(name, version.number, folder)
        except StatusError as error:
            log.error("Loading servable {name: %s version: %d} failed: %s", name, version.number, error)  # noqa: TRY400
            with self._known:
                version.error = error
                version.failures += 1
                version.retry_at = time.monotonic() + self._habits.retry_s
                if version.failures > self._habits.retries:
                    version.state = State.END
        else:
            log.info("Successfully loaded servable version {name: %s version: %d}", name, version.number)
            with self._known:
                version.servable, version.error, version.state = servable, None, State.AVAILABLE

    def _unload(self, version: Version) -> None:
        """Let a version answer no further request, and free it after its last; does not wait for that."""
        with self._known:
            if version.state is State.LOADING:  # it waits for its next try, which will not come
                version.state = State.END
            if version.state is not State.AVAILABLE:
                return
            version.state = State.UNLOADING
        threading.Thread(target=self._end, args=(version,), daemon=True).start()

    def _end(self, version: Version) -> None:
        with self._known:
            self._known.wait_for(lambda: version.users == 0)
            servable = version.servable
        if servable is not None:
            servable.close()
        with self._known:
            version.servable, version.state = None, State.END
            self._known.notify_all()

    def _check_available(self, names: Sequence[str]) -> None:
        """Raise unless each model has an available version; text: WaitUntilModelsAvailable in server_core.cc."""
        failures = []
        for name in names:
            versions = self._described(name)
            if not any(version.state is State.AVAILABLE for version in versions):
                errors = [
                    f"{{{{name: {name} version: {version.version}}} due to error: {version.message}}}, "
                    for version in versions
                ]
                failures.append("".join(errors) or f"{{{{name: {name}}} no versions found}}, ")
        if failures:
            raise StatusError(
                Code.UNKNOWN, f"{len(failures)} model(s) did not become available: {{{''.join(failures)}}}"
            )

    def _described(self, name: str) -> list[VersionState]:
        with self._known:
            served = self._served.get(name)
            return [] if served is None else [version.described() for version in served.versions.values()]

    def _waiting(self, names: Collection[str] | None = None) -> list[float]:
        """Return when retries are due: of all models, or of those of these names that do not answer yet."""
        with self._known:
            found = {name: served.versions.values() for name, served in self._served.items()}
            silent = {name for name, known in found.items() if all(each.state is not State.AVAILABLE for each in known)}
            asked = found if names is None else silent & set(names)
            return [each.retry_at for name in asked for each in found[name] if each.state is State.LOADING]

    def _poll(self) -> None:
        while not self._closed.wait(self._pause_s()):
            if self._habits.poll_s > 0 or any(_left_s(due) == 0 for due in self._waiting()):
                with self._changing:
                    self._refresh()

    def _pause_s(self) -> float:
        due_s = _left_s(min(self._waiting(), default=math.inf))
        return min(self._habits.poll_s if self._habits.poll_s > 0 else _LOOK_S, max(due_s, _SOON_S))


def _left_s(due: float) -> float:
    return max(due - time.monotonic(), 0.0)
