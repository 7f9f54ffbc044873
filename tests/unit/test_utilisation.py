"""Utilisation: exact figures, above zero and at most one, and None with a reason where something is not known."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluator.core import metrics
from evaluator.core.outcome import Outcome
from evaluator.core.records import Cell, Figure
from evaluator.judging.utilisation import utilisations, utilised, with_utilisation
from evaluator.report import markdown
from evaluator.report.sections.utilisation import plugin as section
from tests import fakes

CELL_FIELDS = set(Cell.__struct_fields__)
NUMBERS = st.one_of(st.integers(1, 10**18), st.just("the counter is blind"))
PEAKS = st.one_of(st.floats(0, 1e18), st.just("no kernel showed it"))


def peak(value: float, kernel: str = "gemm", precision: str = "fp32") -> Figure:
    return Figure(name="peak_flops_per_s", value=value, labels={"kernel": kernel, "precision": precision})


def cell(stage: str, framework: str = "pytorch", figures: tuple[Figure, ...] = (), **said: Any) -> Cell:
    where = {name: said.pop(name) for name in tuple(said) if name in CELL_FIELDS}
    return Cell(
        **{
            "stage": stage,
            "scenario": "tiny",
            "framework": framework,
            "outcome": Outcome.PASSED,
            "reason": None,
            "remedy": None,
            "evidence": f"steps/{stage}-{framework}-{len(said)}",
            "metrics": said,
            "figures": figures,
            **where,
        }
    )


def run() -> tuple[Cell, ...]:
    """Two trainings and what became of them; the best kernel of a group is the other framework's in turn."""
    latency = Figure(name="latency_s", value=0.002, labels={"statistic": "median"})
    answers = {"throughput_per_s": 1000.0, "throughput_batch": 8}
    return (
        cell("train", figures=(peak(1e9), peak(3e9, "convolution")), step_s=0.5, flops_per_step=10**9),
        cell("train", "tensorflow", figures=(peak(4e9),), step_s=1.0, flops_per_step=10**9, flops_per_answer=2 * 10**6),
        cell("train", step_s=0.25, variant="autocast", computed_in="bfloat16", standard=False),
        cell("train", step_s=0.25, variant="fused", standard=False),
        cell("run", figures=(peak(2e9),), runtime="eager", standard=False),
        cell("run", "tensorflow", figures=(latency,), format="savedmodel", precision="fp32", runtime="one", **answers),
        cell("run", "tensorflow", figures=(latency,), format="tflite", precision="int8", runtime="two", **answers),
        cell("run", "pytorch", figures=(latency,), format="onnx", precision="fp32", runtime="two"),
    )


def test_it_is_what_is_computed_of_what_the_best_kernel_of_the_turns_reached() -> None:
    found = {(each.stage, each.framework, each.per, each.variant, each.format): each for each in utilisations(run())}
    default = found["train", "pytorch", "step", None, None]
    assert (default.mfu, default.peak_framework, default.peak_kernel) == (0.5, "tensorflow", "gemm")
    assert (default.flops, default.seconds, default.peak_flops_per_s) == (10**9, 0.5, 4e9)
    assert found["train", "tensorflow", "step", None, None].mfu == 0.25
    assert found["train", "pytorch", "step", "fused", None].mfu == 1.0
    assert found["run", "tensorflow", "answer", None, "savedmodel"].mfu == 0.5
    batch = found["run", "tensorflow", "batch", None, "savedmodel"]
    assert (batch.examples, batch.flops, batch.seconds) == (8, 16 * 10**6, 0.008)
    assert batch.mfu == pytest.approx(1.0)


def test_what_is_not_known_has_a_reason() -> None:
    found = {(each.framework, each.per, each.variant, each.format): each.reason for each in utilisations(run())}
    assert found["pytorch", "step", "autocast", None].endswith("in bfloat16")
    assert found["tensorflow", "answer", None, "tflite"].endswith("in int8")
    assert found["pytorch", "answer", None, "onnx"] == "its operations were not counted"
    blind = cell("train", figures=(peak(1e9),), step_s=1.0, flops_unknown="recurrent layers")
    assert [each.reason for each in utilisations((blind,))] == ["recurrent layers"]


def test_cells_have_it_where_it_is_known_and_are_else_as_they_were() -> None:
    before = run()
    after = with_utilisation(before)
    shares = [each.metrics.get("mfu") for each in after]
    assert shares == [0.5, 0.25, None, 1.0, None, 0.5, None, None]
    (batch,) = metrics.select(after[5].figures, "mfu")
    assert batch.labels == {"batch": 8}
    assert batch.value == pytest.approx(1.0)
    assert all(not metrics.misfits(each.metrics, each.figures) for each in after)
    assert [one for one, other in zip(before, after, strict=True) if one == other] == [before[i] for i in (2, 4, 6, 7)]


def test_the_middle_round_speaks_for_all_and_each_is_set_against_its_own_turns() -> None:
    rounds = [
        cell("train", figures=(peak(value),), step_s=0.5, flops_per_step=10**9, round=number)
        for number, value in enumerate((4e9, 8e9, 2.5e9), start=1)
    ]
    (found,) = utilisations(rounds)
    assert (found.mfu, found.peak_flops_per_s, found.round) == (0.5, 4e9, 1)


def test_failed_steps_repeats_and_runs_that_did_not_look_have_none() -> None:
    said: dict[str, Any] = {"step_s": 0.5, "flops_per_step": 10**9}
    failed = cell("train", figures=(peak(4e9),), outcome=Outcome.FAILED, **said)
    assert utilisations((failed,)) == ()
    again = cell("train", figures=(peak(4e9),), control=True, **said)
    assert utilisations((again,)) == ()
    assert with_utilisation((again,))[0].metrics["mfu"] == 0.5
    old = cell("train", step_s=0.5)
    assert (utilisations((old,)), with_utilisation((old,))) == ((), (old,))


def test_more_than_the_limit_is_no_utilisation_and_all_of_it_is_one() -> None:
    assert utilised(2, 1.0, 2.0) == (1.0, "")
    assert utilised(3, 1.0, 2.0) == (None, "it computes faster than every kernel that was to show the limit")


@given(flops=NUMBERS, seconds=st.floats(0, 1e9), limit=PEAKS)
def test_it_is_above_zero_and_at_most_one_or_has_a_reason(flops: int | str, seconds: float, limit: float | str) -> None:
    share, reason = utilised(flops, seconds, limit)
    assert (share is None) is bool(reason)
    assert share is None or 0 < share <= 1


def test_the_section_shows_limits_figures_and_what_is_not_known() -> None:
    known = utilisations(run())
    card = msgspec.structs.replace(fakes.scorecard(), cells=run(), utilisation=known, scenarios={"tiny": ""})
    told = markdown.plugin.render(card).partition(f"## {section.title}")[2].partition("\n## ")[0]
    for words in (
        "1.00 GFLOP",
        "2.00 GFLOP/s",
        "4.00 GFLOP/s",
        "matrix product of TensorFlow",
        "50.0 %",
        "a batch of 8",
    ):
        assert words in told, words
    assert "**Not known of 2:** no kernel showed in the same turns what the machine can do in int8." in told
    assert section.blocks(msgspec.structs.replace(card, utilisation=())) == ()
