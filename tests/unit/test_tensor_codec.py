"""TensorProto: both of its forms, every dtype, and what a broken one is answered with."""

from typing import Any

import numpy as np
import pytest

from serving.wires import tensor_codec, tensorflow_protos

DTYPES = [
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "complex64",
    "complex128",
]


def _tensor() -> Any:
    return tensorflow_protos.messages().PredictRequest().inputs["x"]


@pytest.mark.parametrize("write", [tensor_codec.fill, tensor_codec.fill_values])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 4)])
def test_arrays_survive(write: Any, dtype: str, shape: tuple[int, ...]) -> None:
    array = (np.arange(np.prod(shape, dtype=int)) % 2 + 1j).reshape(shape)
    array = array.astype(dtype) if dtype.startswith("complex") else array.real.astype(dtype)
    tensor = _tensor()
    write(tensor, array)
    again = tensor_codec.read(type(tensor).FromString(tensor.SerializeToString()))
    assert (again.dtype, again.shape) == (array.dtype, shape)
    assert np.array_equal(again, array)


@pytest.mark.parametrize("write", [tensor_codec.fill, tensor_codec.fill_values])
def test_bytes_survive(write: Any) -> None:
    array = np.array([[b"a", b""], [b"\xff\x00", b"longer"]], dtype=object)
    tensor = _tensor()
    write(tensor, array)
    assert tensor_codec.read(tensor).tolist() == array.tolist()


def test_an_array_that_is_not_in_one_piece_survives() -> None:
    tensor = _tensor()
    tensor_codec.fill(tensor, np.arange(6, dtype=np.float32).reshape(2, 3).T)
    assert tensor_codec.read(tensor).tolist() == [[0, 3], [1, 4], [2, 5]]


@pytest.mark.parametrize(
    ("number", "field", "values", "wanted"),
    [
        (1, "float_val", [1.5], [1.5] * 4),
        (1, "float_val", [1.0, 2.0], [1.0, 2.0, 2.0, 2.0]),
        (3, "int_val", [], [0] * 4),
        (4, "int_val", [-1, 300, 7], [255, 44, 7, 7]),  # bytes of languages in which they have a sign
        (6, "int_val", [255, -128], [-1, -128, -128, -128]),
        (17, "int_val", [-1, 65_536], [65_535, 0, 0, 0]),
        (19, "half_val", [0x3E00, -0x4200], [1.5, -1.5, -1.5, -1.5]),
        (19, "half_val", [0x13E00], [1.5] * 4),
        (7, "string_val", [b"a"], [b"a"] * 4),
        (7, "string_val", [], [b""] * 4),
        (9, "int64_val", [1, 2, 3, 4, 5], [1, 2, 3, 4]),
    ],
)
def test_the_last_value_stands_for_those_left_out(
    number: int, field: str, values: list[Any], wanted: list[Any]
) -> None:
    tensor = _tensor()
    tensor.dtype = number
    tensor.tensor_shape.dim.add(size=4)
    getattr(tensor, field).extend(values)
    assert tensor_codec.read(tensor).tolist() == wanted


@pytest.mark.parametrize(
    ("number", "sizes", "content"),
    [
        (0, [1], b"1234"),  # no dtype
        (20, [1], b"1234"),  # a resource handle
        (1, [2], b"1234"),  # too few bytes
        (1, [-1], b"1234"),  # an unknown size
        (1, [2**40], b""),  # a shape that only wants memory
    ],
)
def test_tensors_that_cannot_be(number: int, sizes: list[int], content: bytes) -> None:
    tensor = _tensor()
    tensor.dtype = number
    tensor.tensor_content = content
    for size in sizes:
        tensor.tensor_shape.dim.add(size=size)
    with pytest.raises(ValueError, match=r"."):
        tensor_codec.read(tensor)


def test_a_dtype_that_tensors_do_not_have() -> None:
    with pytest.raises(ValueError, match="no tensor has the dtype str"):
        tensor_codec.fill(_tensor(), np.array(["text"]))
