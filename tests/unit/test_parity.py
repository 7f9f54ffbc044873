"""Whether two take the same training steps: exact numbers, and what holds for any."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evaluator.core import files
from evaluator.core.tensors import Array
from evaluator.measure import parity
from evaluator.measure.parity import (
    BLIND,
    COARSE,
    FACTOR,
    FAR,
    LEAST,
    LEAST_COARSE,
    NUDGE,
    PARTS,
    ROUNDING,
    SAME,
    SAME_COARSE,
    Parity,
    Part,
    Trace,
)
from evaluator.stages import _first_steps as first_steps

BATCH = 11
QUIET = LEAST["gradient"] * ROUNDING["fp32"]  # what is allowed of a gradient where the repeats are all alike
FINITE = st.floats(-1000, 1000, width=32)
BEGUN = st.one_of(st.just(0.0), st.floats(0.0625, 1000, width=32), st.floats(-1000, -0.0625, width=32))


def numbers(*values: float) -> Array:
    return np.array(values, np.float32)


def trace(**parts: dict[str, Array]) -> Trace:
    """Return a trace of a layer and its running statistics, in which some parts are other ones."""
    given: dict[str, dict[str, Array]] = {
        "forward": {"logits": numbers(3, 4)},
        "gradient": {"fc.weight": numbers(3, 4), "fc.bias": numbers(1)},
        "update": {"fc.weight": numbers(1, 1), "fc.bias": numbers(1)},
        "statistics": {"bn.running_mean": numbers(6, 8), "bn.running_var": numbers(1)},
        "curve": parity.steps([2.0, 1.0]),
        "weights": {},
    }
    return Trace(**{**given, **parts})


def judged(found: Trace, *repeats: Trace, precision: str = "fp32", batch: int = BATCH) -> Parity:
    return parity.compare(parity.referred(trace(), repeats), found, precision=precision, batch=batch)


def row(found: Parity, part: Part, name: str) -> parity.Row:
    (one,) = (each for each in found.rows if (each.part, each.name) == (part, name))
    return one


def test_a_difference_is_that_of_two_vectors() -> None:
    """(3, 4) has the length 5; one that lies 0.5 beside it is a tenth away."""
    found = judged(trace(gradient={"fc.weight": numbers(3.3, 4.4), "fc.bias": numbers(1)}))
    assert row(found, "gradient", "fc.weight").difference == pytest.approx(0.1, rel=1e-6)
    assert row(found, "gradient", "fc.weight").allowed == QUIET
    assert found.breach == "the gradient of 'fc.weight' in the first step differs by 10.0 %, rounding explains 0.0977 %"
    assert found.worst("gradient") == pytest.approx(0.1 / QUIET, rel=1e-6)
    assert found.worst("forward") == 0


def test_what_is_allowed_is_a_multiple_of_the_largest_that_a_repeat_shows() -> None:
    near, far = (trace(forward={"logits": numbers(3 + by, 4)}) for by in (0.001, 0.002))
    noise = pytest.approx(0.002 / 5, rel=1e-3)
    for repeats in ((near, far), (far, near), (far,)):
        one = row(judged(trace(), *repeats), "forward", "logits")
        assert one.noise == noise
        assert one.allowed == FACTOR * one.noise


@pytest.mark.parametrize(("by", "same"), [(0.0039, True), (0.0041, False)])
def test_it_is_a_breach_from_there_on(by: float, same: bool) -> None:  # noqa: FBT001  # what is expected
    again = trace(forward={"logits": numbers(3 + 0.002, 4)})
    found = judged(trace(forward={"logits": numbers(3 + 5 * by, 4)}), again)
    assert (found.breach == "") is same
    assert (found.worst("forward") or 0) == pytest.approx(by / (FACTOR * 0.0004), rel=1e-3)


@pytest.mark.parametrize("precision", ROUNDING)
def test_the_least_that_is_allowed_follows_from_the_precision(precision: str) -> None:
    found = judged(trace(), precision=precision)
    assert found.precision == precision
    named: dict[Part, str] = {"forward": "logits", "gradient": "fc.bias", "curve": "step 1"}
    for part, name in named.items():
        coarse = 0.0 if precision == "fp32" else LEAST_COARSE * ROUNDING[precision]
        least = max(coarse, LEAST[part] * ROUNDING["fp32"])
        assert row(found, part, name).allowed == least
        assert least < BLIND / 10


@pytest.mark.parametrize(("by", "same"), [(1e-4, True), (1.4e-4, False)])
def test_a_loss_is_one_number_that_a_nudge_may_happen_not_to_move(by: float, same: bool) -> None:  # noqa: FBT001
    found = judged(trace(curve=parity.steps([2.0, 1 + by])), trace())
    assert row(found, "curve", "step 2").allowed == LEAST["curve"] * ROUNDING["fp32"]
    assert (found.breach == "") is same


def test_in_fewer_bits_a_smaller_multiple_of_the_noise_is_allowed() -> None:
    again = trace(gradient={"fc.weight": numbers(3.1, 4), "fc.bias": numbers(1)})
    one = row(judged(trace(), again, precision="bfloat16"), "gradient", "fc.weight")
    assert one.noise == pytest.approx(0.02, rel=1e-5)
    assert one.allowed == COARSE * one.noise


BREACHES: dict[str, tuple[dict[str, dict[str, Array]], str]] = {
    "forward": ({"forward": {"logits": numbers(3, 5)}}, "what the network computes for 'logits' before any step"),
    "gradient": ({"gradient": {"fc.weight": numbers(3, 4), "fc.bias": numbers(2)}}, "the gradient of 'fc.bias'"),
    "update": ({"update": {"fc.weight": numbers(1, 2), "fc.bias": numbers(1)}}, "the first step makes of 'fc.weight'"),
    "statistics": (
        {"statistics": {"bn.running_mean": numbers(6, 9), "bn.running_var": numbers(1)}},
        "the first step makes of 'bn.running_mean', which has no gradient, differs by 10.0 %",
    ),
    "curve": ({"curve": parity.steps([2.0, 1.1])}, "the loss of step 2 differs by 10.0 %"),
}


@pytest.mark.parametrize("part", PARTS)
def test_what_is_not_the_same_is_named(part: Part) -> None:
    planted, words = BREACHES[part]
    found = judged(trace(**planted), trace())
    assert words in found.breach
    assert {each.part for each in found.rows if each.difference > each.allowed} == {part}


@pytest.mark.parametrize(
    ("theirs", "left", "breach"),
    [
        (-1e-4, 1, ""),  # another sign: Adam takes the opposite step
        (1e-3, 1, ""),
        (0.98e-3, 2, "what the first step makes of 'bn.weight'"),
    ],
)
def test_an_update_is_compared_where_both_have_the_same_gradient(theirs: float, left: int, breach: str) -> None:
    """One number of a tensor is next to nothing: no repeat shows it, and another framework gives it another sign."""
    mine = replace(trace(), gradient={"bn.weight": numbers(1000, 0.98e-3)}, update={"bn.weight": numbers(1, 1)})
    other = replace(mine, gradient={"bn.weight": numbers(1000, theirs)}, update={"bn.weight": numbers(1, -1)})
    found = parity.compare(parity.referred(mine, [mine]), other, batch=BATCH)
    assert row(found, "gradient", "bn.weight").difference < QUIET
    assert row(found, "update", "bn.weight").difference == pytest.approx(0 if left == 1 else np.sqrt(2), rel=1e-6)
    assert breach in found.breach
    assert bool(found.breach) == bool(breach)


def test_an_update_without_a_number_that_both_know_alike_is_counted_as_left_out() -> None:
    mine = replace(trace(), gradient={"bn.weight": numbers(1e-3)}, update={"bn.weight": numbers(1)})
    repeat = replace(mine, gradient={"bn.weight": numbers(1.001e-3)})
    other = replace(mine, gradient={"bn.weight": numbers(1.03e-3)}, update={"bn.weight": numbers(-1)})
    found = parity.compare(parity.referred(mine, [repeat]), other, batch=BATCH)
    assert "update:bn.weight" in found.blind
    assert found.worst("update") is None


def test_the_first_breach_is_told() -> None:
    planted = {name: value for part in ("curve", "gradient", "update") for name, value in BREACHES[part][0].items()}
    assert "gradient" in judged(trace(**planted)).breach


@pytest.mark.parametrize(
    ("gradient", "words"),
    [
        ({"fc.weight": numbers(3, 4)}, "only the default has the gradient of 'fc.bias' in the first step"),
        (
            {"fc.weight": numbers(3, 4), "fc.bias": numbers(1), "more": numbers(1)},
            "only this one has the gradient of 'more' in the first step",
        ),
        ({}, ""),  # an optimizer without moments does not tell
    ],
)
def test_a_missing_name_is_a_breach(gradient: dict[str, Array], words: str) -> None:
    assert judged(trace(gradient=gradient)).breach == words


def test_a_missing_statistic_is_named_in_good_english() -> None:
    found = judged(trace(statistics={"bn.running_mean": numbers(6, 8)}))
    assert found.breach == "only the default has what the first step makes of 'bn.running_var', which has no gradient"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("noisy", [False, True])
def test_what_is_no_number_is_a_breach_however_large_the_noise(value: float, noisy: bool) -> None:  # noqa: FBT001
    again = trace(curve=parity.steps([20.0, 10.0])) if noisy else trace()
    found = judged(trace(curve=parity.steps([2.0, value])), again)
    assert found.breach == "the loss of step 2 is not a finite number"
    assert row(found, "curve", "step 2").difference == FAR


def test_another_shape_is_a_breach() -> None:
    found = judged(trace(forward={"logits": numbers(3, 4, 0)}))
    assert found.breach == "what the network computes for 'logits' before any step is 3 numbers in place of 2"


def test_a_layer_that_does_not_learn_is_all_of_its_gradient_away() -> None:
    frozen = trace(gradient={"fc.weight": numbers(0, 0), "fc.bias": numbers(1)})
    assert row(judged(frozen), "gradient", "fc.weight").difference == 1
    again = trace(gradient={"fc.weight": numbers(3.1, 4), "fc.bias": numbers(1)})
    assert "'fc.weight'" in judged(frozen, again, precision="bfloat16").breach


def test_two_of_zeros_are_the_same_and_one_of_them_is_not() -> None:
    zeros = trace(gradient={"fc.weight": numbers(0, 0), "fc.bias": numbers(1)})
    reference = parity.referred(zeros, [zeros])
    assert parity.compare(reference, zeros, batch=BATCH).breach == ""
    found = parity.compare(reference, trace(), batch=BATCH)
    assert row(found, "gradient", "fc.weight").difference == FAR
    assert "'fc.weight'" in found.breach


def test_a_running_variance_may_be_biased_or_not_and_a_running_mean_may_not() -> None:
    biased = 1 - 1 / BATCH
    near, far = 1 - 0.99 / (BATCH - 1), 1 - 1.01 / (BATCH - 1)
    for value, same in ((biased, True), (near, True), (far, False)):
        found = judged(trace(statistics={"bn.running_mean": numbers(6, 8), "bn.running_var": numbers(value)}))
        assert (found.breach == "") is same
        assert row(found, "statistics", "bn.running_var").allowed == 1 / (BATCH - 1)
    mean = trace(statistics={"bn.running_mean": numbers(6 * biased, 8 * biased), "bn.running_var": numbers(1)})
    assert "'bn.running_mean'" in judged(mean).breach


def test_a_noise_that_explains_anything_decides_nothing_and_is_counted() -> None:
    again = trace(gradient={"fc.weight": numbers(4.2, 4), "fc.bias": numbers(1)})
    found = judged(trace(gradient={"fc.weight": numbers(-3, -4), "fc.bias": numbers(1)}), again)
    assert found.blind == ("update:fc.weight", "gradient:fc.weight")
    assert found.breach == ""
    assert not [each for each in found.rows if each.allowed >= BLIND]
    told = first_steps.figures(found)
    assert told["parity_left_out"] == pytest.approx(2 / 9)
    assert told["gradient_parity"] == 0


@pytest.mark.parametrize(("precision", "near"), [("fp32", SAME), ("bfloat16", SAME_COARSE)])
def test_an_update_may_differ_by_as_much_more_as_the_gradients_do(precision: str, near: float) -> None:
    """Without Adam's division one of two numbers of a step is longer by so much; the other one is the same."""
    by = 1 + 0.9 * near
    other = trace(gradient={"fc.weight": numbers(3 * by, 4), "fc.bias": numbers(1)})
    usual = row(judged(trace(), precision=precision), "update", "fc.weight").allowed
    found = row(judged(other, precision=precision), "update", "fc.weight")
    assert found.allowed - usual == pytest.approx(0.9 * near / np.sqrt(2), rel=1e-3)
    beyond = trace(gradient={"fc.weight": numbers(3 * (1 + 1.1 * near), 4), "fc.bias": numbers(1)})
    assert row(judged(beyond, precision=precision), "update", "fc.weight").allowed == usual


