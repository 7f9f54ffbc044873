"""The evaluator of Core ML's programs: each operator against its definition, written out plainly."""

import math
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluator.core import registry
from evaluator.core.errors import Unsupported
from evaluator.core.records import Signature, TensorSpec
from exports.mil.call import Call
from exports.mil.operators import TABLE
from tests.mil_packages import Package, block, operation

Array = NDArray[Any]
RUNTIME = registry.load("runtime", "coreml_reference")
RANDOM = np.random.default_rng(3)
X = RANDOM.standard_normal((2, 3, 4)).astype(np.float32)
IMAGE = RANDOM.standard_normal((2, 4, 6, 5)).astype(np.float32)


def apply(kind: str, outputs: int = 1, **given: Any) -> Any:
    result = TABLE[kind](Call(kind, given, outputs))
    return result if isinstance(result, tuple) else np.asarray(result)


def compute(path: Path, inputs: Mapping[str, Array], outputs: dict[str, str]) -> dict[str, Array]:
    signature = Signature(
        inputs=tuple(TensorSpec(name=name, dtype=each.dtype.name, shape=each.shape) for name, each in inputs.items()),
        outputs=tuple(TensorSpec(name=name, dtype=dtype, shape=()) for name, dtype in outputs.items()),
    )
    with RUNTIME.load(path, signature, device="cpu", threads=1) as session:
        found: dict[str, Array] = session(dict(inputs))
        return found


def gelu(x: float) -> float:
    return x * 0.5 * (1 + math.erf(x / math.sqrt(2)))


