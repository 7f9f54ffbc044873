import re
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.core.tensors import Arrays
from evaluator.measure import fidelity

TOLERANCE = 1e-4


def golden() -> Arrays:
    rng = np.random.default_rng(0)
    return {"logits": rng.normal(size=(8, 10)).astype(np.float32), "pooled": rng.normal(size=(8, 4)).astype(np.float32)}


def _poked(outputs: Arrays, index: tuple[int, int], value: float) -> Arrays:
    outputs["logits"][index] = value
    return outputs


BREAK: dict[str, Callable[[Arrays], Arrays]] = {
    "one element": lambda o: _poked(o, (3, 7), 9.0),
    "rows permuted": lambda o: o | {"logits": o["logits"][::-1]},
    "labels permuted": lambda o: o | {"logits": o["logits"][:, ::-1]},
    "nan": lambda o: _poked(o, (2, 1), np.nan),
    "inf": lambda o: _poked(o, (2, 1), np.inf),
    "zeros": lambda o: o | {"logits": np.zeros_like(o["logits"])},
    "shape": lambda o: o | {"logits": o["logits"][:, :9]},
    "fewer rows": lambda o: o | {"logits": o["logits"][:7]},
    "dtype": lambda o: o | {"logits": o["logits"].astype(np.float64)},
    "missing": lambda o: {"logits": o["logits"]},
    "extra": lambda o: o | {"more": o["logits"]},
    "nothing": lambda o: {},
}


def broken(how: str) -> Arrays:
    return BREAK[how](golden())


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("one element", r"'logits' at \[3, 7\]: expected -?[0-9.]+, got -?[0-9.]+ \(1 of 80"),
        ("rows permuted", r"'logits' at \[0, 0\]"),
        ("labels permuted", r"'logits' at \[0, 0\]"),
        ("nan", r"'logits' of the candidate is nan at \[2, 1\]"),
        ("inf", r"'logits' of the candidate is inf at \[2, 1\]"),
        ("zeros", r"'logits' at \[0, 0\]"),
        ("shape", r"shape \(8, 9\), expected \(8, 10\)"),
        ("fewer rows", r"shape \(7, 10\), expected \(8, 10\)"),
        ("dtype", "dtype float64, expected float32"),
        ("missing", "'pooled' is missing; there is: logits"),
        ("extra", "'more' was not expected; expected: logits, pooled"),
        ("nothing", "'logits' is missing; there is: nothing"),
    ],
)
def test_every_known_bad_candidate_is_caught(how: str, words: str) -> None:
    answer = fidelity.compare(golden(), broken(how), TOLERANCE)
    assert not answer.passed
    assert answer.first_difference is not None
    assert re.search(words, answer.first_difference)


def test_equal_outputs_pass() -> None:
    answer = fidelity.compare(golden(), golden(), TOLERANCE)
    assert answer.passed
    assert answer.max_abs == answer.max_rel == answer.smallest_tolerance == 0
    assert answer.cosine == pytest.approx(1)
    assert answer.top1_agreement == 1
    assert answer.first_difference is None


def test_nothing_to_compare_does_not_pass() -> None:
    assert not fidelity.compare({}, {}, TOLERANCE).passed
    empty = {"logits": np.zeros((0, 10), np.float32)}
    answer = fidelity.compare(empty, empty, TOLERANCE)
    assert not answer.passed
    assert "empty" in (answer.first_difference or "")


def test_an_origin_that_is_not_finite_proves_nothing() -> None:
    answer = fidelity.compare(broken("nan"), broken("nan"), TOLERANCE)
    assert not answer.passed
    assert "what is expected" in (answer.first_difference or "")


def test_text_cannot_be_compared() -> None:
    words = {"label": np.array(["cat", "dog"])}
    assert "not a real number" in (fidelity.compare(words, words, TOLERANCE).first_difference or "")


def test_the_smallest_tolerance_is_relative_to_the_scale_of_the_output() -> None:
    expected = {"y": np.array([[100.0, 0.0]])}
    candidate = {"y": np.array([[100.0, 1.0]])}
    answer = fidelity.compare(expected, candidate, TOLERANCE)
    assert answer.max_abs == 1
    assert answer.max_rel == answer.smallest_tolerance == pytest.approx(0.01)
    assert fidelity.compare(expected, candidate, 0.01).passed