def test_a_small_change_of_a_large_number_is_as_coarse_as_it_is_stored() -> None:
    """A change of 1 in weights of a million is known to a sixteenth."""
    large = trace(weights={"fc.bias": numbers(2.0**20)})
    found = parity.compare(parity.referred(large, []), large, batch=BATCH)
    plain = judged(trace())
    extra = row(found, "update", "fc.bias").allowed - row(plain, "update", "fc.bias").allowed
    assert extra == pytest.approx(2.0**-3)
    assert row(found, "gradient", "fc.bias").allowed == QUIET


@pytest.mark.parametrize(
    ("part", "again", "words"),
    [
        ("curve", parity.steps([2.2, 1.0]), "the first loss of the same training differs by 10.0 % from time to time"),
        ("curve", parity.steps([2.01, 1.0]), None),
        ("curve", parity.steps([2.0, 5.0]), None),  # later steps may part
        ("curve", parity.steps([np.nan, 1.0]), "the first loss of the same training differs by 1.0e+09"),
        (
            "gradient",
            {"a": numbers(1.3), "b": numbers(1.4), "c": numbers(1)},
            "most first gradients of the same training differ by 30.0 % from time to time, or by more",
        ),
        ("gradient", {"a": numbers(1), "b": numbers(5), "c": numbers(1)}, None),  # one tensor that is all rounding
    ],
)
def test_a_training_that_draws_numbers_is_undecidable(part: Part, again: dict[str, Array], words: str | None) -> None:
    gradient = {"a": numbers(1), "b": numbers(1), "c": numbers(1)}
    once = trace(gradient=gradient)
    found = parity.undecidable(parity.referred(once, [once, replace(once, **{part: again})]))
    assert found is None if words is None else words in str(found)


