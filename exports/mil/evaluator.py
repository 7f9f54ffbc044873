"""An ML program computed operation by operation, in the types that it states; shapes are held against it, too.

16-bit floats are computed as 32-bit ones and rounded after every operation. That is what they cost at least: what
rounds within an operation, as processors may, is not done.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from evaluator.core.errors import Unsupported
from evaluator.core.tensors import Array, Arrays
from exports.formats._naming import short
from exports.mil.call import LIMIT, Call
from exports.mil.operators import TABLE
from exports.mil.package import Weights
from exports.mil.program import CONSTANT, Block, Function, Kind, Operation, Value

Values = dict[str, Any]  # name -> an array or a text
_LISTS = ("values", "ref_tensors", "begins", "ends", "end_masks")  # arguments that are several, also when it is one
_COND, _WHILE = "cond", "while_loop"
_MOST_TURNS = 1_000_000  # of a loop


class Evaluator:
    """A function with its constants in memory, unpacked once."""

    def __init__(self, function: Function, weights: Weights) -> None:
        """Raise `Unsupported` for an operator that there is not, `ValueError` for constants that are damaged."""
        self._function = function
        self._weights = weights
        lacking = sorted({each.kind for each in function.block.all()} - {CONSTANT, _COND, _WHILE} - TABLE.keys())
        if lacking:
            raise Unsupported(f"no operator {', '.join(map(short, lacking))} here: {LIMIT}")
        self._constants: Values = {}
        for operation in (each for each in function.block.operations if each.is_constant):
            self._constants |= self._run(operation, self._constants)
        used = {name for each in function.block.all() if not each.is_constant for name in _names(each)}
        kept = used | set(function.block.outputs)
        self._constants = {name: value for name, value in self._constants.items() if name in kept}

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """Compute; arrays by name in and out."""
        values: Values = {name: _held(inputs[name], kind) for name, kind in self._function.inputs}
        outputs = self._block(self._function.block, {**self._constants, **values})
        kinds = self._function.kinds()
        return {
            name: _plain(value, kinds[name]) for name, value in zip(self._function.block.outputs, outputs, strict=True)
        }

    def _block(self, block: Block, values: Values) -> list[Any]:
        """Compute a block; what no later operation needs is forgotten, for all of it would not fit into memory."""
        left = Counter(name for each in block.operations for name in _names(each))
        left.update(block.outputs)
        for operation in block.operations:
            if operation.kind == CONSTANT and operation.outputs[0][0] in values:
                continue
            if not (operation.is_constant and all(name in values for name, _ in operation.outputs)):
                values |= self._run(operation, values)
            for name in _names(operation):
                left[name] -= 1
                if not left[name]:
                    values.pop(name, None)
        return [_of(values, name) for name in block.outputs]

    def _run(self, operation: Operation, values: Values) -> Values:
        names = [name for name, _ in operation.outputs]
        if operation.kind in (_COND, _WHILE):
            made = self._cond(operation, values) if operation.kind == _COND else self._while(operation, values)
            return dict(zip(names, made, strict=True))
        if operation.kind == CONSTANT:
            (value,) = operation.inputs.get("val", (None,))
            if not isinstance(value, Value) or len(names) != 1:
                raise ValueError("a constant has no value")
            return {names[0]: _working(value.read(self._weights))}
        given = {name: self._argument(name, bound, values) for name, bound in operation.inputs.items() if bound}
        with np.errstate(all="ignore"):  # what is not finite is found by who compares
            result = TABLE[operation.kind](Call(operation.kind, given, len(names)))
        arrays = result if isinstance(result, tuple) else (result,)
        if len(arrays) < len(names):
            raise ValueError(f"the operator {operation.kind} makes {len(arrays)} values, not {len(names)}")
        return {
            name: _as_stated(array, kind, operation.kind)
            for (name, kind), array in zip(operation.outputs, arrays, strict=False)
        }

    def _argument(self, name: str, bound: tuple[str | Value, ...], values: Values) -> Any:
        found = [_of(values, each) if isinstance(each, str) else _working(each.read(self._weights)) for each in bound]
        return found if name in _LISTS or len(found) > 1 else found[0]

    def _cond(self, operation: Operation, values: Values) -> list[Any]:
        chosen = bool(self._argument("pred", operation.inputs.get("pred", ()), values))
        return self._block(operation.blocks[0 if chosen else 1], dict(values))

    def _while(self, operation: Operation, values: Values) -> list[Any]:
        going, body = operation.blocks
        state = [_of(values, str(each)) for each in operation.inputs.get("loop_vars", ())]
        for _ in range(_MOST_TURNS):
            (goes_on,) = self._block(going, {**values, **_entered(going, state)})
            if not bool(goes_on):
                return state
            state = self._block(body, {**values, **_entered(body, state)})
        raise Unsupported(f"a loop goes on after {_MOST_TURNS} turns: {LIMIT}")


def _entered(block: Block, state: list[Any]) -> Values:
    return {name: value for (name, _), value in zip(block.inputs, state, strict=True)}


def _of(values: Values, name: str) -> Any:
    if name not in values:
        raise ValueError(f"an operation takes '{short(name)}', which nothing makes")
    return values[name]


def _names(operation: Operation) -> Iterator[str]:
    """Yield the names of what an operation takes, and of what the blocks inside it take."""
    for bound in operation.inputs.values():
        yield from (each for each in bound if isinstance(each, str))
    for block in operation.blocks:
        yield from block.outputs
        for inner in block.operations:
            yield from _names(inner)


def _working(value: Any) -> Any:
    """Return 16-bit floats as 32-bit ones."""
    if isinstance(value, np.ndarray) and value.dtype == np.float16:
        return value.astype(np.float32)
    return value


def _held(array: Array, kind: Kind) -> Any:
    """Return an input as the program takes it."""
    return _working(array.astype(kind.dtype))


def _as_stated(array: Array, kind: Kind, operator: str) -> Any:
    """Return a value in the type that the program states; raises `ValueError` where the shape is another."""
    fits = len(kind.shape) == array.ndim and all(
        stated in (None, size) for stated, size in zip(kind.shape, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"the operator {operator} gives {list(array.shape)}, and the program states {list(kind.shape)}"
        )
    with np.errstate(all="ignore"):
        return _working(array.astype(kind.dtype, copy=False))


def _plain(value: Any, kind: Kind) -> Array:
    return np.ascontiguousarray(value, dtype=kind.dtype)
