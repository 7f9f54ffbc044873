"""The rows that a network is asked about: of a file of arrays, of a function, or made up from a declared signature.

The first dimension of every array is examples. Arrays come out under the network's names for its inputs, in its types.
"""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core.errors import UsageError
from evaluator.core.tensors import Array, Arrays, read_arrays
from scenarios.own import calling, sources
from scenarios.own.form import Drawn

MADE_UP = 256  # rows: the timed calls rotate over them
_HERE = Path("/")  # paths are absolute by now


def read(spec: str, what: str = "inputs") -> Arrays:
    """Return the arrays of an `.npz` file, or those that a function returns; every one has the same number of rows.

    Raises `UsageError` with file and key for what is no such thing.
    """
    arrays = _called(spec) if sources.is_function(spec) else _file(spec)
    where = Path(spec).name
    if not arrays:
        raise UsageError(f"{what} {where}: it holds no arrays")
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf":
            remedy = "save numbers: numpy.savez(FILE, name=array)"
            raise UsageError(
                f"{what} {where}, key '{name}': it holds {array.dtype}, which are no numbers", remedy=remedy
            )
        if array.ndim == 0 or not len(array):
            raise UsageError(f"{what} {where}, key '{name}': it has no rows", remedy="its first axis is examples")
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        said = ", ".join(f"'{name}' has {count}" for name, count in counts.items())
        raise UsageError(f"{what} {where}: the numbers of rows differ: {said}", remedy="the first axis is examples")
    return arrays


def _file(spec: str) -> Arrays:
    path = Path(spec)
    if path.suffix == ".npy":
        remedy = f"numpy.savez('{path.stem}.npz', NAME=numpy.load('{path.name}')), with the input's name"
        raise UsageError(f"{path.name} has one array without a name", remedy=remedy)
    try:
        return read_arrays(path)
    except (ValueError, OSError) as error:
        raise UsageError(f"{path.name}: {error}", remedy="numpy.savez(FILE, name=array) writes such a file") from error


def _called(spec: str) -> Arrays:
    path, name = sources.function_in(spec, _HERE)
    found = calling.without_arguments(path, name)
    if not isinstance(found, Mapping):
        remedy = "return a dictionary: the input's name -> an array whose first axis is examples"
        raise UsageError(f"{path.name}:{name} returns {type(found).__name__}", remedy=remedy)
    return {str(key): as_array(value) for key, value in found.items()}


def as_array(value: Any) -> Array:
    """Return a tensor of either framework, or a list of numbers, as an array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    array: Array = np.asarray(value)
    return array


def made_up(drawn: Mapping[str, Drawn], seed: int, count: int = MADE_UP) -> Arrays:
    """Draw so many rows of every input by the seed, no two alike."""
    generator = np.random.default_rng(seed)
    return {name: _draw(generator, each, count) for name, each in drawn.items()}


def _draw(generator: np.random.Generator, drawn: Drawn, count: int) -> Array:
    kind, shape = np.dtype(drawn.dtype), (count, *drawn.shape)
    if kind.kind in "iu":
        return generator.integers(int(drawn.low), int(drawn.high or drawn.low + 2), shape).astype(kind)
    if kind.kind == "b":
        return generator.integers(0, 2, shape).astype(bool)
    high = drawn.high if drawn.high is not None else max(1.0, drawn.low + 1.0)
    return generator.uniform(drawn.low, high, shape).astype(kind)


def named(arrays: Mapping[str, Array], takes: Sequence[str], required: Sequence[str], where: str) -> dict[str, str]:
    """Return input -> key of the examples; `UsageError` for a key that no input has, and for an input without one."""
    for key in arrays:
        if key not in takes:
            near = difflib.get_close_matches(key, takes, n=1, cutoff=0.5)
            remedy = f"did you mean '{near[0]}'?" if near else f"the network takes: {', '.join(takes) or 'nothing'}"
            raise UsageError(f"{where}, key '{key}': the network has no such input", remedy=remedy)
    missing = [name for name in required if name not in arrays]
    if missing:
        raise UsageError(
            f"{where}: the network's input '{missing[0]}' is missing",
            remedy=f"add it: numpy.savez(FILE, {', '.join(f'{name}=…' for name in required)})",
        )
    return {name: name for name in takes if name in arrays}