def test_without_repeats_nothing_is_undecidable() -> None:
    assert parity.undecidable(parity.referred(trace(), [])) is None


def test_the_noise_of_either_framework_counts() -> None:
    one = parity.referred(trace(), [trace(curve=parity.steps([2.0, 1.001]))])
    other = parity.referred(trace(), [trace(curve=parity.steps([2.002, 1.0]), forward={"logits": numbers(3, 4.01)})])
    both = parity.joined(one, other.noise)
    assert both.noise["curve"] == {"step 1": pytest.approx(1e-3), "step 2": pytest.approx(1e-3)}
    assert both.noise["forward"]["logits"] == pytest.approx(2e-3, rel=1e-3)
    assert both.trace is one.trace


# What holds for any numbers


def vectors(elements: st.SearchStrategy[float] = FINITE) -> st.SearchStrategy[Any]:
    return arrays(np.float32, 6, elements=elements)


@given(gradient=vectors(), update=vectors(), weights=vectors(), losses=st.lists(FINITE, min_size=1, max_size=4))
def test_a_trace_compared_with_itself_passes(
    gradient: Array, update: Array, weights: Array, losses: list[float]
) -> None:
    one = trace(gradient={"w": gradient}, update={"w": update}, weights={"w": weights}, curve=parity.steps(losses))
    for precision in ROUNDING:
        found = parity.compare(parity.referred(one, [one]), one, precision=precision, batch=BATCH)
        assert found.breach == ""
        assert all(each.difference == 0 for each in found.rows)


