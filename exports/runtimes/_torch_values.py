"""Between arrays and what PyTorch takes and gives: tensors, numbers, and structures of them.

One rule names what lies in a structure, going in and coming out: the name of the whole, a dot, and the key, the field
or the position: `boxes.0`, `batch.words`. What comes out is a whole without a name: what a dictionary holds lies under
its keys alone, what a tuple or a list holds under `output_0`, `output_1` and so on, and so does a single value.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from evaluator.core.errors import Unavailable, Unsupported
from evaluator.core.tensors import Array, Arrays, dtype_of
from exports.formats.torchmobile import Argument

Give = Callable[[Mapping[str, Array]], Any]  # from all arrays to one argument

_NUMBERS = (bool, int, float, complex, str)
_SCALARS: dict[str, Callable[[Any], Any]] = {
    "int": int,
    "float": float,
    "bool": bool,
    "complex": complex,
    "number": lambda value: value,
    "str": str,
}
_NAME_SO = "name the arrays so: numpy.savez(FILE, **{NAME: ARRAY, …})"
_WRAP_IT = "save it within a module whose forward takes tensors, numbers, lists, tuples and dictionaries"
_LONGEST_TYPE = 500  # characters of what a file says of a type


def tensor_of(array: Array, device: str) -> Any:
    """Return a tensor of an array's type; on the CPU it shares the array's memory."""
    import torch

    if array.dtype.isbuiltin != 1:  # of ml_dtypes, which has PyTorch's names
        bits = torch.from_numpy(array.view(f"u{array.dtype.itemsize}"))
        return bits.view(getattr(torch, array.dtype.name)).to(device)
    return torch.from_numpy(array).to(device)


def arrays_of(result: Any, names: Sequence[str]) -> Arrays:
    """Return what came out as arrays: under `names`, in order, if there is one for each, else under its places.

    Raises `Unsupported` for values that no array can hold.
    """
    import torch

    if len(names) == 1 and type(result) is torch.Tensor and not result.is_nested:
        return {names[0]: _array(result)}  # at once: of a call of a tenth of a millisecond, looking took a twentieth
    found = list(_named(result))
    if len(found) == len(names):
        return {name: array for name, (_, array) in zip(names, found, strict=True)}
    arrays = dict(found)
    if len(arrays) < len(found):
        raise Unsupported(
            "fweval cannot tell its outputs apart: two of them have one name, such as a key with a dot in it"
        )
    return arrays


def _named(result: Any) -> Iterator[tuple[str, Array]]:
    held = _held(result)
    if held is None:
        yield from _leaves("output_0", result)
        return
    for key, value in held:
        yield from _leaves(
            f"output_{key}" if isinstance(key, int) and not isinstance(result, Mapping) else str(key), value
        )


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Array]]:
    if value is None:
        return
    held = _held(value)
    if held is None:
        yield name, _array(value)
        return
    for key, each in held:
        yield from _leaves(f"{name}.{key}", each)


def _held(value: Any) -> list[tuple[str | int, Any]] | None:
    """Return what a structure holds, by key, field or position; None for what is no structure."""
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, (tuple, list)):
        return list(zip(getattr(value, "_fields", range(len(value))), value, strict=True))
    if is_dataclass(value):
        return [(field.name, getattr(value, field.name)) for field in fields(value)]
    return list(enumerate(value.unbind())) if getattr(value, "is_nested", False) else None


def _array(value: Any) -> Array:
    """Return a tensor or a number as an array of its type: sparse ones filled up, quantized ones as what they mean."""
    import torch

    if isinstance(value, _NUMBERS):
        return np.asarray(value)
    if not isinstance(value, torch.Tensor):
        raise Unsupported(f"fweval does not read outputs of the type {type(value).__name__}")
    try:
        # Waits for the device; on the CPU it hands the memory through.
        array: Array = value.numpy(force=True)
    except TypeError:
        return _foreign(value)
    return array


def _foreign(tensor: Any) -> Array:
    """Return a tensor that NumPy has no counterpart for."""
    import torch

    if tensor.layout != torch.strided:
        return _array(tensor.to_dense())
    if tensor.is_quantized:
        return _array(tensor.dequantize())
    name = str(tensor.dtype).removeprefix("torch.")
    try:
        kind = dtype_of(name)
    except ValueError as error:
        raise Unsupported(f"fweval does not read outputs of the type {name}: {error}") from error
    bits = {1: torch.uint8, 2: torch.int16}[kind.itemsize]
    array: Array = tensor.detach().cpu().view(bits).numpy().view(kind)
    return array


def binding(arguments: Sequence[Argument], names: Sequence[str], device: str) -> list[Give]:
    """Return how to make each argument of a method from arrays of these names.

    The names are those of the arguments, or else the arrays are in their order. An argument that is not given is what
    it is by default. Raises `Unavailable` where arrays are missing or do not fit, `Unsupported` for an argument that
    fweval cannot give.
    """
    owners = {name: _owner(name, arguments) for name in names}
    unknown = [name for name, owner in owners.items() if owner is None]
    if unknown and not _in_order(arguments, names):
        raise Unavailable(
            f"there is no argument {unknown[0][:100]!r}: it takes {_described(arguments)}", remedy=_NAME_SO
        )
    if unknown:
        placed = dict(zip((argument.name for argument in arguments), names, strict=False))
        return [
            # What a structure holds has names of its own: it cannot be meant by one array.
            _give(each.name if _is_structure(each.kind) else placed[each.name], each.kind, names, device)
            for each in arguments[: len(names)]
        ]
    given = {owner for owner in owners.values() if owner is not None}
    last = max((index for index, each in enumerate(arguments) if each.name in given or _required(each)), default=-1)
    return [
        _give(each.name, each.kind, names, device) if each.name in given else _default(each, arguments)
        for each in arguments[: last + 1]
    ]


def _owner(name: str, arguments: Sequence[Argument]) -> str | None:
    fitting = (each.name for each in arguments if name == each.name or name.startswith(f"{each.name}."))
    return max(fitting, key=len, default=None)


def _in_order(arguments: Sequence[Argument], names: Sequence[str]) -> bool:
    """Tell whether arrays can be taken in their order: no name contradicts it, and there is one for each argument."""
    known = [argument.name for argument in arguments]
    fits = all(name not in known or known.index(name) == index for index, name in enumerate(names))
    return fits and len(names) <= len(known) and not any(map(_required, arguments[len(names) :]))


def _required(argument: Argument) -> bool:
    return argument.default is None and not argument.kind.startswith(("Optional[", "NoneType"))


def _default(argument: Argument, arguments: Sequence[Argument]) -> Give:
    if _required(argument):
        if _parts(argument.kind)[0] not in ("Tensor", "List", "Tuple", "Dict", *_SCALARS):
            raise _not_given(argument.name, argument.kind)
        raise Unavailable(
            f"no array was given for '{argument.name}': it takes {_described(arguments)}", remedy=_how(argument)
        )
    return lambda _: argument.default


def _not_given(name: str, kind: str) -> Unsupported:
    return Unsupported(f"fweval cannot give the argument {name}: it is a {kind[:_LONGEST_TYPE]}", remedy=_WRAP_IT)


def _how(argument: Argument) -> str:
    head, _ = _parts(argument.kind)
    examples = {"List": "0, .1, …", "Tuple": "0, .1, …", "Dict": "KEY for each key"}
    return f"name an array {argument.name}" + (f".{examples[head]}" if head in examples else "")


def _described(arguments: Sequence[Argument]) -> str:
    return ", ".join(f"{each.name}: {each.kind[:_LONGEST_TYPE]}" for each in arguments) or "nothing"


def _give(name: str, kind: str, names: Sequence[str], device: str) -> Give:
    """Return how to make a value of a type, in TorchScript's words, from the arrays whose names begin so."""
    head, parts = _parts(kind)
    if head == "Optional":
        return _give(name, parts[0], names, device)
    if head == "Tensor" and name in names:
        return lambda inputs: tensor_of(inputs[name], device)
    if head in _SCALARS and name in names:
        convert = _SCALARS[head]
        return lambda inputs: convert(_single(name, kind, inputs[name]))
    if head == "List" and name in names and parts[0] in _SCALARS:
        return lambda inputs: inputs[name].reshape(-1).tolist()
    below = [each.removeprefix(f"{name}.") for each in names if each.startswith(f"{name}.")]
    if head in ("List", "Tuple"):
        return _give_list(name, (head, parts), names, device)
    if head == "Dict" and below:
        leaf = _parts(parts[1])[0] in ("Tensor", *_SCALARS)
        keys = dict.fromkeys(each if leaf else each.partition(".")[0] for each in below)
        made = {key: _give(f"{name}.{key}", parts[1], names, device) for key in keys}
        key_of = _SCALARS.get(parts[0], str)
        return lambda inputs: {key_of(key): give(inputs) for key, give in made.items()}
    if head in ("Dict", "Tensor", *_SCALARS):
        wanted = f"'{name}.KEY' for each of its keys" if head == "Dict" else f"'{name}'"
        raise Unavailable(
            f"the argument {name} is a {kind[:_LONGEST_TYPE]}: an array is wanted under {wanted}", remedy=_NAME_SO
        )
    raise _not_given(name, kind)


