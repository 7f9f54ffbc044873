"""Plug-ins are found by listing a folder: a file named `onnx.py` in exports/formats *is* the format `onnx`.

A plug-in module holds one object named `plugin` whose `name` equals the file's name. Importing a plug-in imports no
framework; what it needs is imported inside its functions, in the child that uses it. Folders from outside
(`core.plugins`) are listed behind ours.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache
from typing import Any

from evaluator.core import plugins
from evaluator.core.errors import UsageError
from evaluator.core.kinds import KINDS as KINDS  # noqa: PLC0414  # taken from here
from evaluator.core.kinds import VARIANTS
from evaluator.core.text import line


def names(kind: str) -> tuple[str, ...]:
    """List the plug-ins of a kind without importing any of them: ours in alphabetical order, those from outside then.

    `UsageError` when one from outside has a name of ours.
    """
    return (*_ours(kind), *(each.name for each in found(kind)))


@cache
def _ours(kind: str) -> tuple[str, ...]:
    package = importlib.import_module(KINDS[kind])
    return tuple(
        sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not (m.ispkg or m.name.startswith("_")))
    )


def found(kind: str | None = None) -> tuple[plugins.Found, ...]:
    """Return where the plug-ins from outside are, of a kind or all; `UsageError` when one has a name of ours."""
    known = plugins.found()
    for each in known:
        if each.name in _ours(each.kind):
            raise UsageError(
                f"{each.file}: '{each.name}' is the name of {_a(each.kind)} of fweval's own", remedy="rename yours"
            )
    return tuple(each for each in known if kind in (None, each.kind))


def load(kind: str, name: str) -> Any:
    """Return the plug-in of that name; `UsageError` with the nearest name when there is none."""
    if name in _ours(kind):
        return _own(kind, name)
    foreign = next((each for each in found(kind) if each.name == name), None)
    if foreign is None:
        raise unknown(kind, name, names(kind))
    return _foreign(foreign)


@cache
def _own(kind: str, name: str) -> Any:
    return importlib.import_module(f"{KINDS[kind]}.{name}").plugin


@cache
def _foreign(one: plugins.Found) -> Any:
    return plugins.load(one)


def load_all(kind: str) -> tuple[Any, ...]:
    """Return every plug-in of a kind, in the order of their names."""
    return tuple(load(kind, name) for name in names(kind))


def variant(name: str) -> Any:
    """Return the variant of that name, of a runtime or of a training; `UsageError` when there is neither."""
    kind = next((each for each in VARIANTS if name in names(each)), VARIANTS[0])
    return load(kind, name)


def _a(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def unknown(kind: str, given: str, known: Iterable[str]) -> UsageError:
    """Make the error for a name that is not known, with "did you mean" where something is near."""
    choices = tuple(known)
    near = difflib.get_close_matches(given.lower(), choices, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(choices)}"
    return UsageError(f"there is no {kind} '{line(given)}'", remedy=hint)
