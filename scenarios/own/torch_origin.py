"""A PyTorch network of somebody's own, brought into the form in which exporters and runtimes take networks.

It takes tensors by position, in the signature's order, and returns a tensor or a tuple of tensors. A module that does
so already is left as it is: what is put around the others is one line of Python.
"""

import inspect
import keyword
import linecache
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from evaluator.core.errors import UsageError
from evaluator.core.tensors import Array
from scenarios.own import calling
from scenarios.own.form import Described
from scenarios.own.sources import Source

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_ONLY)


def load(source: Source) -> Any:
    """Return the module of a source, in evaluation mode, on the CPU.

    Raises `UsageError` for what a function returns that is none.
    """
    import torch

    if source.kind == "pt2":
        return _program(torch.export.load(source.path))
    if source.kind == "torchscript":
        return torch.jit.load(str(source.path), map_location="cpu").eval()
    return module(calling.without_arguments(source.path, source.function), str(source))


def module(found: Any, where: str) -> Any:
    """Return what a function returned as a module in evaluation mode; `UsageError` when it is none."""
    import torch

    if isinstance(found, torch.export.ExportedProgram):
        return _program(found)
    if isinstance(found, torch.nn.Module):
        return found.to("cpu").eval()
    remedy = "return a torch.nn.Module or a keras.Model"
    if isinstance(found, Mapping):
        remedy = "it is a dictionary of weights: build the module, module.load_state_dict(…), and return the module"
    raise UsageError(f"{Path(where).name} returns {type(found).__name__}", remedy=remedy)


def _program(program: Any) -> Any:
    """Return the module of an exported program: it cannot be switched to training, nor back, and is not asked to."""
    import torch

    signature, placed, named = _of_program(program)

    class Program(torch.nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.program = program.module()

        def forward(self, *args: Any, **kwargs: Any) -> Any:
            rest = iter(args)
            every = [placed[index] if index in placed else next(rest) for index in range(len(args) + len(placed))]
            return self.program(*every, **{**named, **kwargs})

        def train(self, mode: bool = True) -> Any:  # noqa: FBT001, FBT002  # PyTorch's signature
            return self

    Program.forward.__signature__ = signature  # type: ignore[attr-defined]
    return Program()


def _of_program(program: Any) -> tuple[inspect.Signature, dict[int, Any], dict[str, Any]]:
    """Return the signature of an exported program, and what is fixed in its calls: by position, and by keyword.

    What was no tensor when the program was captured (None, a number) must be given again as it was.
    """
    from torch.utils import _pytree

    inputs = [spec.arg for spec in program.graph_signature.input_specs if spec.kind.name == "USER_INPUT"]
    positional, keywords = _pytree.tree_unflatten(inputs, program.call_spec.in_spec)
    placed = {index: getattr(each, "value", None) for index, each in enumerate(positional) if _fixed(each)}
    named = {name: getattr(each, "value", None) for name, each in keywords.items() if _fixed(each)}
    self_ = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    given = [
        inspect.Parameter(str(getattr(each, "name", f"argument_{index}")), _NAMED[0])
        for index, each in enumerate(positional)
        if index not in placed
    ]
    asked = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in keywords if name not in named]
    return inspect.Signature([self_, *given, *asked]), placed, named


def _fixed(argument: Any) -> bool:
    """Tell whether a program was captured with an argument that is no tensor."""
    return argument is None or type(argument).__name__ == "ConstantArgument"


def parameters(network: Any) -> tuple[list[inspect.Parameter], bool, bool]:
    """Return what a module's forward takes by name, and whether it takes any number more: by position, by keyword."""
    if hasattr(network, "schema") or type(network).__name__ == "RecursiveScriptModule":
        arguments = network.forward.schema.arguments[1:]
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        known = [
            inspect.Parameter(each.name, kind, default=each.default_value if each.has_default_value() else _EMPTY)
            for each in arguments
        ]
        return known, False, False
    signature = inspect.signature(type(network).forward)
    known = [each for each in list(signature.parameters.values())[1:] if each.kind in _NAMED]
    kinds = {each.kind for each in signature.parameters.values()}
    return known, inspect.Parameter.VAR_POSITIONAL in kinds, inspect.Parameter.VAR_KEYWORD in kinds


_EMPTY = inspect.Parameter.empty


