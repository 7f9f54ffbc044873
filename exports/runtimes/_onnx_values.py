"""Values of types that NumPy does not have (bfloat16, float8, int4), to and from ONNX Runtime.

Its Python interface gives no arrays of them, or arrays of another type: they are written and read where they lie. Their
types in NumPy are those of the package ml_dtypes.
Numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto (TensorProto.DataType)
"""

import ctypes
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluator.core.tensors import Array, dtype_of

FOREIGN = {  # as ONNX Runtime calls them -> ml_dtypes' name, ONNX's number, bits
    "tensor(bfloat16)": ("bfloat16", 16, 16),
    "tensor(float8e4m3fn)": ("float8_e4m3fn", 17, 8),
    "tensor(float8e4m3fnuz)": ("float8_e4m3fnuz", 18, 8),
    "tensor(float8e5m2)": ("float8_e5m2", 19, 8),
    "tensor(float8e5m2fnuz)": ("float8_e5m2fnuz", 20, 8),
    "tensor(uint4)": ("uint4", 21, 4),
    "tensor(int4)": ("int4", 22, 4),
    "tensor(float4e2m1)": ("float4_e2m1fn", 23, 4),
    "tensor(uint2)": ("uint2", 25, 2),
    "tensor(int2)": ("int2", 26, 2),
}
Bytes = NDArray[np.uint8]


def of_array(array: Array, kind: str) -> Any:
    """Return an array as a value of the engine, of a type as it calls it."""
    from onnxruntime import OrtValue

    array = np.ascontiguousarray(array).reshape(array.shape)  # the first call gives a number a dimension
    if kind not in FOREIGN:
        return OrtValue.ortvalue_from_numpy(array)
    _, number, bits = FOREIGN[kind]
    packed = _packed(array.reshape(-1).view(np.uint8), bits)
    held = np.zeros(array.shape, f"u{array.dtype.itemsize}")  # it has the shape, and room for more than what is packed
    held.reshape(-1).view(np.uint8)[: packed.size] = packed
    return OrtValue.ortvalue_from_numpy_with_onnx_type(held, number)


def array_of(value: Any) -> Array:
    """Return a value of the engine as an array."""
    if value.data_type() not in FOREIGN:
        array: Array = value.numpy()
        return array
    name, _, bits = FOREIGN[value.data_type()]
    shape = tuple(value.shape())
    held = np.frombuffer(ctypes.string_at(value.data_ptr(), (prod(shape) * bits + 7) // 8), np.uint8)
    dtype = dtype_of(name)
    if bits >= 8:
        return held.view(dtype).reshape(shape)
    return _typed(_unpacked(held, bits)[: prod(shape)], dtype, bits).reshape(shape)


def _packed(numbers: Bytes, bits: int) -> Bytes:
    """Return the bytes of numbers that take so many bits each: the first one of a byte is in its lowest bits."""
    if bits >= 8:  # whole bytes, as they are
        return numbers
    each = 8 // bits
    parts = np.zeros(-(-numbers.size // each) * each, np.uint8)
    parts[: numbers.size] = numbers & ((1 << bits) - 1)
    packed: Bytes = np.bitwise_or.reduce(parts.reshape(-1, each) << _places(bits), axis=1)
    return packed


def _unpacked(held: Bytes, bits: int) -> Bytes:
    return ((held[:, None] >> _places(bits)) & ((1 << bits) - 1)).reshape(-1).astype(np.uint8)


def _places(bits: int) -> Bytes:
    return np.arange(0, 8, bits, dtype=np.uint8)


def _typed(numbers: Bytes, dtype: np.dtype[Any], bits: int) -> Array:
    """Return small numbers as values of their type, each of which takes a byte."""
    if dtype.name.startswith("float"):
        return numbers.view(dtype)
    if dtype.name.startswith("uint"):
        return numbers.astype(dtype)
    sign = 1 << (bits - 1)
    signed: Array = ((numbers ^ sign).astype(np.int8) - sign).astype(dtype)
    return signed
