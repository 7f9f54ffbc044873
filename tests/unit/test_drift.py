"""Where what is quantized first drifts from what is not: two traces of one graph, compared name by name."""

import numpy as np

from evaluator.core.tensors import Array
from exports.diagnosing import drift
from exports.diagnosing.divergence import Node, Trace

X = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
OTHER = np.array([4.0, -3.0, 2.0, -1.0], np.float32)  # at right angles to X


def trace(prefix: str = "", **changed: Array) -> Trace:
    """Compute (x + x) -> sum, its negative, and the mean of that; tensors are numbered, and named in the file."""
    tensors = {"0": X, "1": 2 * X, "2": -2 * X, "3": np.array([-5.0], np.float32), **changed}
    return Trace(
        nodes=[
            Node(operator=f"{prefix}Add", inputs=("0", "0"), outputs=("1",)),
            Node(operator=f"{prefix}Neg", inputs=("1",), outputs=("2",)),
            Node(operator=f"{prefix}Mean", inputs=("2",), outputs=("3",)),
        ],
        inputs=frozenset({"0"}),
        tensors=tensors,
        titles={"1": "sum", "2": "negative", "3": "mean"},
    )


def test_rounding_is_no_drift() -> None:
    assert drift.first(trace(), trace("Q", **{"1": 2 * X + 0.1}), least=0.9) is None


def test_the_first_operator_is_named_with_the_one_before_it() -> None:
    found = drift.first(trace(), trace("Q", **{"2": OTHER, "3": np.array([5.0], np.float32)}), least=0.9)
    assert found is not None
    assert (found.after, found.at, found.nodes) == ("QAdd", (), ("QNeg",))


def test_what_only_the_inputs_come_before_has_no_operator_before_it() -> None:
    found = drift.first(trace(), trace("Q", **{"1": OTHER}), least=0.9)
    assert found is not None
    assert (found.after, found.nodes) == (None, ("QAdd",))


def test_nothing_is_said_of_what_should_be_zero() -> None:
    assert drift.first(trace("", **{"1": 0 * X}), trace("Q", **{"1": OTHER}), least=0.9) is None


def test_tensors_without_a_counterpart_are_passed_over() -> None:
    exact = trace()
    strange = Trace(nodes=exact.nodes, inputs=exact.inputs, tensors=exact.tensors, titles={})
    assert drift.first(strange, trace("Q", **{"1": OTHER}), least=0.9) is None
    assert drift.first(exact, trace("Q", **{"1": OTHER[:2]}), least=0.9) is None