def takes(network: Any, arrays: Mapping[str, Array], where: str) -> tuple[tuple[str, bool], ...]:
    """Return how the inputs are given: each with whether it is given by keyword.

    Raises `UsageError` for a key that the forward does not take and for an argument that has no array.
    """
    from scenarios.own import examples

    known, more, more_by_name = parameters(network)
    names = [each.name for each in known]
    required = [each.name for each in known if each.default is _EMPTY]
    if more and not known:
        names, required = list(arrays), []
    if more_by_name:
        names = [*names, *(key for key in arrays if key not in names)]
    examples.named(arrays, names, required, where)
    unfit = next((name for name in arrays if not name.isidentifier() or keyword.iskeyword(name)), None)
    if unfit is not None:
        raise UsageError(f"{where}, key '{unfit}': it is no name of an argument", remedy="name it as the forward does")
    given: list[tuple[str, bool]] = []
    positional = True
    for name in names:
        kind = next((each.kind for each in known if each.name == name), None)
        positional = positional and name in arrays and kind is not inspect.Parameter.KEYWORD_ONLY
        positional = positional and (kind is not None or (more and not known))
        if name in arrays:
            given.append((name, not positional))
    return tuple(given)


def outputs(result: Any, where: str) -> list[tuple[str, str, Any]]:
    """Take what a network returned apart: for each tensor its name, its place as Python has it, and itself.

    Names are those of keys and fields, or "output" with a number. What is no tensor is left out.
    Raises `UsageError` for an object that cannot be taken apart.
    """
    found = list(_walk(result, "", "", where))
    names = [name or "output" for name, _, _ in found]
    if len(set(names)) < len(names):
        names = [f"{name}_{index}" for index, name in enumerate(names)]
    return [(name, place, value) for name, (_, place, value) in zip(names, found, strict=True)]


def _walk(value: Any, name: str, place: str, where: str) -> Iterator[tuple[str, str, Any]]:
    import torch

    if isinstance(value, torch.Tensor):
        yield name, place, value
    elif not (value is None or isinstance(value, bool | int | float | str)):
        for part, access, each in _parts(value, where):
            yield from _walk(each, _joined(name or ("output" if part.isdigit() else ""), part), place + access, where)


def _parts(value: Any, where: str) -> Iterator[tuple[str, str, Any]]:
    """Yield the parts of a structure: name, how Python gets at it, and itself."""
    if isinstance(value, Mapping):
        yield from ((str(key), f"[{key!r}]", each) for key, each in value.items())
    elif hasattr(value, "_fields"):
        yield from ((key, f".{key}", getattr(value, key)) for key in value._fields)
    elif isinstance(value, list | tuple):
        yield from ((str(index), f"[{index}]", each) for index, each in enumerate(value))
    elif is_dataclass(value):
        yield from ((field.name, f".{field.name}", getattr(value, field.name)) for field in fields(value))
    else:
        raise UsageError(
            f"{where} gives {type(value).__name__} as an output, which fweval cannot take apart",
            remedy="return tensors, in tuples, dictionaries or dataclasses",
        )


def _joined(name: str, part: str) -> str:
    clean = "".join(sign if sign.isalnum() else "_" for sign in part)
    return f"{name}_{clean}" if name else clean


def wrapped(network: Any, described: Described) -> Any:
    """Return a module that takes the signature's inputs by position and gives its outputs: itself where it does."""
    if _fits(network, described):
        return network
    import torch

    names = [spec.name for spec in described.signature.inputs]
    handed = ", ".join(f"{name}={name}" if by_name else name for name, by_name in described.takes)
    given = [f"given{place}" for place in described.gives]
    returned = given[0] if len(given) == 1 else f"({', '.join(given)})"
    source = f"def forward(self, {', '.join(names)}):\n    given = self.network({handed})\n    return {returned}\n"
    defined: dict[str, Any] = {}
    file = f"<fweval: {', '.join(names)}>"
    linecache.cache[file] = (
        len(source),
        None,
        source.splitlines(keepends=True),
        file,
    )  # torch.jit.script reads it there
    exec(compile(source, file, "exec"), defined)  # noqa: S102  # exporters read plain Python; names are identifiers

    class Network(torch.nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.network = network

    Network.forward = defined["forward"]
    return Network().eval()


def unwrapped(network: Any) -> Any:
    """Return the module that `wrapped` was given."""
    return network.network if type(network).__qualname__ == "wrapped.<locals>.Network" else network


def _fits(network: Any, described: Described) -> bool:
    """Tell whether a module takes and gives just what is said, in that order, by position."""
    import torch

    if isinstance(network, torch.jit.ScriptModule) or type(network).__name__ == "Program":
        return False
    known, more, _ = parameters(network)
    plain = [(each.name, False) for each in known if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    several = tuple(f"[{index}]" for index in range(len(described.gives)))
    return (
        not more
        and len(plain) == len(known)
        and tuple(plain) == described.takes
        and (described.gives == ("",) or (described.gives == several and described.whole))
    )
