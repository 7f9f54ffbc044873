"""Two runs side by side: what is really different, in exact numbers; nothing from a run to itself; and mirrored."""

from math import exp, hypot, log, sqrt
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from evaluator import cli
from evaluator.core.errors import IncompleteEvidence
from evaluator.core.outcome import Outcome
from evaluator.core.scorecard import EvidenceRef, Finding, Interval, Risk, Scorecard
from evaluator.core.targets import Target
from evaluator.following import _shown, differences, whole
from evaluator.following.differences import Differences, Told
from evaluator.following.figures import FigureChange
from evaluator.report import _plain
from tests import fakes, figures, made_run, sample_scorecard
from tests.sample_scorecard import cell

RECORD = fakes.complete_run().run
NORMAL = 1.959963984540054


def told(card: Scorecard, **run: Any) -> Told:
    return Told(card, msgspec.structs.replace(RECORD, **run))


def changed(card: Scorecard, **fields: Any) -> Scorecard:
    return msgspec.structs.replace(card, **fields)


def finding(value: float = 0.010, spread: float | None = 0.02, **rest: Any) -> Finding:
    """Return what is found of a latency, with an interval of so much relative width to either side."""
    ends = (None, None) if spread is None else (value / (1 + spread), value * (1 + spread))
    fields: dict[str, Any] = {
        "id": "latency/bert/pytorch/server/cpu",
        "check": "latency",
        "category": "performance",
        "risk": Risk.HIGH,
        "candidate": "pytorch",
        "scenario": "bert",
        "subject": "TorchScript in torch.jit",
        "state": Outcome.PASSED,
        "score": 10 - 100 * value,
        "reason": "so it is",
        "metric": "latency_s",
        "value": value,
        "unit": "s",
        "interval": Interval(value=value, low=ends[0], high=ends[1]),
        "target": Target(full=0.01, none=0.1),
    }
    return Finding(**{**fields, **rest})


def card(*found: Finding, **rest: Any) -> Scorecard:
    return changed(sample_scorecard.empty(), findings=found, paths=(), **rest)


def compared(before: Scorecard, after: Scorecard) -> Differences:
    return differences.compare(told(before), told(after))


def figure(before: Scorecard, after: Scorecard) -> FigureChange:
    (found,) = compared(before, after).figures
    return found


def test_two_independent_figures_have_a_ratio_with_both_their_errors() -> None:
    found = figure(card(finding(0.010)), card(finding(0.012)))
    one = hypot(log(1.02) / NORMAL, 0.02)
    reach = NORMAL * hypot(one, one)
    assert found.ratio is not None
    assert found.ratio.value == pytest.approx(1.2)
    assert found.ratio.low == pytest.approx(1.2 * exp(-reach))
    assert found.ratio.high == pytest.approx(1.2 * exp(reach))
    assert (found.moved, found.shown) == ("worse", True)


def test_from_three_rounds_on_the_rounds_carry_the_interval() -> None:
    def rounds(*seconds: float) -> Scorecard:
        rows = tuple(
            cell(
                "run",
                "bert",
                "pytorch",
                round=number,
                evidence=f"steps/r{number}",
                **figures.fields({"latency_s statistic=median": each, "latency_s statistic=p50": 9.0}),
            )
            for number, each in enumerate(seconds, start=1)
        )
        refs = tuple(EvidenceRef(path=f"{row.evidence}/result.json", sha256="") for row in rows)
        return card(finding(seconds[1], spread=0.5, evidence=refs), cells=rows)

    found = figure(rounds(0.0099, 0.0100, 0.0101), rounds(0.0148, 0.0150, 0.0152))
    logs = [[log(each) for each in side] for side in ((0.0099, 0.0100, 0.0101), (0.0148, 0.0150, 0.0152))]
    means = [sum(side) / 3 for side in logs]
    errors = [sqrt(sum((x - m) ** 2 for x in side) / 2 / 3) for side, m in zip(logs, means, strict=True)]
    assert found.ratio is not None
    assert found.ratio.value == pytest.approx(exp(means[1] - means[0]))
    assert found.ratio.high is not None
    assert found.ratio.high < found.ratio.value * exp(5 * hypot(*errors)), "not what a single run's interval says"
    assert found.moved == "worse"


@pytest.mark.parametrize(("after", "spread", "moved"), [
    (0.0101, 0.02, "undecided"),
    (0.0103, 0.02, "undecided"),
    (0.0090, 0.02, "undecided"),
    (0.0080, 0.02, "better"),
    (0.0200, None, "not told"),
])  # fmt: skip
def test_only_what_lies_beyond_margin_and_interval_counts(after: float, spread: float | None, moved: str) -> None:
    found = figure(card(finding(0.010)), card(finding(after, spread)))
    assert found.moved == moved
    assert found.shown is (moved == "better")


