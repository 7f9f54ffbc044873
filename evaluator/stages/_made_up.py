"""Inputs for an artifact that nobody gave any for: of the sizes that its file states, or else of several made up.

Made-up sizes show that it runs. What they cost in time and memory says nothing of the sizes that it is meant for: no
verdict rests on them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from evaluator.core.errors import Unsupported
from evaluator.core.records import Anatomy, TensorSpec
from evaluator.core.tensors import Array, Arrays, dtype_of
from exports.parts import shown

SIZES = (32, 64, 224, 512, 1)  # of a free dimension, tried in this order; the first one is the batch: it stays 1
# Where the sizes of inputs come from.
GIVEN, EXAMPLE, STATED, MADE_UP = "given", "an example beside it", "the file", "made up"
_MOST_NUMBERS = 1 << 28  # of an input
_GIVE = "give them: --inputs FILE.npz"
_NOT_EMPTY = "export it with sizes above 0, or with free ones"
_MOST_LISTED = 160  # characters of shapes
_SEED = 5
_NO_AXIS = -1  # in place of the batch's: the batch, too, is as the file states it

Values = Mapping[str, Any]  # arrays, and what else a runtime may take


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Inputs, and where their sizes come from."""

    values: Values
    sizes: str


def made_up(anatomy: Anatomy) -> list[Asked]:
    """Make inputs of the sizes that the file states; where a size is free and none is stated, of several.

    A free dimension is the batch when it is a tensor's first one. Recurrent state has its batch behind a fixed first
    dimension: every size is tried in that reading, too.
    """
    first = {spec.name: 0 for spec in anatomy.inputs}
    free = [spec for spec in anatomy.inputs if None in spec.shape[1:]]
    stated = [_arrays_of(anatomy, None, first)] if all(spec.name in anatomy.usual for spec in free) else []
    if any(None in spec.shape for spec in anatomy.inputs) and _complete(anatomy):  # some take no batch of one
        stated.append(_arrays_of(anatomy, None, dict.fromkeys(first, _NO_AXIS)))
    if not free:
        return [Asked(values=values, sizes=STATED) for values in stated]
    first_free = {spec.name: spec.shape.index(None) for spec in anatomy.inputs if None in spec.shape}
    readings = [first] if first_free.items() <= first.items() else [first, first_free]
    tried = [_arrays_of(anatomy, size, batches) for size in SIZES for batches in readings]
    return [
        *(Asked(values=values, sizes=STATED) for values in stated),
        *(Asked(values=values, sizes=MADE_UP) for values in tried),
    ]


def _complete(anatomy: Anatomy) -> bool:
    """Tell whether the file states the shapes of all inputs that have free sizes."""
    return all(spec.name in anatomy.usual for spec in anatomy.inputs if None in spec.shape)


def _arrays_of(anatomy: Anatomy, size: int | None, batches: Mapping[str, int]) -> Arrays:
    """Make inputs of that size where a dimension is free and not the batch; None for the sizes that the file states."""
    random = np.random.default_rng(_SEED)
    shapes = {spec.name: _shape(spec, anatomy, size, batches.get(spec.name, 0)) for spec in anatomy.inputs}
    made = {spec.name: _array(spec, shapes[spec.name], random) for spec in anatomy.inputs if not spec.optional}
    if made and not any(array.size for array in made.values()):
        listed = ", ".join(f"{shown(name)} {list(array.shape)}" for name, array in made.items())[:_MOST_LISTED]
        raise Unsupported(f"all that it takes is empty: {listed}; nothing would be computed", remedy=_NOT_EMPTY)
    return made


def _shape(spec: TensorSpec, anatomy: Anatomy, size: int | None, batch: int) -> tuple[int, ...]:
    """Choose the sizes of an input within its bounds: one example, unless fewer than so many are refused."""
    stated = anatomy.usual.get(spec.name, ()) if size is None else ()
    bounds = anatomy.bounds.get(spec.name, ())
    sizes = []
    for axis, fixed in enumerate(spec.shape):
        wanted = 1 if axis == batch else stated[axis] if axis < len(stated) else size or 1
        least, most = bounds[axis] if axis < len(bounds) else (0, None)
        sizes.append(fixed if fixed is not None else max(least, wanted if most is None else min(most, wanted)))
    return tuple(sizes)


def _array(spec: TensorSpec, shape: tuple[int, ...], random: np.random.Generator) -> Array:
    """Make floats between 0 and 1, or integers that any table has."""
    if spec.unknown:
        said = f"no values can be made up for the input '{shown(spec.name)}': {spec.unknown}"
        raise Unsupported(said, remedy=_GIVE)
    if prod(shape) > _MOST_NUMBERS:
        sizes = ", ".join(map(str, shape))
        raise Unsupported(f"the input '{shown(spec.name)}' is too large to be made up: [{sizes}]", remedy=_GIVE)
    try:
        dtype = dtype_of(spec.dtype)
    except ValueError as error:
        raise _cannot_make(spec) from error
    if dtype.kind in "iub" or "int" in dtype.name:  # 0 and 1 are words, marks and pixels
        return random.integers(0, 2, shape).astype(dtype)
    if dtype.kind == "f" or "float" in dtype.name:
        return random.random(shape).astype(dtype)
    raise _cannot_make(spec)


def _cannot_make(spec: TensorSpec) -> Unsupported:
    name = shown(spec.name)
    return Unsupported(f"no values can be made up for the input '{name}' of type {spec.dtype}", remedy=_GIVE)
