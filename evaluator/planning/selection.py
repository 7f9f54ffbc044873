"""What the person asked for, and whether a step belongs to it: --only, --skip, --framework, --device."""

import itertools
from collections.abc import Iterable
from functools import cache

import msgspec

from evaluator.core import registry
from evaluator.core.coordinates import axes
from evaluator.core.errors import UsageError
from evaluator.core.records import FRAMEWORKS, Record, Step


def known_devices() -> tuple[str, ...]:
    """Return the devices that people ask for by name; the others are planned beside these."""
    return tuple(device.name for device in registry.load_all("device") if device.beside is None)


class Options(Record, frozen=True, kw_only=True):
    """What the person asked for."""

    frameworks: tuple[str, ...] = FRAMEWORKS
    devices: tuple[str, ...] = msgspec.field(default_factory=known_devices)
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    launcher: str = "auto"
    seed: int = 1
    everything: bool = False  # every exporter at every precision, whatever the profile says


def check_names(options: Options) -> None:
    """Refuse a name in --only, --skip or --framework that nothing bears; `UsageError` with the nearest one."""
    known = selectable()
    for name in (*options.only, *options.skip):
        if name not in known:
            *others, last = _kinds()
            raise registry.unknown(f"{', '.join(others)} or {last}", name, known)
    for name in options.frameworks:
        if name not in FRAMEWORKS:
            raise registry.unknown("framework", name, FRAMEWORKS)
    if not options.frameworks:
        raise UsageError("no framework is left to evaluate", remedy=f"known: {', '.join(FRAMEWORKS)}")


def selectable() -> tuple[str, ...]:
    """Return every name that --only and --skip understand."""
    return tuple(itertools.chain.from_iterable(_pool(kind) for kind in _kinds()))


def needed_by(stage: str) -> frozenset[str]:
    """Return every stage that is done where this one is asked for by name, itself too."""
    beside: tuple[str, ...] = registry.load("stage", stage).comes_with
    return frozenset((stage, *beside)) | rests_on(stage)


@cache
def rests_on(stage: str) -> frozenset[str]:
    """Return every stage that must have run before this one: those that it names, and what they rest on."""
    direct: tuple[str, ...] = registry.load("stage", stage).rests_on
    return frozenset(direct).union(*(rests_on(each) for each in direct))


def left_out(step: Step, options: Options) -> bool:
    """Tell whether --only or --skip leaves this step out. Names of one kind in --only widen, of two kinds narrow."""
    bearing = {kind: getattr(step, axis.name) for axis in axes() for kind in axis.kinds}
    if any(name in bearing.values() for name in options.skip):
        return True
    for kind, name in bearing.items():
        wanted = set(options.only) & set(_pool(kind))
        if name is not None and wanted and name not in wanted and not (kind == "stage" and _is_needed(name, wanted)):
            return True
    return False


def _kinds() -> tuple[str, ...]:
    """Return the kinds of plug-ins that steps are selected by."""
    return tuple(kind for axis in axes() for kind in axis.kinds)


def _pool(kind: str) -> tuple[str, ...]:
    """Return the names of a kind that can be asked for: of stages those whose steps are rows."""
    if kind != "stage":
        return registry.names(kind)
    return tuple(stage.name for stage in registry.load_all(kind) if stage.planned and stage.shown)


def _is_needed(stage: str, wanted: Iterable[str]) -> bool:
    """Tell whether a stage must stay although --only names others: later ones rest on it."""
    return any(stage in needed_by(name) for name in wanted)
