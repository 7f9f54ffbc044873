"""TPU: what is planned, how far a program came, what is judged and shown of it. No compiler, and no framework."""

import dataclasses
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from evaluator.checks.tpu_readiness import plugin as check
from evaluator.children import environments
from evaluator.claims import reading
from evaluator.core import tpu
from evaluator.core.claims import NOT_TESTABLE, SUPPORTED, UNDECIDED, Instance, Verdict
from evaluator.core.outcome import Outcome
from evaluator.core.records import Figure, Metrics, Result
from evaluator.core.scorecard import Finding, Risk, Scorecard
from evaluator.core.store import Plan
from evaluator.core.tpu import ProgramName, State
from evaluator.judging import claims
from evaluator.judging.evidence import Entry, Evidence
from evaluator.pipeline import PLANNED
from evaluator.planning import plan
from evaluator.planning.selection import Options
from evaluator.report.markdown import plugin as markdown
from evaluator.report.sections.tpu import plugin as section
from evaluator.stages import tpu as stage
from evaluator.stages._tpu import Lowering, Shape, compiled
from evaluator.stages._tpu_tensorflow import without_kernels
from scenarios.loading import load_scenario
from tests import fakes
from tests.engine import BROUGHT, PROFILE, PaperMachine

ARTICLE = reading.load(Path(reading.__file__).with_name("article.toml"))
TEXT = """
  sdy.mesh @mesh = <[]>
  %0 = stablehlo.dot_general %arg0, %arg1 : tensor<2x2xf32>
  %1 = "stablehlo.gather"(%0, %arg2) : tensor<2xf32>
  %2 = stablehlo.reduce(%1 init: %cst) applies stablehlo.add across dimensions = [0]
  %3 = chlo.erf %2 : tensor<f32>
  %4 = stablehlo.dot_general %3, %3 : tensor<f32>
  return %4
"""
COUNTED = {"chlo.erf": 1, "stablehlo.dot_general": 2, "stablehlo.gather": 1, "stablehlo.reduce": 1}
INPUTS = {"x": Shape(sizes=(4, 8), dtype="float32")}


@dataclasses.dataclass
class Memory:
    """What a compiler says: also of times, which nobody is to read."""

    argument_size_in_bytes: int = 100
    output_size_in_bytes: int = 10
    temp_size_in_bytes: int = 0
    generated_code_size_in_bytes: int = 1000

    @property
    def optimal_seconds(self) -> float:
        raise AssertionError("it is no measurement")


class Lowered:
    """What JAX lowered, on paper; its compiler accepts it unless it is told to say something."""

    def __init__(self, says: str = "") -> None:
        self._says = says

    def as_text(self) -> str:
        return TEXT

    def compile(self) -> Any:
        if self._says:
            raise RuntimeError(self._says)
        return self

    def memory_analysis(self) -> Memory:
        return Memory()


class Paper(Lowering):
    """A way to StableHLO that gives what it is told to, or raises it."""

    packages = ("msgspec",)

    def __init__(self, gives: Lowered | Exception, *unlowered: str) -> None:
        self._gives = gives
        self._unlowered = unlowered

    def lower(self, program: ProgramName, inputs: Mapping[str, Shape], target: Any) -> Any:
        if isinstance(self._gives, Exception):
            raise self._gives
        return self._gives

    def unlowered(self, failure: Exception | None) -> tuple[str, ...]:
        return self._unlowered


TARGET: Any = None  # what is on paper looks at no TPU


def test_a_program_that_is_accepted_is_counted_and_its_memory_is_as_the_compiler_says() -> None:
    made = compiled(Paper(Lowered()), "training", INPUTS, TARGET)
    assert made.text == TEXT
    assert msgspec.to_builtins(made.program) == {
        "program": "training",
        "state": "accepted",
        "batch": 4,
        "unlowered": (),
        "why": "",
        "operators": COUNTED,
        "memory": {"arguments": 100, "outputs": 10, "temporary": 0, "code": 1000},
    }


@pytest.mark.parametrize(
    ("lowering", "state", "said"),
    [
        (
            Paper(Lowered("20 GB of 16 GB")),
            "refused",
            "training: partial: lowers to StableHLO, and the TPU compiler refuses it (RuntimeError: 20 GB of 16 GB)",
        ),
        (
            Paper(ValueError("no size"), "aten::nonzero", "aten::bincount"),
            "unlowered",
            "training: partial: does not lower to StableHLO in all: aten::nonzero, aten::bincount",
        ),
        (
            Paper(Lowered(), "aten::nonzero"),  # what stands in for its result is no result
            "unlowered",
            "training: partial: does not lower to StableHLO in all: aten::nonzero",
        ),
        (Paper(ValueError("no way")), "failed", "training: does not lower to StableHLO (ValueError: no way)"),
    ],
)
def test_what_a_tool_refuses_is_an_answer(lowering: Paper, state: State, said: str) -> None:
    found = compiled(lowering, "training", INPUTS, TARGET).program
    assert found.state == state
    assert stage.said(found) == said
    assert found.operators == (COUNTED if state == "refused" else {})
    assert not found.memory


