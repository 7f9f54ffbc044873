"""Where an artifact departs from its origin: a network of numbers, and what exporters make of it."""

import numpy as np
import pytest
from numpy.typing import NDArray

from exports.diagnosing.divergence import Layer, Node, Trace, find

Floats = NDArray[np.float64]

TOLERANCE = 1e-4
RANDOM = np.random.default_rng(3)
X = RANDOM.standard_normal((2, 5, 4, 3))
LEFT, RIGHT, LAST = (RANDOM.standard_normal((3, 3)) for _ in range(3))


def relu(x: Floats) -> Floats:
    return np.maximum(x, 0)


def origin() -> list[Layer]:
    """Two branches that are added: a dense layer, scaled, with a ReLU; and a dense layer; then a last one."""
    left = X @ LEFT
    scaled = 1.5 * left + 0.2
    right = X @ RIGHT
    total = relu(scaled) + right
    return [
        Layer(name="input", value=X),
        Layer(name="left", value=left, after=(0,)),
        Layer(name="scale", value=scaled, after=(1,)),
        Layer(name="relu", value=relu(scaled), after=(2,)),
        Layer(name="right", value=right, after=(0,)),
        Layer(name="sum", value=total, after=(3, 4)),
        Layer(name="flat", value=total.reshape(2, -1)),  # a step that the origin does not tell lies before it
        Layer(name="last", value=total @ LAST, after=(5,)),
    ]


def artifact(
    left: Floats = 1.5 * LEFT, right: Floats = RIGHT, last: Floats = LAST, shift: float = 0.2, *, tensor: str = ""
) -> Trace:
    """Compute the same with the last axis second, the scale folded into the weights, and bias and ReLU apart."""
    x = X.transpose(0, 3, 1, 2)

    def dense(y: Floats, weights: Floats) -> Floats:
        summed: Floats = np.einsum("nchw,cd->ndhw", y, weights)
        return summed

    tensors = {"x": X, "t": x, "l": dense(x, left)}
    tensors["b"] = tensors["l"] + shift
    tensors["r"] = relu(tensors["b"])
    tensors["o"] = dense(x, right)
    if tensor:
        tensors[tensor] = tensors[tensor] * np.nan
    tensors["s"] = tensors["r"] + tensors["o"]
    tensors["y"] = dense(tensors["s"], last)
    tensors["shape"] = np.array([2, 3])
    nodes = [
        Node(operator="Constant", inputs=(), outputs=("shape",)),
        Node(operator="Transpose", inputs=("x",), outputs=("t",)),
        Node(operator="Left", inputs=("t", "w"), outputs=("l",)),
        Node(operator="Bias", inputs=("l",), outputs=("b",)),
        Node(operator="Relu", inputs=("b",), outputs=("r",)),
        Node(operator="Right", inputs=("t", "v"), outputs=("o",)),
        Node(operator="Add", inputs=("r", "o"), outputs=("s",)),
        Node(operator="Last", inputs=("s",), outputs=("y",)),
    ]
    return Trace(nodes=nodes, inputs=frozenset(["x"]), tensors=tensors)


def test_an_artifact_that_is_right_departs_nowhere() -> None:
    assert find(origin(), artifact(), TOLERANCE) is None
    assert find(origin(), artifact(left=1.5 * LEFT * (1 + 1e-6)), TOLERANCE) is None, "rounding is no divergence"


def flipped(weights: Floats) -> Floats:
    changed = weights.copy()
    changed[1, 1] *= -1
    return changed


@pytest.mark.parametrize(
    ("broken", "after", "at", "nodes"),
    [
        # The first two layers are one operator; the tensor still resembles one of them.
        (artifact(left=1.5 * flipped(LEFT)), "input", "left", ("Left",)),
        (artifact(left=0 * LEFT), "input", "left", ("Left",)),
        (artifact(shift=-0.9), "input", "left", ("Left",)),
        (artifact(right=flipped(RIGHT)), "input", "right", ("Right",)),
        (artifact(right=RIGHT[:, [1, 0, 2]]), "input", "right", ("Right",)),
        (artifact(last=0 * LAST), "sum", "last", ("Last",)),
        (artifact(tensor="o"), "input", "right", ("Right",)),
        (artifact(tensor="r"), "scale", "relu", ("Relu",)),
    ],
)
def test_the_first_wrong_layer_is_named(broken: Trace, after: str, at: str, nodes: tuple[str, ...]) -> None:
    found = find(origin(), broken, TOLERANCE)
    assert found is not None
    assert (found.after, found.at[0], found.nodes) == (after, at, nodes)


def test_layers_that_are_one_operator_are_named_together() -> None:
    layers = origin()
    apart = 5 * RANDOM.standard_normal(X.shape)  # what the layer before the scale gave looks like nothing else
    layers[1] = Layer(name="left", value=apart, after=(0,))
    found = find(layers, artifact(left=1.5 * LEFT + 0.01), TOLERANCE)
    assert found is not None
    assert found.at == ("left", "scale")


def test_large_numbers_of_a_mask_hide_no_difference() -> None:
    mask = np.where(np.arange(12).reshape(3, 4) % 2, -1e4, 0.0)
    scores = RANDOM.standard_normal((3, 4))
    layers = [Layer(name="scores", value=scores), Layer(name="masked", value=scores + mask)]
    wrong = {"x": scores, "y": 1.1 * scores + mask}
    nodes = [Node(operator="Mask", inputs=("x",), outputs=("y",))]
    found = find(layers, Trace(nodes=nodes, inputs=frozenset(["x"]), tensors=wrong), TOLERANCE)
    assert found is not None
    assert found.at == ("masked",)


def test_equal_numbers_everywhere_are_no_evidence() -> None:
    layers = [Layer(name="x", value=X), Layer(name="dead", value=np.zeros((2, 3)))]
    nodes = [Node(operator="Dead", inputs=("x",), outputs=("y",))]
    tensors = {"x": X, "y": np.zeros((2, 3))}
    found = find(layers, Trace(nodes=nodes, inputs=frozenset(["x"]), tensors=tensors), TOLERANCE)
    assert found is not None
    assert found.at == ("dead",)