@pytest.mark.parametrize(
    ("kind", "given", "plain"),
    [
        ("relu6", {}, lambda x: min(max(x, 0), 6)),
        ("sigmoid", {}, lambda x: 1 / (1 + math.exp(-x))),
        ("silu", {}, lambda x: x / (1 + math.exp(-x))),
        ("softplus", {}, lambda x: math.log(1 + math.exp(x))),
        ("gelu", {}, gelu),
        ("gelu", {"mode": "EXACT"}, gelu),
        ("elu", {"alpha": 0.5}, lambda x: x if x > 0 else 0.5 * (math.exp(x) - 1)),
        ("leaky_relu", {"alpha": 0.1}, lambda x: x if x > 0 else 0.1 * x),
        ("sigmoid_hard", {"alpha": 0.2, "beta": 0.5}, lambda x: min(max(0.2 * x + 0.5, 0), 1)),
        ("clip", {"alpha": -0.5, "beta": 0.25}, lambda x: min(max(x, -0.5), 0.25)),
        ("threshold", {"alpha": 0.1}, lambda x: max(x, 0.1)),
        ("erf", {}, math.erf),
        ("inverse", {"epsilon": 0.0}, lambda x: 1 / x),
        ("square", {}, lambda x: x * x),
        ("clamped_relu", {"alpha": 0.1, "beta": 0.7}, lambda x: min(x if x >= 0 else 0.1 * x, 0.7)),
        ("thresholded_relu", {"alpha": 0.4}, lambda x: x if x >= 0.4 else 0.0),
        ("scaled_tanh", {"alpha": 2.0, "beta": 0.5}, lambda x: 2 * math.tanh(0.5 * x)),
        ("softsign", {}, lambda x: x / (1 + abs(x))),
    ],
)
def test_operators_of_one_number(kind: str, given: dict[str, Any], plain: Any) -> None:
    expected = np.vectorize(plain)(X.astype(np.float64))
    np.testing.assert_allclose(apply(kind, x=X, **given), expected, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("mode", ["TANH_APPROXIMATION", "SIGMOID_APPROXIMATION"])
def test_approximations_are_near_what_they_approximate(mode: str) -> None:
    exact, found = apply("gelu", x=X), apply("gelu", x=X, mode=mode)
    assert 0 < np.abs(exact - found).max() < 0.03


def test_whole_numbers_are_divided_as_whole_numbers() -> None:
    x, y = np.array([7, -7], np.int32), np.array([2, 2], np.int32)
    assert apply("floor_div", x=x, y=y).tolist() == [3, -4]
    assert apply("real_div", x=x, y=y).tolist() == [3, -3]
    assert apply("mod", x=x, y=y).tolist() == [1, 1]


def test_softmax_and_norms() -> None:
    shares = apply("softmax", x=X, axis=1)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(shares[:, 0] / shares[:, 1], np.exp(X[:, 0] - X[:, 1]), rtol=1e-5)
    gamma, beta = np.arange(4, dtype=np.float32), np.ones(4, np.float32)
    found = apply("layer_norm", x=X, axes=[-1], gamma=gamma, beta=beta, epsilon=1e-6)
    row = X[1, 2].astype(np.float64)
    np.testing.assert_allclose(found[1, 2], (row - row.mean()) / np.sqrt(row.var() + 1e-6) * gamma + 1, rtol=1e-5)
    mean, variance = IMAGE.mean((0, 2, 3)), IMAGE.var((0, 2, 3))
    normal = apply("batch_norm", x=IMAGE, mean=mean, variance=variance, gamma=gamma, beta=beta, epsilon=0.0)
    np.testing.assert_allclose(normal.std((0, 2, 3)), gamma, rtol=1e-5)
    np.testing.assert_allclose(normal.mean((0, 2, 3)), beta, rtol=1e-5, atol=1e-6)
    each = apply("instance_norm", x=IMAGE, epsilon=0.0)
    np.testing.assert_allclose(each.std((2, 3)), 1, rtol=1e-5)


def test_products() -> None:
    y = RANDOM.standard_normal((2, 5, 4)).astype(np.float32)
    np.testing.assert_allclose(
        apply("matmul", x=X, y=y, transpose_y=True), np.einsum("bij,bkj->bik", X, y), rtol=1e-5, atol=1e-6
    )
    weight, bias = y[0], np.arange(5, dtype=np.float32)
    np.testing.assert_allclose(
        apply("linear", x=X, weight=weight, bias=bias), np.einsum("bij,kj->bik", X, weight) + bias, rtol=1e-5
    )
    scores = np.einsum("bij,bkj->bik", X, y) / 2
    shares = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    np.testing.assert_allclose(
        apply("scaled_dot_product_attention", query=X, key=y, value=y), shares @ y, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    ("kind", "given", "expected"),
    [
        ("reduce_mean", {"axes": [1, 2], "keep_dims": True}, X.mean((1, 2), keepdims=True)),
        ("reduce_sum", {"axes": [-1]}, X.sum(-1)),
        ("reduce_max", {"axes": [0]}, X.max(0)),
        ("reduce_argmax", {"axis": 2}, X.argmax(2)),
        ("reduce_l2_norm", {"axes": [2]}, np.sqrt((X**2).sum(2))),
        ("reduce_log_sum_exp", {"axes": [2]}, np.log(np.exp(X).sum(2))),
        ("cumsum", {"axis": 1}, X.cumsum(1)),
        ("cumsum", {"axis": 1, "exclusive": True}, X.cumsum(1) - X),
        ("cumsum", {"axis": 1, "reverse": True}, X[:, ::-1].cumsum(1)[:, ::-1]),
        ("reshape", {"shape": [0, -1]}, X.reshape(3, 8)),  # 0 is the size that is as far from the right
        ("reshape", {"shape": [-1, 0]}, X.reshape(6, 4)),
        ("transpose", {"perm": [2, 0, 1]}, X.transpose(2, 0, 1)),
        ("expand_dims", {"axes": [0, -1]}, X[None, ..., None]),
        ("squeeze", {}, X),
        ("tile", {"reps": [1, 2, 1]}, np.concatenate([X, X], 1)),
        ("reverse", {"axes": [1]}, X[:, ::-1]),
        ("pad", {"pad": [1, 0, 0, 2], "constant_val": 7.0}, np.pad(X, [(0, 0), (1, 0), (0, 2)], constant_values=7)),
        ("pad", {"pad": [1, 1], "mode": "reflect"}, np.pad(X, [(0, 0), (0, 0), (1, 1)], mode="reflect")),
        ("shape", {}, np.array(X.shape)),
        ("band_part", {"lower": 0, "upper": -1}, np.triu(X)),
        (
            "slice_by_index",
            {"begin": [0, -2, 1], "end": [0, 0, -1], "end_mask": [True, True, False], "stride": [1, 1, 2]},
            X[:, -2:, 1:-1:2],
        ),
        (
            "slice_by_index",
            {"begin": [1, 0, 0], "end": [0, 2, 4], "squeeze_mask": [True, False, False]},
            X[1, :2],
        ),
        ("slice_by_size", {"begin": [0, 1, 0], "size": [-1, 2, 3]}, X[:, 1:3, :3]),
        ("gather", {"indices": np.array([[2, 0], [1, -1]]), "axis": 1}, X[:, [[2, 0], [1, 2]]]),
        ("gather", {"indices": np.array([2, 0]), "axis": 1, "batch_dims": 1}, X[[0, 1], [2, 0]]),
        ("gather_nd", {"indices": np.array([[1, 2], [0, 0]])}, X[[1, 0], [2, 0]]),
        ("gather_along_axis", {"indices": X.argsort(2), "axis": 2}, np.sort(X, 2)),
        ("argsort", {"axis": 2, "ascending": True}, X.argsort(2)),
    ],
)
def test_operators_that_reduce_arrange_or_pick(kind: str, given: dict[str, Any], expected: Array) -> None:
    np.testing.assert_allclose(apply(kind, x=X, **given), expected, rtol=1e-6, atol=1e-6)


def test_operators_of_several_arrays() -> None:
    y = X + 1
    np.testing.assert_array_equal(apply("concat", values=[X, y], axis=1), np.concatenate([X, y], 1))
    np.testing.assert_array_equal(apply("concat", values=[X, y], axis=1, interleave=True)[:, 1], y[:, 0])
    np.testing.assert_array_equal(apply("stack", values=[X, y], axis=0), np.stack([X, y]))
    np.testing.assert_array_equal(apply("select", cond=X > 0, a=X, b=y), np.where(X > 0, X, y))
    first, second = apply("split", 2, x=X, split_sizes=[1, 3], axis=2)
    assert (first.shape, second.shape) == ((2, 3, 1), (2, 3, 3))
    assert len(apply("split", 3, x=X, num_splits=3, axis=1)) == 3
    values, places = apply("topk", 2, x=X, k=2, axis=2)
    np.testing.assert_array_equal(values, -np.sort(-X, 2)[..., :2])
    np.testing.assert_array_equal(np.take_along_axis(X, places, 2), values)
    assert apply("range_1d", start=np.int32(2), end=np.int32(9), step=np.int32(3)).tolist() == [2, 5, 8]
    assert apply("fill", shape=[2, 2], value=np.float32(3)).tolist() == [[3, 3], [3, 3]]
    assert apply("one_hot", indices=np.array([2, 0]), one_hot_vector_size=3).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert apply("non_zero", x=np.array([[0, 1], [2, 0]])).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("mode", "expected"), [("update", [9, 8, 2]), ("add", [9, 9, 2]), ("max", [9, 8, 2]), ("mul", [0, 8, 2])]
)
def test_numbers_are_put_at_places(mode: str, expected: list[int]) -> None:
    data, places, updates = np.arange(3), np.array([0, 1]), np.array([9, 8])
    assert apply("scatter", data=data, indices=places, updates=updates, mode=mode).tolist() == expected
    assert apply("scatter_nd", data=data, indices=places[:, None], updates=updates, mode=mode).tolist() == expected
    along = apply("scatter_along_axis", data=data, indices=places, updates=updates, mode=mode)
    assert along.tolist() == expected