def test_operators_without_a_kernel_are_named_by_whatever_the_failure_came_of() -> None:
    inner = RuntimeError(
        "unsupported: AsString (No registered 'AsString' OpKernel for XLA_CPU_JIT devices){{node a}}, "
        "StringLength (No registered 'StringLength' OpKernel for XLA_CPU_JIT devices){{node b}}"
    )
    outer = ValueError("Error compiling TensorFlow function")
    outer.__cause__ = inner
    assert without_kernels(outer) == ("AsString", "StringLength")
    assert without_kernels(ValueError("something else")) == without_kernels(None) == ()


def made(machine: PaperMachine | None = None) -> Plan:
    scenarios = [load_scenario("tiny"), BROUGHT]
    return plan.make_plan(scenarios, PROFILE, Options(), machine or PaperMachine(), PLANNED)


def test_each_framework_of_each_scenario_is_compiled_behind_the_proof_that_both_are_the_same() -> None:
    found = made()
    steps = [step for step in found.steps if step.stage == "tpu"]
    assert [(step.scenario, step.framework) for step in steps] == [
        (scenario, framework) for scenario in ("tiny", "brought") for framework in ("pytorch", "tensorflow")
    ]
    needed = {step.id: step for step in found.steps}
    for step in steps:
        assert not step.measures
        assert not step.in_turns
        assert step.environment == "tpu"
        assert step.settings["environment"] == environments.identity("tpu")
        (behind,) = (needed[each] for each in step.needs.values())
        assert (behind.stage, behind.framework) == (
            "align" if step.scenario == "tiny" else "origin",
            step.framework,
        )


def test_without_the_environment_each_step_says_why() -> None:
    others = tuple(name for name in environments.names() if name != "tpu")
    found = made(PaperMachine(environments=others))
    steps = {step.id for step in found.steps if step.stage == "tpu"}
    endings = [result for result in found.impossible if result.step in steps]
    assert len(endings) == len(steps) == 4
    assert {(each.outcome, each.reason, each.remedy) for each in endings} == {
        (Outcome.UNAVAILABLE, "no environment tpu here", "make it")
    }


def entry(framework: str, outcome: Outcome, **states: State) -> Entry:
    """Return what a step left whose programs ended so."""
    base = next(
        each for each in fakes.complete_run().entries if (each.step.stage, each.step.framework) == ("ease", framework)
    )
    step = msgspec.structs.replace(base.step, stage="tpu", id=f"tpu-{framework}")
    figures = tuple(
        Figure(name="tpu_state", value=state, labels={"program": name}) for name, state in states.items()
    ) + tuple(
        Figure(name="unlowered_operators", value=("aten::nonzero",), labels={"program": name})
        for name, state in states.items()
        if state == "unlowered"
    )
    metrics: Metrics = {"compiled_for": "TPU v5 lite", "compiled_by": ("jax 1",)} if states else {}
    reason = None if outcome is Outcome.PASSED else "because"
    result = Result(step=step.id, outcome=outcome, reason=reason, metrics=metrics, figures=figures)
    return dataclasses.replace(base, step=step, result=result, samples={}, folder=f"steps/{step.id}")


def run(*entries: Entry) -> Evidence:
    whole = fakes.complete_run()
    return dataclasses.replace(whole, entries=(*whole.entries, *entries))


BOTH = (
    entry("pytorch", Outcome.PASSED, training="accepted"),
    entry("tensorflow", Outcome.PASSED, training="accepted", inference="accepted"),
)


def judged(*entries: Entry) -> dict[str, Finding]:
    return {each.candidate: each for each in check.judge(run(*entries))}


def test_what_is_accepted_has_full_marks_at_the_lowest_risk() -> None:
    found = judged(*BOTH)
    assert {each.score for each in found.values()} == {10.0}
    assert {each.risk for each in found.values()} == {Risk.LOW}
    assert found["tensorflow"].reason == f"training, inference: {tpu.ACCEPTED_IN_WORDS}"
    assert (found["pytorch"].metric, found["pytorch"].value, found["pytorch"].unit) == (
        "programs_refused",
        0.0,
        "count",
    )


@pytest.mark.parametrize(
    ("states", "score", "refused"),
    [
        ({"training": "unlowered"}, 5.0, 1.0),
        ({"training": "refused"}, 5.0, 1.0),
        ({"training": "failed"}, 0.0, 1.0),
        ({"training": "unlowered", "inference": "accepted"}, 7.5, 1.0),
        ({"training": "failed", "inference": "refused"}, 2.5, 2.0),
    ],
)
def test_what_is_not_accepted_has_what_its_programs_have_in_the_mean(
    states: dict[str, State], score: float, refused: float
) -> None:
    found = judged(entry("pytorch", Outcome.FAILED, **states), BOTH[1])["pytorch"]
    assert (found.state, found.score, found.value, found.reason) == (Outcome.FAILED, score, refused, "because")


