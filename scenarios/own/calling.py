"""Running functions of somebody's own, in a child only, in the folder of their file, as a script there would run.

Whatever goes wrong in them is told in one line, with the file and the line: it is the person's code, and no
bug of ours.
"""

import difflib
import functools
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from evaluator.children.work import attempt
from evaluator.core.causes import wants_memory
from evaluator.core.errors import FwevalError, UsageError

_modules: dict[Path, ModuleType] = {}
_running: list[Path] = []  # files whose code is at work now


def function(path: Path, name: str) -> Callable[..., Any]:
    """Import a file and return its function of that name, which runs in the file's folder.

    Raises `UsageError` for a file that cannot be imported and a name that is not there, with the nearest one.
    """
    module = _module(path)
    found = getattr(module, name, None)
    if callable(found):
        return placed(path, f"{name}()", found)
    known = [
        each
        for each, value in vars(module).items()
        if callable(value) and not each.startswith("_") and getattr(value, "__module__", path.stem) == path.stem
    ]  # and not what it imports
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    remedy = f"did you mean '{near[0]}'?" if near else f"it has: {', '.join(known) or 'none'}"
    raise UsageError(f"{path.name} has no function '{name}'", remedy=remedy)


def at_work() -> Path | None:
    """Return the person's file whose code runs in this process now; None while none does."""
    return _running[-1] if _running else None


def without_arguments(path: Path, name: str) -> Any:
    """Call a function that takes nothing; `UsageError` names the arguments that one takes, and what it raises."""
    call = function(path, name)
    required = [
        each.name
        for each in _parameters(call)
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    if required:
        raise UsageError(
            f"{path.name}:{name} takes arguments: {', '.join(required)}",
            remedy="give them defaults, or name a function that takes none and calls it",
        )
    return call()


def _parameters(call: Callable[..., Any]) -> list[inspect.Parameter]:
    found = attempt(lambda: inspect.signature(call))
    return [] if isinstance(found, Exception) else list(found.parameters.values())


def _module(path: Path) -> ModuleType:
    """Import a file once for this process."""
    if path in _modules:
        return _modules[path]
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))  # what lies beside it is found, as when it is run
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    loader = spec.loader
    _at_home(path, "importing it", lambda: loader.exec_module(module))
    _modules[path] = module
    return module


def placed(path: Path, what: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of a file as one that runs in the file's folder; `what` names it where it fails."""

    @functools.wraps(call)
    def run(*arguments: Any, **keywords: Any) -> Any:
        return _at_home(path, what, lambda: call(*arguments, **keywords))

    return run


def _at_home(path: Path, what: str, call: Callable[[], Any]) -> Any:
    """Call in the folder of a file; tell what is raised there in one line.

    Memory that ran out is the machine's to say, and a message for a person stays what it is.
    """
    before = Path.cwd()
    os.chdir(path.parent)
    _running.append(path)
    try:
        found = attempt(call)
    except SystemExit as error:
        remedy = 'put what is to run as a script below `if __name__ == "__main__":`'
        raise UsageError(f"{path.name}: {what} ended the process ({error.code})", remedy=remedy) from error
    finally:
        _running.pop()
        os.chdir(before)
    if isinstance(found, SyntaxError):
        raise UsageError(
            f"{Path(found.filename or path).name}, line {found.lineno}: {what} failed: {found.msg}"
        ) from found
    if isinstance(found, FwevalError | MemoryError) or (isinstance(found, Exception) and wants_memory(_said(found))):
        raise found
    if isinstance(found, Exception):
        raise UsageError(f"{path.name}{_line(path, found)}: {what} failed: {_said(found)}") from found
    return found


def _line(path: Path, error: Exception) -> str:
    """Return the last line of the file that the error came through."""
    lines = [each.lineno for each in traceback.extract_tb(error.__traceback__) if Path(each.filename) == path]
    return f", line {lines[-1]}" if lines else ""


def _said(error: Exception) -> str:
    first = " ".join(str(error).split())
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