def test_a_place_that_is_not_there_is_no_number() -> None:
    with pytest.raises(ValueError, match="a place that is not among 4"):
        apply("gather", x=X, indices=np.array([4]), axis=2)


def padded(x: Array, pad: list[int], fill: float = 0.0) -> Array:
    return np.pad(x, [(0, 0), (0, 0), (pad[0], pad[1]), (pad[2], pad[3])], constant_values=fill)


def convolved(x: Array, weight: Array, groups: int, strides: list[int], dilations: list[int]) -> Array:
    """Return a convolution over what is padded already, number by number."""
    (n, _, h, w), (made, taken, kh, kw) = x.shape, weight.shape
    rows = (h - (kh - 1) * dilations[0] - 1) // strides[0] + 1
    columns = (w - (kw - 1) * dilations[1] - 1) // strides[1] + 1
    found = np.zeros((n, made, rows, columns))
    for o, i, r, c in product(range(made), range(taken), range(kh), range(kw)):
        channel = o // (made // groups) * taken + i
        top, left = r * dilations[0], c * dilations[1]
        part = x[:, channel, top : top + (rows - 1) * strides[0] + 1 : strides[0]]
        found[:, o] += weight[o, i, r, c] * part[:, :, left : left + (columns - 1) * strides[1] + 1 : strides[1]]
    return found


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize(("strides", "dilations"), [([1, 1], [1, 1]), ([2, 1], [1, 1]), ([1, 2], [2, 1])])
@pytest.mark.parametrize("pad", [[0, 0, 0, 0], [1, 2, 0, 1]])
def test_convolutions(groups: int, strides: list[int], dilations: list[int], pad: list[int]) -> None:
    weight = RANDOM.standard_normal((8, 4 // groups, 3, 2)).astype(np.float32)
    bias = np.arange(8, dtype=np.float32)
    found = apply(
        "conv",
        x=IMAGE,
        weight=weight,
        bias=bias,
        groups=groups,
        strides=strides,
        dilations=dilations,
        pad_type="custom",
        pad=pad,
    )
    expected = convolved(padded(IMAGE, pad), weight, groups, strides, dilations) + bias[:, None, None]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("how", ["same", "same_lower"])
def test_a_convolution_that_keeps_the_size_puts_the_odd_one_where_it_is_told(how: str) -> None:
    weight = RANDOM.standard_normal((1, 4, 3, 2)).astype(np.float32)
    found = apply("conv", x=IMAGE, weight=weight, pad_type=how)
    sides = [1, 1, 0, 1] if how == "same" else [1, 1, 1, 0]
    expected = convolved(padded(IMAGE, sides), weight, 1, [1, 1], [1, 1])
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_transposed_convolution_is_the_other_way_round(groups: int) -> None:
    """The product of what a convolution makes with y is that of x with what the transposed one makes of y."""
    weight = RANDOM.standard_normal((4, 2, 3, 3)).astype(np.float32)
    how: dict[str, Any] = {"strides": [2, 2], "pad_type": "custom", "pad": [1, 1, 1, 1], "groups": groups}
    x = RANDOM.standard_normal((1, 2 * groups, 7, 5)).astype(np.float32)
    made = apply("conv", x=x, weight=weight, **how)
    y = RANDOM.standard_normal(made.shape).astype(np.float32)
    back = apply("conv_transpose", x=y, weight=weight, **how)
    assert back.shape == x.shape
    np.testing.assert_allclose((made * y).sum(), (x * back).sum(), rtol=1e-4)
    larger = apply("conv_transpose", x=y, weight=weight, output_shape=[1, 2 * groups, 8, 6], **how)
    np.testing.assert_allclose(larger[:, :, :7, :5], back, rtol=1e-5, atol=1e-6)


def test_pooling() -> None:
    how: dict[str, Any] = {"x": IMAGE, "kernel_sizes": [2, 2], "strides": [2, 2], "pad_type": "valid"}
    blocks = IMAGE[:, :, :, :4].reshape(2, 4, 3, 2, 2, 2)
    np.testing.assert_array_equal(apply("max_pool", **how), blocks.max((3, 5)))
    np.testing.assert_allclose(apply("avg_pool", **how), blocks.mean((3, 5)), rtol=1e-5, atol=1e-6)
    up = apply("avg_pool", **how, ceil_mode=True)  # the last column has half a window
    np.testing.assert_allclose(up[..., 2], IMAGE[..., 4].reshape(2, 4, 3, 2).mean(-1), rtol=1e-5, atol=1e-6)
    around: dict[str, Any] = {**how, "pad_type": "custom", "pad": [1, 1, 1, 1]}
    assert apply("avg_pool", **around)[0, 0, 0, 0] == pytest.approx(IMAGE[0, 0, 0, 0] / 4)
    alone = apply("avg_pool", **around, exclude_padding_from_average=True)
    assert alone[0, 0, 0, 0] == pytest.approx(IMAGE[0, 0, 0, 0])
    assert apply("max_pool", **{**around, "x": -np.abs(IMAGE)})[0, 0, 0, 0] == -abs(IMAGE[0, 0, 0, 0])


def test_images_are_resized() -> None:
    x = np.arange(4, dtype=np.float32).reshape(1, 1, 1, 4)

    def line(mode: str, wanted: int) -> list[float]:
        found = apply("resize_bilinear", x=x, target_size_height=1, target_size_width=wanted, sampling_mode=mode)
        return [float(each) for each in found.reshape(-1)]

    assert line("STRICT_ALIGN_CORNERS", 7) == [0, 0.5, 1, 1.5, 2, 2.5, 3]
    assert line("DEFAULT", 8) == [0, 0.5, 1, 1.5, 2, 2.5, 3, 3]
    assert line("UNALIGN_CORNERS", 8) == [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]
    nearest = apply("upsample_nearest_neighbor", x=x, scale_factor_height=2, scale_factor_width=2)
    assert nearest[0, 0].tolist() == [[0, 0, 1, 1, 2, 2, 3, 3]] * 2
    with pytest.raises(Unsupported, match="a limit of fweval's reference"):
        line("CUBIC", 3)


def test_blocks_of_space_and_channels_are_exchanged() -> None:
    x = np.arange(16, dtype=np.float32).reshape(1, 4, 2, 2)
    assert apply("pixel_shuffle", x=x, upscale_factor=2)[0, 0, 0].tolist() == [0, 4, 1, 5]
    np.testing.assert_array_equal(
        apply("pixel_unshuffle", x=apply("pixel_shuffle", x=x, upscale_factor=2), downscale_factor=2), x
    )
    np.testing.assert_array_equal(
        apply("space_to_depth", x=apply("depth_to_space", x=x, block_size=2), block_size=2), x
    )


def test_a_lstm_step_by_step() -> None:
    x, h, c = X.transpose(1, 0, 2), np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)
    ih, hh = (RANDOM.standard_normal((12, size)).astype(np.float32) for size in (4, 3))
    bias = RANDOM.standard_normal(12).astype(np.float32)
    given = {"x": x, "initial_h": h, "initial_c": c, "weight_ih": ih, "weight_hh": hh, "bias": bias}
    whole, last, cell = apply("lstm", 3, **given, output_sequence=True)
    for step in x:
        i, f, o, z = np.split(step @ ih.T + h @ hh.T + bias, 4, -1)
        c = c / (1 + np.exp(-f)) + np.tanh(z) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
    np.testing.assert_allclose(whole[-1], h, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(last, h, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(cell, c, rtol=1e-4, atol=1e-6)
    backwards, *_ = apply("lstm", 3, **{**given, "x": x[::-1]}, direction="reverse", output_sequence=True)
    np.testing.assert_allclose(backwards[0], h, rtol=1e-4, atol=1e-6)


def test_weights_are_unpacked() -> None:
    data, scale = np.array([[1, -2], [3, 4]], np.int8), np.array([0.5, 2], np.float32)
    zero = np.array([1, 0], np.int8)
    found = apply("constexpr_affine_dequantize", quantized_data=data, scale=scale, zero_point=zero, axis=0)
    assert found.tolist() == [[0, -1.5], [6, 8]]
    blocks = apply("constexpr_blockwise_shift_scale", data=data, scale=scale.reshape(1, 2))
    assert blocks.tolist() == [[0.5, -4], [1.5, 8]]
    table = np.array([10, 20, 30, 40], np.float32)
    packed = np.array([0b11_10_01_00, 0b11], np.uint8)
    dense = apply("constexpr_lut_to_dense", lut=table, indices=packed, shape=[5])
    assert dense.tolist() == [10, 20, 30, 40, 40]
    sparse = apply("constexpr_sparse_to_dense", nonzero_data=table[:2], mask=np.array([0b1010], np.uint8), shape=[5])
    assert sparse.tolist() == [0, 10, 0, 20, 0]
    x = np.array([-3.0, 0.26, 100], np.float32)
    packed_again = apply("quantize", input=x, scale=np.float32(0.5), output_dtype="int8")
    assert packed_again.tolist() == [-6, 1, 127]


def test_numbers_of_four_bits_lie_two_in_a_byte(tmp_path: Path) -> None:
    made = Package(inputs={"x": ("float32", (3,))}, outputs={"y": "float32"})
    weights = made.stored(("int4", (3,)), bytes([0xF1, 0x08]))  # 1, -1, -8
    made.add("constexpr_blockwise_shift_scale", {"data": weights, "scale": [1.0]}, {"w": ("float32", (3,))})
    made.add("mul", {"x": "%x", "y": "%w"}, {"y": ("float32", (3,))})
    found = compute(made.write(tmp_path), {"x": np.array([1, 2, 3], np.float32)}, {"y": "float32"})
    assert found["y"].tolist() == [1, -2, -24]


def test_half_precision_is_rounded_after_every_operation(tmp_path: Path) -> None:
    made = Package(inputs={"x": ("float32", (1,))}, outputs={"y": "float32"})
    half = ("float16", (1,))
    made.add("cast", {"x": "%x", "dtype": "fp16"}, {"h": half})
    made.add("add", {"x": "%h", "y": np.float16(2048)}, {"sum": half})
    made.add("sub", {"x": "%sum", "y": np.float16(2048)}, {"back": half})
    made.add("cast", {"x": "%back", "dtype": "fp32"}, {"y": ("float32", (1,))})
    found = compute(made.write(tmp_path), {"x": np.array([1.0], np.float32)}, {"y": "float32"})
    assert found["y"].tolist() == [0]  # 2049 has no 16-bit float


def test_several_outputs_come_in_the_types_of_the_signature(tmp_path: Path) -> None:
    made = Package(
        inputs={"x": ("int32", (None, 2))},
        outputs={"best": "int32", "large": "int32"},
        bounds={"x": ((1, 4), (2, 2))},
    )
    made.add("reduce_argmax", {"x": "%x", "axis": 1}, {"best": ("int32", (None,))})
    made.add("greater", {"x": "%x", "y": np.int32(3)}, {"bools": ("bool", (None, 2))})
    made.add("cast", {"x": "%bools", "dtype": "int32"}, {"large": ("int32", (None, 2))})
    inputs = {"x": np.array([[1, 5], [9, 2], [0, 0]], np.int64)}
    found = compute(made.write(tmp_path), inputs, {"best": "int64", "large": "bool"})
    assert (found["best"].dtype.name, found["best"].tolist()) == ("int64", [1, 0, 0])
    assert (found["large"].dtype.name, found["large"].tolist()) == ("bool", [[False, True], [True, False], [False] * 2])


def test_sizes_beyond_the_bounds_are_refused_as_core_ml_does(tmp_path: Path) -> None:
    made = Package(inputs={"x": ("float32", (None, 2))}, outputs={"y": "float32"}, bounds={"x": ((1, 4), (2, 2))})
    made.add("relu", {"x": "%x"}, {"y": ("float32", (None, 2))})
    path = made.write(tmp_path)
    assert compute(path, {"x": np.ones((4, 2), np.float32)}, {"y": "float32"})["y"].shape == (4, 2)
    with pytest.raises(ValueError, match="takes 'x' of 1 to 4 by 2, not 5 by 2"):
        compute(path, {"x": np.ones((5, 2), np.float32)}, {"y": "float32"})


def test_a_shape_that_the_program_does_not_state_is_an_error(tmp_path: Path) -> None:
    made = Package(inputs={"x": ("float32", (2,))}, outputs={"y": "float32"})
    made.add("expand_dims", {"x": "%x", "axes": [0]}, {"y": ("float32", (2, 1))})
    with pytest.raises(ValueError, match=r"expand_dims gives \[1, 2\], and the program states \[2, 1\]"):
        compute(made.write(tmp_path), {"x": np.ones(2, np.float32)}, {"y": "float32"})


def test_an_unknown_operator_is_a_limit_of_ours_and_named(tmp_path: Path) -> None:
    made = Package(inputs={"x": ("float32", (2,))}, outputs={"y": "float32"})
    made.add("crop_resize", {"x": "%x"}, {"y": ("float32", (2,))})
    with pytest.raises(Unsupported, match="no operator crop_resize here: a limit of fweval's reference, not of Core"):
        compute(made.write(tmp_path), {"x": np.ones(2, np.float32)}, {"y": "float32"})


def test_a_state_is_a_limit_of_ours(tmp_path: Path) -> None:
    made = Package(inputs={"x": ("float32", (2,))}, outputs={"y": "float32"}, states=("cache",))
    made.add("relu", {"x": "%x"}, {"y": ("float32", (2,))})
    with pytest.raises(Unsupported, match="keeps a state between calls"):
        compute(made.write(tmp_path), {"x": np.ones(2, np.float32)}, {"y": "float32"})


@pytest.mark.parametrize(("pred", "expected"), [(1.0, 11.0), (-1.0, -10.0)])
def test_a_branch_is_taken(tmp_path: Path, pred: float, expected: float) -> None:
    one = ("float32", ())
    made = Package(inputs={"x": one}, outputs={"y": "float32"})
    made.add("greater", {"x": "%x", "y": 0.0}, {"p": ("bool", ())})
    made.add(
        "cond",
        {"pred": "%p"},
        {"y": one},
        block({}, ("a",), operation("add", {"x": "%x", "y": 10.0}, {"a": one})),
        block({}, ("b",), operation("mul", {"x": "%x", "y": 10.0}, {"b": one})),
    )
    found = compute(made.write(tmp_path), {"x": np.array(pred, np.float32)}, {"y": "float32"})
    assert found["y"] == expected


def test_a_loop_goes_on_while_its_condition_holds(tmp_path: Path) -> None:
    one = ("float32", ())
    made = Package(inputs={"x": one}, outputs={"y": "float32"})
    made.add(
        "while_loop",
        {"loop_vars": ("%x", "%x")},
        {"end": one, "y": one},
        block({"n": one, "v": one}, ("on",), operation("less", {"x": "%n", "y": 5.0}, {"on": ("bool", ())})),
        block(
            {"m": one, "w": one},
            ("more", "twice"),
            operation("add", {"x": "%m", "y": 1.0}, {"more": one}),
            operation("add", {"x": "%w", "y": "%w"}, {"twice": one}),
        ),
    )
    found = compute(made.write(tmp_path), {"x": np.array(2, np.float32)}, {"y": "float32"})
    assert found["y"] == 16