def _give_list(name: str, kind: tuple[str, list[str]], names: Sequence[str], device: str) -> Give:
    """Make a list or a tuple of what lies under its positions."""
    head, parts = kind
    under = {each.removeprefix(f"{name}.").partition(".")[0] for each in names if each.startswith(f"{name}.")}
    count = len(parts) if head == "Tuple" else len(under)
    if not under or under != {str(index) for index in range(count)}:
        raise Unavailable(
            f"the argument {name} is a {head} of {', '.join(parts)[:_LONGEST_TYPE]}: "
            f"an array is wanted for each of its elements, under '{name}.0', '{name}.1', …",
            remedy=_NAME_SO,
        )
    kinds = parts if head == "Tuple" else parts * count
    made = [_give(f"{name}.{index}", each, names, device) for index, each in enumerate(kinds)]
    collect: Callable[[Iterator[Any]], Any] = tuple if head == "Tuple" else list
    return lambda inputs: collect(give(inputs) for give in made)


def _is_structure(kind: str) -> bool:
    head, parts = _parts(kind)
    if head == "Optional":
        return _is_structure(parts[0])
    return head in ("Dict", "Tuple") or (head == "List" and parts[0] not in _SCALARS)


def _single(name: str, kind: str, array: Array) -> Any:
    if array.size != 1:
        raise Unavailable(
            f"the argument {name} is a single {kind}: an array of {array.size} was given", remedy="give one number"
        )
    return array.item()


def _parts(kind: str) -> tuple[str, list[str]]:
    """Take a type apart: "Dict[str, List[Tensor]]" is Dict, of str and List[Tensor]."""
    whole = re.fullmatch(r"(\w+)\[(.*)\]", kind) if len(kind) <= _LONGEST_TYPE else None
    if whole is None:
        return kind, []
    parts, depth = [""], 0
    for letter in whole[2]:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return whole[1], [part.strip() for part in parts]