def test_permuted_labels_show_in_the_top_1_agreement() -> None:
    answer = fidelity.compare(golden(), broken("labels permuted"), TOLERANCE)
    assert answer.top1_agreement is not None
    assert answer.top1_agreement < 0.5


def test_outputs_without_classes_have_no_top_1() -> None:
    line = {"y": np.array([1.0, 2.0])}
    assert fidelity.compare(line, line, TOLERANCE).top1_agreement is None


def test_two_outputs_of_zeros_are_equal() -> None:
    zeros = {"y": np.zeros((2, 3), np.float32)}
    assert fidelity.compare(zeros, zeros, TOLERANCE).cosine == 1
    ones = {"y": np.ones((2, 3), np.float32)}
    assert fidelity.compare(zeros, ones, TOLERANCE).cosine == 0


@given(st.integers(0, 79), st.floats(-10, 10, width=32), st.floats(1e-6, 0.5))
def test_it_passes_exactly_from_the_smallest_tolerance_on(index: int, change: float, tolerance: float) -> None:
    candidate = golden()
    candidate["logits"].reshape(-1)[index] += np.float32(change)
    answer = fidelity.compare(golden(), candidate, tolerance)
    assert answer.smallest_tolerance is not None
    assert answer.passed == (answer.smallest_tolerance <= tolerance)
    assert answer.passed == (answer.first_difference is None)
    assert fidelity.compare(golden(), candidate, answer.smallest_tolerance).passed


@pytest.mark.parametrize("how", ["one element", "nan", "missing"])
def test_an_answer_travels_as_json(how: str) -> None:
    answer = fidelity.compare(golden(), broken(how), TOLERANCE)
    assert msgspec.json.decode(msgspec.json.encode(answer), type=fidelity.Fidelity) == answer


def test_the_worst_of_several_comparisons_counts() -> None:
    good, poked, lost = (fidelity.compare(golden(), o, 1.0) for o in (golden(), broken("one element"), broken("nan")))
    assert fidelity.worst([good, poked]) is poked
    assert fidelity.worst([lost, poked, good]) is lost


def test_of_several_outputs_the_worst_figure_counts() -> None:
    right = {"same": np.array([[1.0, 0.0]]), "other": np.array([[2.0, 0.0], [0.0, 1.0]])}
    wrong = {"same": np.array([[1.0, 0.0]]), "other": np.array([[0.0, 2.0], [0.0, 1.0]])}
    found = fidelity.compare(right, wrong, TOLERANCE)
    assert found.cosine == pytest.approx(0.2)
    assert found.top1_agreement == 0.5
    assert (found.max_abs, found.max_rel) == (2, 1)


def test_metrics_hold_what_could_be_had() -> None:
    assert fidelity.compare(golden(), broken("missing"), TOLERANCE).metrics() == {"tolerance": TOLERANCE}
    names = set(fidelity.compare(golden(), golden(), TOLERANCE).metrics())
    assert names >= {"max_abs_diff", "max_rel_diff", "cosine", "top1_agreement", "smallest_tolerance"}


ONE = np.array([1.0, 2.0, 3.0, 4.0])
ACROSS = np.array([4.0, -3.0, 2.0, -1.0])  # at right angles to it


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (ONE, ONE, 1.0),
        (ONE, 3 * ONE, 1.0),
        (ONE, -ONE, -1.0),
        (ONE, ACROSS, 0.0),
        (0 * ONE, 0 * ONE, 1.0),
        (ONE, 0 * ONE, 0.0),
        (0 * ONE, ONE, 0.0),
        (ONE, np.full(4, np.nan), 0.0),
        (ONE, np.full(4, -np.inf), 0.0),
    ],
)
def test_the_cosine_of_two_arrays(one: fidelity.Floats, other: fidelity.Floats, expected: float) -> None:
    assert fidelity.cosine(one, other) == pytest.approx(expected)