@pytest.mark.parametrize(
    "outcome", [Outcome.UNAVAILABLE, Outcome.TIMED_OUT, Outcome.CRASHED, Outcome.ERROR, Outcome.FAILED]
)
def test_a_compiler_that_did_not_answer_leaves_the_question_open(outcome: Outcome) -> None:
    found = judged(entry("pytorch", outcome), BOTH[1])["pytorch"]
    assert (found.score, found.reason) == (None, "because")
    assert found.state is (Outcome.UNAVAILABLE if outcome is Outcome.FAILED else outcome)


def test_a_framework_that_was_left_out_is_missing_and_a_run_without_the_stage_is_not_asked() -> None:
    found = judged(BOTH[0])
    assert (found["pytorch"].score, found["tensorflow"].score) == (10.0, None)
    assert not judged()
    plain = fakes.scorecard()
    assert not section.blocks(plain)
    assert "TPU: what its compiler accepts" not in markdown.render(plain)


def tpu_claim(card: Scorecard) -> tuple[Verdict, list[Instance]]:
    (found,) = (each for each in claims.audit(card, (ARTICLE,)) if each.id == "tpu")
    return found.verdict, list(found.tests)


@pytest.mark.parametrize(
    ("states", "measured", "verdict"),
    [
        (("accepted", "accepted"), UNDECIDED, UNDECIDED),  # too easy for both
        (("refused", "refused"), UNDECIDED, UNDECIDED),
        (("unlowered", "accepted"), SUPPORTED, UNDECIDED),  # how fast it is belongs to the claim
        (("accepted", "failed"), "contradicted", "contradicted"),
    ],
)
def test_the_claim_about_tpus_is_never_supported_by_acceptance_alone(
    states: tuple[State, State], measured: Verdict, verdict: Verdict
) -> None:
    entries = [
        entry(framework, Outcome.PASSED if state == "accepted" else Outcome.FAILED, training=state)
        for framework, state in zip(("pytorch", "tensorflow"), states, strict=True)
    ]
    found, (accepted, speed) = tpu_claim(fakes.scorecard(run(*entries)))
    assert (accepted.verdict, found) == (measured, verdict)
    assert (speed.verdict, speed.asked) == (NOT_TESTABLE, "what no run tests")


def test_without_the_stage_the_claim_says_which_command_would_test_it() -> None:
    verdict, (first, _) = tpu_claim(fakes.scorecard())
    assert (verdict, first.reason, first.missing) == (
        NOT_TESTABLE,
        "this run did not look at tpu",
        "fweval tpu",
    )


def test_the_report_has_a_row_for_each_model_and_names_what_does_not_lower() -> None:
    first = entry("pytorch", Outcome.FAILED, training="unlowered", inference="refused")
    size = Figure(name="tpu_temporary_bytes", value=2_000_000, labels={"program": "training"})
    second = with_figures(BOTH[1], size)
    text = markdown.render(fakes.scorecard(run(first, second)))
    part = text.partition("## TPU: what its compiler accepts")[2].partition("\n## ")[0]
    rows = [line for line in part.splitlines() if line.startswith("| resnet50")]
    assert len(rows) == 2
    assert "partial; does not lower to StableHLO in all" in rows[0]
    assert "aten::nonzero" in rows[0]
    assert rows[1].count("accepted") == 2
    assert "temporary 2.00 MB" in part
    assert "no speed" in part


def with_figures(one: Entry, *figures: Figure) -> Entry:
    result = msgspec.structs.replace(one.result, figures=(*one.result.figures, *figures))
    return dataclasses.replace(one, result=result)


def test_what_was_not_asked_for_want_of_an_environment_is_said_in_the_row() -> None:
    card = fakes.scorecard(run(entry("pytorch", Outcome.UNAVAILABLE), BOTH[1]))
    part = markdown.render(card).partition("## TPU: what its compiler accepts")[2]
    assert "| resnet50 | PyTorch | unavailable; because |" in part


def test_a_small_program_is_kept_and_a_large_one_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = compiled(Paper(Lowered()), "inference", INPUTS, TARGET)
    assert dict(stage.kept([program], tmp_path)) == {"stablehlo_inference": "inference.stablehlo.mlir.xz"}
    assert lzma.decompress((tmp_path / "inference.stablehlo.mlir.xz").read_bytes()).decode() == TEXT
    without_text = dataclasses.replace(program, text="")
    with_weights = dataclasses.replace(program, text=" " * (17 << 20))
    assert not dict(stage.kept([without_text, with_weights], tmp_path))
    monkeypatch.setattr(stage, "_MOST_KEPT_BYTES", 100)
    assert not dict(stage.kept([program], tmp_path))
