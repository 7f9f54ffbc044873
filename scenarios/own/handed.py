"""What a Python program hands over, arrays and functions, as the files that a form names. Nothing is pickled.

A function is run in other processes, by the file that it stands in. A measure that was typed into a notebook stands in
none: it is written out with what it names, where these are imports and plain values; anything else it would not find.
"""

import builtins
import dis
import inspect
import math
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from evaluator.core.errors import UsageError
from evaluator.core.tensors import Array, holds_numbers, write_arrays
from scenarios.own import examples

NO_NAMES = "give a dictionary: the input's name -> an array, or a file's name"
_PLAIN = (bool, int, float, str, type(None))


def arrays(value: Any, path: Path, what: str, *, alone: str | None = None) -> str:
    """Return what names examples: a file's name and a function as they are, arrays written to a file.

    A single array is called `alone`; without that name it has to come in a dictionary.
    """
    if isinstance(value, str | Path):
        return str(value)
    if inspect.isroutine(value):
        return function(value, what)
    if not isinstance(value, Mapping):
        if alone is None:
            raise UsageError(f"{what} are {_kind(value)}", remedy=NO_NAMES)
        value = {alone: value}
    found = {str(name): _numbers(each, f"{what}, '{name}'") for name, each in value.items()}
    if not found:
        raise UsageError(f"{what}: no arrays are given", remedy=NO_NAMES)
    write_arrays(path, found)
    return str(path)


def _numbers(value: Any, what: str) -> Array:
    try:
        array = examples.as_array(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{what}: no array: {error}", remedy="give numbers, one row for each example") from error
    if not holds_numbers(array):
        raise UsageError(f"{what}: it holds {array.dtype}, which are no numbers", remedy="give arrays of numbers")
    return array


def function(value: Any, what: str) -> str:
    """Return "FILE.py:FUNCTION" for a function, or a class, at the top of a file; `UsageError` for any other."""
    place = _place(value)
    if place is None:
        name = getattr(value, "__qualname__", _kind(value))
        raise UsageError(
            f"{what}: {name} is no function at the top of a Python file, and other processes must find it",
            remedy="write it into one, and give the function, or its name: FILE.py:FUNCTION",
        )
    return place


def measure(value: Any, path: Path) -> str:
    """Return what names a measure of quality; a function of a notebook is written to a file."""
    if isinstance(value, str):
        return value
    place = _place(value)
    if place is not None:
        return place
    name = getattr(value, "__name__", "")
    if not (inspect.isfunction(value) and name.isidentifier() and value.__qualname__ == name):
        called = getattr(value, "__qualname__", _kind(value))
        raise UsageError(
            f"quality: {called} has no name that other processes could find it by",
            remedy="define a function, def quality(outputs, labels), or give the name of a measure",
        )
    path.write_text(_written_out(value), encoding="utf-8")
    return f"{path}:{name}"


def _place(value: Any) -> str | None:
    """Return file and name of what is defined at the top of a module that its file alone makes."""
    name, module = getattr(value, "__qualname__", ""), sys.modules.get(getattr(value, "__module__", None) or "")
    if not (inspect.isfunction(value) or inspect.isclass(value)) or not name.isidentifier() or module is None:
        return None
    file = getattr(module, "__file__", None)
    whole = getattr(module, "__package__", None) in (None, "")  # a part of a package cannot be imported by its file
    if not (file and whole and file.endswith(".py") and Path(file).is_file()):
        return None
    return f"{Path(file).resolve()}:{name}" if getattr(module, name, None) is value else None


def _written_out(call: Callable[..., Any]) -> str:
    """Return a function's source with what it names; `UsageError` where another process would not have all of it."""
    try:
        source = textwrap.dedent(inspect.getsource(call))
        code = compile(source, call.__name__, "exec")
    except (OSError, TypeError, SyntaxError) as error:
        raise _unknown(call, "its source cannot be read") from error
    if call.__closure__:
        raise _unknown(call, "it uses what stands in another function")
    names = dict.fromkeys(each for each in _globals(code) if each != call.__name__ and not hasattr(builtins, each))
    lines = [_line(call, name) for name in names]
    if any(_beside(call.__globals__.get(name)) for name in names):
        lines.insert(0, f"import sys\n\nsys.path.append({str(Path.cwd())!r})")
    head = '"""A measure of quality, as it was handed to evaluator.api.evaluate."""'
    told = getattr(call, "higher_is_better", None)
    after = () if told is None else ("", f"{call.__name__}.higher_is_better = {bool(told)}", "")
    return "\n".join((head, "", *lines, "", "", source.rstrip("\n"), *after, "")).rstrip("\n") + "\n"


def _globals(code: CodeType) -> Iterator[str]:
    """Yield the names that a piece of code, and what is defined in it, looks up outside of itself."""
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(step.argval)
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _globals(each)


def _line(call: Callable[..., Any], name: str) -> str:
    """Return the line that gives a name its value in another process."""
    value = call.__globals__.get(name, inspect.Parameter.empty)
    if isinstance(value, ModuleType):
        return f"import {value.__name__} as {name}" if value.__name__ != name else f"import {name}"
    home, known = getattr(value, "__module__", None), getattr(value, "__name__", "")
    if home not in (None, "__main__") and known and getattr(sys.modules.get(str(home)), known, None) is value:
        return f"from {home} import {known} as {name}"
    if type(value) in _PLAIN and not (isinstance(value, float) and not math.isfinite(value)):
        return f"{name} = {value!r}"
    raise _unknown(call, f"it uses '{name}', which another process does not have")


def _beside(value: Any) -> bool:
    """Tell whether a name comes from a file below the working folder, which a program finds and others do not."""
    module = value if isinstance(value, ModuleType) else sys.modules.get(getattr(value, "__module__", None) or "")
    file = getattr(module, "__file__", None)
    return bool(file) and Path(str(file)).resolve().is_relative_to(Path.cwd()) and "site-packages" not in str(file)


def _unknown(call: Callable[..., Any], why: str) -> UsageError:
    return UsageError(
        f"quality: {call.__name__} cannot be written out: {why}",
        remedy=f"write it into a file, and give that: FILE.py:{call.__name__}",
    )


def _kind(value: Any) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
