"""Predict requests and answers as JSON: tensors by rows (`instances`) or by columns (`inputs`).

Formats: https://www.tensorflow.org/tfx/serving/api_rest; what they leave open is decided as upstream does it, in
tensorflow_serving/util/json_tensor.cc. NaN and Infinity are numbers. What is wrong is told in words of our own.
"""

import base64
import codecs
import re
from collections.abc import Collection, Mapping
from itertools import chain
from typing import Any

import numpy as np

from evaluator.core.tensors import Array, Arrays
from serving.reference.status import Code, StatusError, invalid
from serving.wires.http import from_json, to_json

_INSTANCES, _INPUTS = "instances", "inputs"
_B64 = "b64"
_BASE64 = re.compile(r"([A-Za-z0-9+/]*)([=.]*)")
_NO_SPACE = dict.fromkeys(map(ord, " \t\n\v\f\r"))
_BYTES_SUFFIX = "_bytes"
_DTYPES: dict[
    int, np.dtype[Any]
] = {  # by the numbers of tensorflow/core/framework/types.proto; JSON has no values for the others
    1: np.dtype(np.float32),
    2: np.dtype(np.float64),
    3: np.dtype(np.int32),
    4: np.dtype(np.uint8),
    5: np.dtype(np.int16),
    6: np.dtype(np.int8),
    7: np.dtype(np.object_),  # bytes
    9: np.dtype(np.int64),
    10: np.dtype(np.bool_),
    22: np.dtype(np.uint32),
    23: np.dtype(np.uint64),
}
_TYPES: dict[str, set[type]] = {
    "f": {int, float},
    "i": {int},
    "u": {int},
    "b": {bool},
}  # by numpy's kinds: what they take from JSON


def parse(body: bytes) -> dict[str, Any]:
    """Read a request's document, which must be an object; raises `StatusError`.

    A byte order mark before it does not count, nor what follows it (kParseStopWhenDoneFlag).
    """
    try:
        document = from_json(body.removeprefix(codecs.BOM_UTF8), whole=False)
    except ValueError as error:
        raise invalid(f"The body is no JSON document: {error}") from error
    if not isinstance(document, dict):
        raise invalid("The body must be a JSON object")
    return document


def signature_name(document: Mapping[str, Any]) -> str:
    """Return the signature that a request names; empty when it names none."""
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid("'signature_name' must be a string")
    return name


def inputs(document: Mapping[str, Any], dtypes: Mapping[str, int]) -> tuple[Arrays, bool]:
    """Read the tensors of a request, and whether it is in the row format.

    `dtypes` are the signature's input aliases with their dtypes, as numbers of types.proto.
    """
    by_rows = _INSTANCES in document
    if by_rows == (_INPUTS in document):
        raise invalid(f"A request has either '{_INSTANCES}' or '{_INPUTS}'")
    columns = _transposed(document[_INSTANCES], dtypes) if by_rows else _columns(document[_INPUTS], dtypes)
    return {name: _array(name, columns[name], number) for name, number in dtypes.items()}, by_rows


def answer(outputs: Arrays, *, by_rows: bool) -> bytes:
    """Write the outputs in the format of the request; a single one is written without its name."""
    written = {name: _writable(name, array) for name, array in outputs.items()}
    if not by_rows:
        return to_json({"outputs": written if len(written) > 1 else next(iter(written.values()))})
    lengths = {array.shape[:1] for array in outputs.values()}
    if len(lengths) > 1 or () in lengths:
        raise invalid(f"Outputs without a common first dimension cannot be told by rows: ask with '{_INPUTS}'")
    if len(written) == 1:
        return to_json({"predictions": next(iter(written.values()))})
    rows = zip(*written.values(), strict=True)
    return to_json({"predictions": [dict(zip(written, row, strict=True)) for row in rows]})


def _columns(given: Any, names: Collection[str]) -> Mapping[str, Any]:
    """Return the value of each input; a single one may come without its name."""
    if not _named(given) and len(names) == 1:
        return dict.fromkeys(names, given)
    if not _named(given) or not given.keys() >= set(names):
        raise invalid(f"'{_INPUTS}' must be an object with {_listed(names)}")
    return given  # type: ignore[no-any-return]  # an object of any values