def test_what_is_counted_needs_no_interval() -> None:
    size = {"id": "size/x", "metric": "size_bytes", "unit": "bytes"}
    grown = figure(card(finding(1e6, None, **size)), card(finding(1.06e6, None, **size)))
    assert grown.ratio is not None
    assert grown.moved == "worse"
    assert grown.ratio.value == pytest.approx(1.06)
    assert grown.ratio.low is None
    assert figure(card(finding(1e6, None, **size)), card(finding(1.04e6, None, **size))).moved == "equivalent"


def test_many_figures_have_one_error_rate() -> None:
    """A difference that would be shown alone is not among fifty others: one of them differs by chance."""
    others = [finding(0.01, id=f"latency/{number}") for number in range(50)]
    one = compared(card(finding(0.010)), card(finding(0.0115)))
    many = compared(card(finding(0.010), *others), card(finding(0.0115), *others))
    moved = {each.id: each.moved for each in many.figures}
    assert [each.moved for each in one.figures] == ["worse"]
    assert moved.pop(finding().id) == "undecided"
    assert set(moved.values()) == {"undecided"}


def test_a_score_that_moved_with_noise_is_counted_and_not_shown() -> None:
    found = compared(card(finding(0.010)), card(finding(0.0101)))
    assert [(each.change, each.shown) for each in found.findings] == [("score", False)]
    assert found.nothing
    shown = compared(card(finding(0.010)), card(finding(0.02)))
    assert [(each.change, each.shown) for each in shown.findings] == [("score", True)]
    assert not shown.nothing


def test_a_score_has_its_cause() -> None:
    other = finding(0.0101, target=Target(full=0.02, none=0.2))
    (found,) = compared(card(finding(0.010)), card(other)).findings
    assert (found.cause, found.shown) == ("another target", True)


def test_findings_appear_go_and_end_otherwise() -> None:
    gone, kept = finding(id="a"), finding(id="b")
    failed = finding(id="b", state=Outcome.FAILED, score=0.0, reason="it broke")
    found = compared(card(gone, kept), card(failed, finding(id="c"))).findings
    assert [(each.id, each.change) for each in found] == [("a", "went"), ("b", "state"), ("c", "appeared")]
    assert found[1].states == (Outcome.PASSED, Outcome.FAILED)
    assert found[1].cause == "it broke"


def test_different_machines_are_said_and_have_no_ratios() -> None:
    machine = msgspec.structs.replace(sample_scorecard.machine(), cpu="Another", cores=64)
    found = compared(card(finding(0.010)), card(finding(0.020), machine=machine))
    assert not found.same_machine
    assert [(each.ratio, each.moved) for each in found.figures] == [(None, "not told")]
    assert found.cautions[0].startswith("different machines (Intel")
    assert "no comparison" in said(found)


def test_a_scenario_that_was_defined_otherwise_has_no_ratios() -> None:
    mine = {"bert": {"settings": {"sequence": 32}, "title": "BERT"}}
    other = {"bert": {"settings": {"sequence": 64}, "title": "Long BERT"}}
    before, after = told(card(finding(0.01)), scenarios=mine), told(card(finding(0.02)), scenarios=other)
    found = differences.compare(before, after)
    assert found.figures[0].ratio is None
    assert any("defined otherwise (settings.sequence)" in each for each in found.cautions)


def test_what_all_figures_do_together_is_the_machines() -> None:
    def run(factor: float) -> Scorecard:
        return card(*(finding(0.01 * factor * number, id=f"latency/{number}") for number in range(1, 8)))

    found = compared(run(1.0), run(1.3))
    assert found.shift == pytest.approx(1.3)
    assert any("all figures together moved by a factor of 1.30" in each for each in found.cautions)


def test_packages_criteria_and_versions_are_named() -> None:
    before = told(card(), packages={"torch": "2.12", "keras": "3.15", "old": "1"}, seed=1)
    policy = msgspec.structs.replace(sample_scorecard.scorecard().policy, margin=0.1)
    after = told(card(policy=policy, fweval="9.9.9"), packages={"torch": "2.13", "keras": "3.15", "new": "2"}, seed=2)
    found = differences.compare(before, after)
    assert [(each.name, each.values) for each in found.packages] == [
        ("new", (None, "2")),
        ("old", ("1", None)),
        ("torch", ("2.12", "2.13")),
    ]
    assert [(each.name, each.values) for each in found.criteria] == [("policy.margin", ("0.05", "0.1"))]
    assert any("different versions of fweval (0.1.0 and 9.9.9)" in each for each in found.cautions)
    assert any("different seeds (1 and 2)" in each for each in found.cautions)