@given(own=vectors(), other=vectors(), repeats=st.lists(vectors(), max_size=4))
def test_noise_widens_and_never_narrows(own: Array, other: Array, repeats: list[Array]) -> None:
    def allowed(some: Sequence[Array]) -> float:
        reference = parity.referred(trace(forward={"x": own}), [trace(forward={"x": each}) for each in some])
        found = parity.compare(reference, trace(forward={"x": other}), batch=BATCH)
        return next((each.allowed for each in found.rows if each.name == "x"), BLIND)

    widths = [allowed(repeats[:count]) for count in range(len(repeats) + 1)]
    assert widths == sorted(widths)
    assert min(widths) >= LEAST["forward"] * ROUNDING["fp32"]


@given(weights=vectors(BEGUN), seed=st.integers(0, 2**32 - 1), precision=st.sampled_from(sorted(ROUNDING)))
def test_a_nudge_is_so_many_units_in_the_last_place(weights: Array, seed: int, precision: str) -> None:
    """Of the largest in its binade, so that none stays where it was; in 32 bits by 8 to 16 of the numbers' own."""
    whole = np.arange(6)
    found = parity.nudged({"w": weights, "count": whole}, precision, seed)
    assert found["count"] is whole
    assert found["w"].dtype == weights.dtype
    moved = np.abs(found["w"].astype(np.float64) - weights.astype(np.float64))
    wanted = NUDGE.get(precision, 1) * ROUNDING[precision] * np.abs(weights.astype(np.float64))
    assert np.all(moved[weights != 0] > 0)
    assert np.all(np.abs(moved - wanted) <= np.spacing(np.abs(found["w"])))
    if precision == "fp32":
        steps = np.abs(found["w"].view(np.int32).astype(np.int64) - np.asarray(weights).view(np.int32))
        assert set(steps.tolist()) <= {0, *range(4, 17)}
        assert np.all((steps > 0) == (weights != 0))


