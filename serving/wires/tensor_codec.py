"""Arrays as TensorProto messages, and back.

Message: https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/framework/tensor.proto
"""

import math
from typing import Any

import numpy as np

from evaluator.core.tensors import Array

# numpy's name -> (number in types.proto, the TensorProto field that holds such values when they are not raw bytes)
_DTYPES = {
    "float32": (1, "float_val"),
    "float64": (2, "double_val"),
    "int32": (3, "int_val"),
    "uint8": (4, "int_val"),
    "int16": (5, "int_val"),
    "int8": (6, "int_val"),
    "object": (7, "string_val"),  # bytes
    "complex64": (8, "scomplex_val"),
    "int64": (9, "int64_val"),
    "bool": (10, "bool_val"),
    "bfloat16": (14, "half_val"),
    "uint16": (17, "int_val"),
    "complex128": (18, "dcomplex_val"),
    "float16": (19, "half_val"),
    "uint32": (22, "uint32_val"),
    "uint64": (23, "uint64_val"),
}
_NAMES = {number: name for name, (number, _) in _DTYPES.items()}
_STRING = _DTYPES["object"][0]
_MOST_BYTES = 2**31  # the most that a message can hold; a shape alone must not make us reserve more


def fill(tensor: Any, array: Array) -> None:
    """Write an array into a TensorProto as raw bytes (strings cannot be: they stay single values)."""
    _describe(tensor, array)
    if tensor.dtype == _STRING:
        tensor.string_val.extend(array.ravel().tolist())
    else:
        tensor.tensor_content = array.tobytes()


def fill_values(tensor: Any, array: Array) -> None:
    """Write an array into the TensorProto field of its type, where simple clients look for the values."""
    _describe(tensor, array)
    name = _DTYPES[array.dtype.name][1]
    flat = array.ravel()
    if name == "half_val":  # holds the bits
        flat = flat.view("uint16")
    elif name in {"scomplex_val", "dcomplex_val"}:  # real and imaginary parts by turns
        flat = flat.view("float32" if name == "scomplex_val" else "float64")
    getattr(tensor, name).extend(flat.tolist())


def read(tensor: Any) -> Array:
    """Read a TensorProto: raw bytes or a field of values, the last of which stands for all that are left out.

    `ValueError` when shape and values do not fit each other, or for a dtype that arrays do not have.
    """
    name = _NAMES.get(tensor.dtype)
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if name is None or tensor.tensor_shape.unknown_rank or min(shape, default=0) < 0:
        message = f"no array has the dtype {tensor.dtype} and the shape {shape}"
        raise ValueError(message)
    if tensor.tensor_content and tensor.dtype != _STRING:
        return np.frombuffer(tensor.tensor_content, dtype=name).reshape(shape)
    values = _values(tensor, name)
    left_out = math.prod(shape) - len(values)
    if left_out * values.itemsize > _MOST_BYTES:
        message = f"the shape {shape} is too large for {len(values)} values"
        raise ValueError(message)
    if left_out > 0:
        last = values[-1:] if len(values) else np.array([b""] if name == "object" else [0], values.dtype)
        values = np.concatenate([values, np.repeat(last, left_out)])
    return values[: math.prod(shape)].reshape(shape)


def _describe(tensor: Any, array: Array) -> None:
    if array.dtype.name not in _DTYPES:
        message = f"no tensor has the dtype {array.dtype.name}"
        raise ValueError(message)
    tensor.dtype = _DTYPES[array.dtype.name][0]
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)


def _values(tensor: Any, name: str) -> Array:
    """Read a field of values. Of integers narrower than the field the lowest bits count (framework/tensor.cc)."""
    field = _DTYPES[name][1]
    values = getattr(tensor, field)
    if field == "half_val":
        return np.fromiter(values, "int32", len(values)).astype("uint16").view(name)
    if field == "int_val":
        return np.fromiter(values, "int32", len(values)).astype(name)
    if field in {"scomplex_val", "dcomplex_val"}:
        return np.fromiter(values, "float32" if field == "scomplex_val" else "float64", len(values)).view(name)
    return np.fromiter(values, name, len(values))