def test_verdicts_answers_and_best_paths_are_named() -> None:
    before = sample_scorecard.scorecard()
    scores = tuple(msgspec.structs.replace(each, verdict="not ready") for each in before.scores)
    answers = tuple(msgspec.structs.replace(each, answer="undecided", winner=None) for each in before.comparisons[:1])
    paths = tuple(msgspec.structs.replace(each, best=each.others, others=each.best) for each in before.paths)
    after = changed(before, scores=scores, comparisons=(*answers, *before.comparisons[1:]), paths=paths)
    found = compared(before, after)
    assert {each.verdicts[1] for each in found.verdicts} == {"not ready"}
    assert [each.id for each in found.comparisons] == [before.comparisons[0].id]
    assert {(each.question, each.entered, each.left) for each in found.paths} == {
        ("server_answer", ("PyTorch as it is",), ("PyTorch → torch.onnx → ONNX Runtime, fp32",))
    }
    assert "entered the best: PyTorch as it is" in said(found)


def said(found: Differences) -> str:
    """Return all words of the blocks."""
    return repr(tuple(_plain.plain(_shown.blocks(found))))


CARDS = st.builds(
    lambda picks, cpu: card(
        *(
            finding(0.01 * value, spread, id=f"latency/{number}", state=state,
                    score=None if state is Outcome.UNAVAILABLE else 10 / value)
            for number, (there, value, spread, state) in enumerate(picks) if there
        ),
        machine=msgspec.structs.replace(sample_scorecard.machine(), cpu=cpu),
    ),
    st.lists(
        st.tuples(
            st.booleans(),
            st.floats(1.0, 4.0),
            st.sampled_from((None, 0.001, 0.05, 0.5)),
            st.sampled_from((Outcome.PASSED, Outcome.FAILED, Outcome.UNAVAILABLE)),
        ),
        max_size=8,
    ),
    st.sampled_from(("A", "B")),
)  # fmt: skip


@given(CARDS)
def test_a_run_does_not_differ_from_itself(one: Scorecard) -> None:
    found = compared(one, one)
    assert found.nothing
    assert found.findings == ()
    assert all(each.moved in ("equivalent", "undecided", "not told") for each in found.figures)


OPPOSITE = {"better": "worse", "worse": "better", "appeared": "went", "went": "appeared"}


@given(CARDS, CARDS)
def test_exchanging_two_runs_mirrors_what_is_found(one: Scorecard, two: Scorecard) -> None:
    there, back = compared(one, two), compared(two, one)
    assert {
        each.id: (OPPOSITE.get(each.change, each.change), each.states[::-1], each.shown) for each in there.findings
    } == {each.id: (each.change, each.states, each.shown) for each in back.findings}
    returned = {each.id: each for each in back.figures}
    assert returned.keys() == {each.id for each in there.figures}
    for each in there.figures:
        other = returned[each.id]
        assert OPPOSITE.get(each.moved, each.moved) == other.moved
        assert each.values == other.values[::-1]
        if each.ratio is None or other.ratio is None:
            assert each.ratio is other.ratio
        else:
            assert each.ratio.value * other.ratio.value == pytest.approx(1)
            assert (each.ratio.low or 1) * (other.ratio.high or 1) == pytest.approx(1)


def test_the_command_tells_both(tmp_path: Path) -> None:
    made_run.write(tmp_path / "a")
    done = CliRunner().invoke(cli.app, ["compare", str(tmp_path / "a"), str(tmp_path / "a")], standalone_mode=False)
    assert done.exit_code == 0, done.output
    assert "Nothing is shown to be different." in done.output
    done = CliRunner().invoke(cli.app, ["compare", str(tmp_path / "a"), str(tmp_path / "a"), "--json"])
    assert msgspec.json.decode(done.output, type=Differences).nothing


def test_half_a_run_and_one_that_was_changed_are_refused(tmp_path: Path) -> None:
    folder = made_run.write(tmp_path / "a")
    ref = next(ref for each in whole.read(folder).findings for ref in each.evidence)
    path = folder.path / ref.path
    path.write_text(path.read_text() + " ")
    with pytest.raises(IncompleteEvidence, match=r"result\.json is not what a finding rests on"):
        whole.read(folder)
    path.unlink()
    with pytest.raises(IncompleteEvidence, match="missing: a finding rests on it"):
        whole.read(folder)