def _transposed(rows: Any, names: Collection[str]) -> Mapping[str, Any]:
    """Return the values of each input; those of a single one may come without its name."""
    if not isinstance(rows, list) or not rows:
        raise invalid(f"'{_INSTANCES}' must be a list that is not empty")
    if len(names) == 1 and not any(map(_named, rows)):
        return dict.fromkeys(names, rows)
    for index, row in enumerate(rows):
        if not _named(row) or row.keys() != set(names):
            raise invalid(f"Element {index} of '{_INSTANCES}' must be an object with {_listed(names)} and nothing else")
    return {name: [row[name] for row in rows] for name in names}


def _named(value: Any) -> bool:
    """Tell whether a value is an object of named tensors."""
    return isinstance(value, dict) and not _is_base64(value)


def _is_base64(value: Any) -> bool:
    """Tell whether a value stands for bytes: an object with the one key "b64"."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get(_B64), str)


def _listed(names: Collection[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))


def _array(name: str, value: Any, number: int) -> Array:
    """Turn a value or nested lists into a tensor."""
    if number not in _DTYPES:
        raise StatusError(
            Code.UNIMPLEMENTED, f"Input '{name}' has a type that JSON has no values for (DataType {number})"
        )
    dtype = _DTYPES[number]
    text = dtype.kind == "O"
    try:
        values, shape = _flat(value)
        return (_strings(values) if text else _numbers(values, dtype)).reshape(shape)
    except (ValueError, OverflowError) as error:
        kind = "strings" if text else dtype.name
        raise invalid(f"Input '{name}' must be nested lists of {kind}, those of one level equally long") from error


def _flat(value: Any) -> tuple[list[Any], list[int]]:
    """Return the values of nested lists and their shape; raises `ValueError` when those of one level differ."""
    shape: list[int] = []
    level = [value]
    while level and isinstance(level[0], list):
        if set(map(type, level)) != {list} or len(set(map(len, level))) != 1:
            raise ValueError("lists of one level differ")
        shape.append(len(level[0]))
        level = list(chain.from_iterable(level))
    return level, shape


def _numbers(values: list[Any], dtype: np.dtype[Any]) -> Array:
    """Raise `ValueError` or `OverflowError` for what is no such number, or out of range; floats become infinite."""
    if not set(map(type, values)) <= _TYPES[dtype.kind]:
        raise ValueError("values of another type")
    if dtype.kind in "iu" and values:
        limits = np.iinfo(dtype)
        if min(values) < limits.min or max(values) > limits.max:
            raise ValueError("out of range")
    with np.errstate(over="ignore"):
        return np.array(values, dtype)


def _strings(values: list[Any]) -> Array:
    """Raise `ValueError` for what is neither text nor `{"b64": …}`."""
    array = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        array[index] = value.encode() if isinstance(value, str) else _decoded(value)
    return array


def _decoded(value: Any) -> bytes:
    """Decode `{"b64": …}` by the rules of Base64Unescape (absl/strings/escaping.cc).

    White space counts nowhere; padding is of "=" or ".", and right or left out; the letters "-" and "_" are others'.
    """
    if not _is_base64(value):
        raise ValueError("neither text nor bytes")
    found = _BASE64.fullmatch(value[_B64].translate(_NO_SPACE))
    left_out = 0 if found is None else -len(found[1]) % 4
    if found is None or left_out > 2 or len(found[2]) not in {0, left_out}:
        raise invalid("Unable to base64 decode")
    return base64.b64decode(found[1] + "=" * left_out)


def _writable(name: str, array: Array) -> Any:
    """Make an array that the encoder takes; strings become text, or `{"b64": …}` when the alias ends in `_bytes`."""
    if array.dtype not in _DTYPES.values():
        raise invalid(f"Output '{name}' has a type that JSON has no values for: {array.dtype.name}")
    if array.dtype.kind != "O":
        return np.ascontiguousarray(array) if array.ndim else array[()]
    encoded = np.empty(array.size, dtype=object)
    for index, content in enumerate(array.reshape(-1).tolist()):
        if name.endswith(_BYTES_SUFFIX):
            encoded[index] = {_B64: base64.b64encode(content).decode()}
        else:
            encoded[index] = content.decode(errors="replace")  # upstream passes on what no JSON parser takes
    return encoded.reshape(array.shape).tolist()