@given(weights=vectors(BEGUN), seed=st.integers(0, 1000))
def test_a_nudge_is_drawn_by_its_seed(weights: Array, seed: int) -> None:
    one, other = (parity.nudged({"w": weights}, "bfloat16", seed)["w"] for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_nudges_go_both_ways_and_those_of_two_seeds_differ() -> None:
    ones = np.ones(1000, np.float32)
    one, other = (parity.nudged({"w": ones}, "fp32", seed)["w"].astype(np.float64) for seed in (1, 2))
    assert 400 < int((one > 1).sum()) < 600
    assert 400 < int((one != other).sum()) < 600


@given(seed=st.integers(0, 1000), size=st.integers(4097, 20000))
def test_of_a_large_tensor_the_largest_are_kept_and_of_a_small_one_all(seed: int, size: int) -> None:
    generator = np.random.default_rng(seed)
    large, small = generator.standard_normal(size).astype(np.float32), numbers(1, 2)
    chosen = parity.places({"large": large, "small": small}, seed)
    assert set(chosen) == {"large"}
    largest = np.argsort(-np.abs(large), kind="stable")[:2048]
    assert np.isin(largest, chosen["large"]).all()
    assert 2048 <= len(chosen["large"]) <= 4096
    assert len(set(chosen["large"].tolist())) == len(chosen["large"])
    kept = parity.kept({"large": large.reshape(1, -1), "small": small, "other": large}, chosen)
    np.testing.assert_array_equal(kept["large"], large[chosen["large"]])
    np.testing.assert_array_equal(kept["small"], small)
    assert 4096 <= len(kept["other"]) <= 8192  # of one that nobody chose from: evenly spread


def test_rows_of_an_embedding_that_were_used_are_among_what_is_kept() -> None:
    gradient = np.zeros((30000, 8), np.float32)
    gradient[[5, 777, 29999]] = 1e-6
    chosen = parity.places({"words": gradient}, 1)["words"]
    assert int((parity.kept({"words": gradient}, {"words": chosen})["words"] != 0).sum()) == 24


@given(difference=st.sampled_from([0.0, np.nan, np.inf, 1e30, 1e-30]))
def test_what_is_found_can_be_written_and_read_again(difference: float) -> None:
    found = judged(trace(forward={"logits": numbers(3 + difference, 4)}), trace(gradient={"fc.weight": numbers(0, 0)}))
    assert msgspec.json.decode(msgspec.json.encode(found), type=Parity) == found


def test_a_reference_is_kept_with_all_that_a_comparison_wants(tmp_path: Any) -> None:
    weights = {"fc.bias": numbers(2.0**20)}
    again = trace(gradient={"fc.weight": numbers(0, 0), "fc.bias": numbers(1)}, weights=weights)
    reference = parity.referred(
        trace(gradient={"fc.weight": numbers(0, 0), "fc.bias": numbers(1)}, weights=weights), [again, trace()]
    )
    first_steps.write_reference(tmp_path, "bfloat16", reference)
    assert first_steps.read_reference(tmp_path, "fp32") is None
    kept = first_steps.read_reference(tmp_path, "bfloat16")
    assert kept is not None
    other = trace(update={"fc.weight": numbers(1, 2), "fc.bias": numbers(1.01)})
    expected, found = (parity.compare(each, other, batch=BATCH) for each in (reference, kept))
    assert found == expected
    first_steps.write_parity(tmp_path, found)
    assert files.read_record(tmp_path / first_steps.PARITY, Parity) == found
