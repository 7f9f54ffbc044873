"""Predict requests and answers as JSON: tensors by rows (`instances`) or by columns (`inputs`).

Formats: https://www.tensorflow.org/tfx/serving/api_rest. Rules and texts: tensorflow_serving/util/json_tensor.cc.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from evaluator.core.tensors import Array, Arrays
from serving.reference import json_text
from serving.reference.json_text import is_base64, shown
from serving.reference.json_values import DTYPES, as_array, kind_of, misfits, row_misfits
from serving.reference.status import invalid
from serving.wires.http import to_json

_INSTANCES, _INPUTS = "instances", "inputs"
_BYTES_SUFFIX = "_bytes"


def signature_name(document: Mapping[str, Any]) -> str:
    """Return the signature that a request names; empty when it names none."""
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {shown(document)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return name


def inputs(document: Mapping[str, Any], dtypes: Mapping[str, int]) -> tuple[Arrays, bool]:
    """Read the tensors of a request, and whether it is in the row format.

    `dtypes` are the signature's input aliases with their dtypes, as numbers of types.proto.
    """
    if _INSTANCES not in document:
        if _INPUTS not in document:
            raise invalid("Missing 'inputs' or 'instances' key")
        return _from_columns(document[_INPUTS], dtypes), False
    rows = document[_INSTANCES]
    if _INPUTS in document:
        complaint = f"Not formatted correctly expecting only one of '{_INPUTS}' or '{_INSTANCES}' keys to exist "
    elif not isinstance(rows, list):
        complaint = f"Expecting '{_INSTANCES}' to be an list/array"
    elif not rows:
        complaint = f"No values in '{_INSTANCES}' array"
    else:
        return _from_rows(rows, dtypes), True
    raise invalid(f"JSON Value: {shown(document)} {complaint}")


def answer(outputs: Arrays, *, by_rows: bool) -> bytes:
    """Write the outputs in the format of the request; a single one is written without its name."""
    written = {name: _writable(name, array) for name, array in outputs.items()}
    if not by_rows:
        return to_json({"outputs": written if len(written) > 1 else next(iter(written.values()))})
    _same_batch(outputs)
    if len(written) == 1:
        return to_json({"predictions": next(iter(written.values()))})
    rows = zip(*written.values(), strict=True)
    return to_json({"predictions": [dict(zip(written, row, strict=True)) for row in rows]})


def _from_columns(given: Any, dtypes: Mapping[str, int]) -> Arrays:
    if not _named(given):
        if len(dtypes) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple "
                "input tensors required as per tensorinfo_map"
            )
        given = dict.fromkeys(dtypes, given)
    for name in dtypes:
        if name not in given:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
    arrays = {}
    for name, number in dtypes.items():
        kind = kind_of(number)
        array = as_array(given[name], kind)
        if array is None:
            raise invalid(next(misfits(given[name], kind)))
        arrays[name] = array
    return arrays


def _from_rows(rows: list[Any], dtypes: Mapping[str, int]) -> Arrays:
    if not isinstance(rows[0], dict) and len(dtypes) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    named = _named(rows[0])
    for index, row in enumerate(rows):
        if _named(row) != named:
            wanted, got = ("object", "list") if named else ("value/list", "object")
            raise invalid(f"Expecting {wanted} but got {got} at item {index} of input list")
        if named and row.keys() != dtypes.keys():
            raise invalid(_wrong_keys(index, row, dtypes))
    arrays = {}
    for name, number in dtypes.items():
        kind = kind_of(number)
        column = [row[name] for row in rows] if named else rows
        array = as_array(column, kind)
        if array is None:
            index, said = next(row_misfits(column, kind))
            where = f"{index} key: {name}" if named else f"{index}"
            raise invalid(f"Failed to process element: {where} of 'instances' list. Error: INVALID_ARGUMENT: {said}")
        arrays[name] = array
    return arrays


def _named(value: Any) -> bool:
    """Tell whether a value is an object of named tensors."""
    return isinstance(value, dict) and not is_base64(value)


def _wrong_keys(index: int, row: dict[str, Any], dtypes: Mapping[str, int]) -> str:
    for name in row:
        if name not in dtypes:
            said = f"INVALID_ARGUMENT: JSON object: does not have named input: {name}"
            return f"Failed to process element: {index} key: {name} of 'instances' list. Error: {said}"
    keys = ",".join(sorted(dtypes))
    said = f"Failed to process element: {index} of 'instances' list. JSON object: {shown(row)}"
    return f"{said} keys must be equal to: {keys}"


def _writable(name: str, array: Array) -> Any:
    """Make an array that the encoder takes; strings become text, or `{"b64": …}` when the alias ends in `_bytes`."""
    if array.dtype not in DTYPES:
        raise invalid(f"Failed to write JSON value for tensor type: {array.dtype.name}")
    if array.dtype != object:
        return np.ascontiguousarray(array) if array.ndim else array[()]
    encode = json_text.to_base64 if name.endswith(_BYTES_SUFFIX) else json_text.to_text
    encoded = np.empty(array.size, dtype=object)
    for index, content in enumerate(array.reshape(-1)):
        encoded[index] = encode(content)
    return encoded.reshape(array.shape).tolist()


def _same_batch(outputs: Arrays) -> None:
    batch = None
    for name, array in outputs.items():
        if array.ndim == 0:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if batch not in {None, len(array)}:
            raise invalid(f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {batch}")
        batch = len(array)
