"""Plug-ins are found by listing a folder: a file named `onnx.py` in exports/formats *is* the format `onnx`.

A plug-in module holds one object named `plugin` whose `name` equals the file's name. Importing a plug-in imports no
framework; what it needs is imported inside its functions, in the child that uses it.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Iterable
from functools import cache
from typing import Any

from evaluator.core.errors import UsageError

# kind -> the package whose modules are its plug-ins. Adding a plug-in touches none of this.
KINDS = {
    "format": "exports.formats",
    "exporter": "exports.exporters",
    "runtime": "exports.runtimes",
    "device": "exports.devices",
    "variant": "exports.variants",
    "server": "serving.servers",
    "launcher": "serving.launchers",
    "probe": "serving.probes",
    "model": "scenarios.models",
    "framework": "scenarios.frameworks",
    "stage": "evaluator.stages",
    "check": "evaluator.checks",
    "report": "evaluator.report",
    "executor": "evaluator.executors",
    "section": "evaluator.report.sections",
}


@cache
def names(kind: str) -> tuple[str, ...]:
    """List the plug-ins of a kind in alphabetical order, without importing any of them."""
    package = importlib.import_module(KINDS[kind])
    return tuple(
        sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not (m.ispkg or m.name.startswith("_")))
    )


@cache
def load(kind: str, name: str) -> Any:
    """Return the plug-in of that name; `UsageError` with the nearest name when there is none."""
    if name not in names(kind):
        raise unknown(kind, name, names(kind))
    return importlib.import_module(f"{KINDS[kind]}.{name}").plugin


def load_all(kind: str) -> tuple[Any, ...]:
    """Return every plug-in of a kind, in alphabetical order."""
    return tuple(load(kind, name) for name in names(kind))


def unknown(kind: str, given: str, known: Iterable[str]) -> UsageError:
    """Make the error for a name that is not known, with "did you mean" where something is near."""
    choices = tuple(known)
    near = difflib.get_close_matches(given.lower(), choices, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(choices)}"
    return UsageError(f"there is no {kind} '{given}'", remedy=hint)
