"""Remove what evaluations that were killed with SIGKILL could not: containers, networks, temporary folders, quotas.

Processes are not looked for: the kernel ends each of ours with the one that started it (`children/processes.py`).
Containers are the engine's children. What belongs to an evaluation that still runs is never touched.
"""

from dataclasses import asdict, dataclass
from typing import Any

from evaluator.children import engine, environments, quota
from evaluator.core import scratch
from evaluator.core.cache import cache_folder
from evaluator.core.errors import Unavailable

NODES = "nodes"  # where, in the cache folder, a machine of a cluster has what is brought to it for a run
_AT_WORK = "its evaluation is running, or ran on another host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """Something that one of our processes made outside of its run's folder."""

    kind: str  # "container", "network", "folder" or "quota"
    name: str
    server: str | None = None  # the folder of the server that it was made for
    kept: str | None = None  # why it was not removed

    @property
    def in_use(self) -> bool:
        """Tell whether somebody else is at work with it."""
        return self.kept == _AT_WORK

    def line(self) -> str:
        """Return one line for people."""
        of = f", made for {self.server}" if self.server else ""
        return f"kept {self.kind} {self.name}{of}: {self.kept}" if self.kept else f"removed {self.kind} {self.name}{of}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaned:
    """What was found, and what became of it."""

    found: tuple[Leftover, ...]
    no_engine: str | None  # why containers could not be looked for

    @property
    def complete(self) -> bool:
        """Tell whether nothing was kept but what is in use."""
        return all(leftover.kept is None or leftover.in_use for leftover in self.found)

    def as_dict(self) -> dict[str, Any]:
        """Return it for machines."""
        return asdict(self)


def clean() -> Cleaned:
    """Remove what belongs to evaluations that have ended, and say what it was."""
    of_nodes = scratch.sweep_in(cache_folder() / NODES, "*")
    swept = (*scratch.sweep(), *of_nodes, *environments.sweep())
    folders = (
        *(Leftover(kind="folder", name=str(path)) for path in swept),
        *(Leftover(kind="quota", name=str(path)) for path in quota.sweep()),
    )
    try:
        with engine.connect() as client:
            things = engine.things(client)
    except Unavailable as error:
        return Cleaned(found=folders, no_engine=error.message)
    return Cleaned(found=(*folders, *map(_end, things)), no_engine=None)


def _end(thing: engine.Thing) -> Leftover:
    """Remove it unless its maker lives."""
    kept = None if thing.abandoned else _AT_WORK
    if thing.abandoned:
        try:
            with engine.connect() as client:
                engine.remove(client, thing)
        except Unavailable as error:
            kept = error.message
    return Leftover(kind=thing.kind, name=thing.name, server=thing.folder, kept=kept)
