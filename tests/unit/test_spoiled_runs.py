"""A run folder that somebody spoiled: each command names what is wrong in one line, or leaves it out; none falls."""

import io
import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from rich.console import Console

from evaluator import pipeline
from evaluator.cli import app
from evaluator.core import files
from evaluator.core.errors import FwevalError, IncompleteEvidence
from evaluator.core.records import Step
from evaluator.core.store import RunFolder
from evaluator.judging import replay
from evaluator.running.progress import Reporter
from tests import made_run, spoiled
from tests.engine import make_step
from tests.paper_executor import PaperExecutor

SEEDS = range(24)
COMMANDS = ("report", "cells", "cells --csv", "score", "report")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_run.write(tmp_path_factory.mktemp("made") / "run").path


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def refusal(call: Callable[[], object]) -> FwevalError | None:
    """Return the error for people that comes out; any other one is a bug."""
    try:
        call()
    except FwevalError as error:
        return error
    return None


def ask(command: str, run: Path) -> None:
    """Give a command of the command line."""
    name, *options = command.split()
    assert app([name, str(run), *options], standalone_mode=False) in (0, 1, 3)


def plan_again(run: Path) -> None:
    """Do what a resumed run does before its first step, on a machine on paper."""
    folder, record = pipeline.resume(run)
    pipeline.make_plan(
        pipeline.Run(
            folder=folder,
            record=record,
            scenarios=pipeline.load_scenarios(record),
            stages=pipeline.through("report"),
            reporter=Reporter(Console(file=io.StringIO())),
            executor=PaperExecutor(root=run / "nowhere", names=("local",)),
        )
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_no_spoiled_file_is_a_bug(run: Path, seed: int) -> None:
    spoiled.spoil(run, Random(seed))  # noqa: S311  # chance that can be repeated
    for call in (*(partial(ask, command, run) for command in COMMANDS), partial(plan_again, run)):
        said = refusal(call)
        assert said is None or said.remedy


def changed(path: Path, change: Callable[[Any], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def step_of(run: Path, stage: str) -> Path:
    step = next(step for step in RunFolder.open(run).plan.steps if step.stage == stage and step.device == "cpu")
    return run / "steps" / step.id


@pytest.mark.parametrize("name", ["run.json", "plan.json", "catalogue.json"])
@pytest.mark.parametrize(
    "content", [b"\xff\xfe{}", b'{"id": "\xe9"}', b"[" * 100_000, b"", b'{"seed": 1e999}', b'{"id": "\\ud800"}']
)
def test_bytes_that_are_no_record_are_named(run: Path, name: str, content: bytes) -> None:
    (run / name).write_bytes(content)
    with pytest.raises(IncompleteEvidence, match=f"{name} is damaged"):
        replay.score(RunFolder.open(run))


@pytest.mark.parametrize("put", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_not_waited_for(run: Path, put: Callable[[Path], object]) -> None:
    for path in (run / "scorecard.json", step_of(run, "run") / "result.json", step_of(run, "export") / "stderr"):
        path.unlink(missing_ok=True)
        put(path)
    with pytest.raises(IncompleteEvidence, match="it is no file"):
        replay.report(RunFolder.open(run))
    replay.judge(RunFolder.open(run))


def test_a_terabyte_of_nothing_is_not_read(run: Path) -> None:
    with (run / "plan.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(IncompleteEvidence, match=r"it has 1,099,511,627,776 bytes"):
        replay.judge(RunFolder.open(run))


@pytest.mark.parametrize(
    ("stage", "metric", "value"),
    [
        ("run", "throughput_per_s", -1.0),
        ("run", "throughput_per_s", "fast"),
        ("train", "heldout_accuracy", 7),
        ("train", "train_s", 1e300),
        ("export", "size_bytes", 1e200),
        ("edge", "isa", 3),
        ("serve", "reference", "yes"),
    ],
)
def test_a_metric_that_cannot_be_is_a_result_that_is_damaged(run: Path, stage: str, metric: str, value: object) -> None:
    changed(step_of(run, stage) / "result.json", lambda result: result["metrics"].update({metric: value}))
    assert RunFolder.open(run).result(step_of(run, stage).name) is None
    replay.judge(RunFolder.open(run))
    assert replay.score(RunFolder.open(run)).findings


@pytest.mark.parametrize(
    "figure",
    [
        {"name": "outcome", "value": "fine", "labels": {"probe": "tls"}},
        {"name": "risk", "value": "none", "labels": {"probe": "tls"}},
        {"name": "rate_per_s", "value": 7.0, "labels": {"wire": "rest", "share": "half"}},
        {"name": "refusal", "value": "no", "labels": {"batch": True}},
        {"name": "latency_s", "value": 7.0, "labels": {"colour": "red"}},
        {"name": "latency_s", "value": 7.0},
    ],
)
def test_a_figure_that_cannot_be_is_a_result_that_is_damaged(run: Path, figure: dict[str, Any]) -> None:
    place = step_of(run, "probe")
    changed(place / "result.json", lambda result: result["figures"].append(figure))
    assert RunFolder.open(run).result(place.name) is None


@pytest.mark.parametrize("value", [0.0, 1e-320])
def test_a_time_of_nothing_is_compared_with_nothing(run: Path, value: float) -> None:
    for step in RunFolder.open(run).plan.steps:
        for name in ("latency", "rest", "grpc", "step", "throughput"):
            path = run / "steps" / step.id / "samples" / f"{name}.jsonl"
            if path.exists():
                path.write_text(f"{value}\n" * 20)
    replay.judge(RunFolder.open(run))
    card = replay.score(RunFolder.open(run))
    assert replay.read_scorecard(RunFolder.open(run)) == card
    assert replay.report(RunFolder.open(run))


@pytest.mark.parametrize("text", ["nan", "inf", "-1", "1e12", "", "1;2", "\udcff", "x" * 70_000])
def test_samples_that_are_no_times_are_named(run: Path, text: str) -> None:
    path = step_of(run, "run") / "samples" / "latency.jsonl"
    path.write_text(f"0.1\n{text}\n", errors="surrogateescape")
    with pytest.raises(IncompleteEvidence, match=r"latency\.jsonl is damaged") as damaged:
        replay.judge(RunFolder.open(run))
    assert len(damaged.value.message) < 1000


def test_a_training_that_diverged_is_drawn_as_far_as_it_went(run: Path) -> None:
    (step_of(run, "train") / "samples" / "loss.jsonl").write_text("2.5\n7.5\nnan\ninf\n")
    replay.judge(RunFolder.open(run))
    card = replay.score(RunFolder.open(run))
    assert ((1.0, 2.0), (2.5, 7.5)) in [(curve.x, curve.y) for curve in card.curves]
    assert replay.report(RunFolder.open(run))


@pytest.mark.parametrize("key", ["x", "y"])
def test_a_curve_whose_points_are_halved_is_damage(run: Path, key: str) -> None:
    changed(run / "scorecard.json", lambda card: card["curves"][0].update({key: [1.0]}))
    with pytest.raises(IncompleteEvidence, match="a curve has"):
        replay.read_scorecard(RunFolder.open(run))


def test_a_scenario_that_no_fweval_wrote_is_not_resumed(run: Path) -> None:
    changed(run / "run.json", lambda record: record["scenarios"]["resnet50"].update(train=7))
    record = RunFolder.open(run).record
    with pytest.raises(IncompleteEvidence, match="holds a scenario that cannot be read"):
        pipeline.load_scenarios(record)


@pytest.mark.parametrize("settings", [0, -1.0, 2**62, True, "x", [], None])
def test_a_setting_that_is_no_sensible_number_counts_as_not_given(run: Path, settings: object) -> None:
    serve = {"rate_per_s": settings, "slo_s": settings}
    changed(run / "run.json", lambda record: record["scenarios"]["resnet50"].update(serve=serve))
    judged = replay.judge(RunFolder.open(run))
    assert all(finding.score is None or 0 <= finding.score <= 10 for finding in judged.findings)


@pytest.mark.parametrize("name", ["../../elsewhere", "/etc", ".", "", "a/b", "a\n", "x" * 300, "\x1b[2J"])
def test_a_step_stays_within_the_folder_of_steps(name: str, tmp_path: Path) -> None:
    files.write_record(tmp_path / "job.json", make_step(name))
    with pytest.raises(IncompleteEvidence, match="is damaged"):
        files.read_record(tmp_path / "job.json", Step)


def test_a_folder_where_a_report_is_to_be_is_named(run: Path) -> None:
    (run / "scorecard.html").unlink()
    (run / "scorecard.html").mkdir()
    with pytest.raises(IncompleteEvidence, match=r"scorecard\.html is a folder"):
        replay.report(RunFolder.open(run))


def test_a_verdict_on_a_class_of_devices_that_is_not_there_is_damage(run: Path) -> None:
    def rename(card: dict[str, Any]) -> None:
        card["edge"] = [{"evidence": "steps/x", "device": "toaster", "verdict": "fits", "reason": "it is warm"}]

    replay.score(RunFolder.open(run))
    changed(run / "scorecard.json", rename)
    with pytest.raises(IncompleteEvidence, match="a verdict is about 'toaster'"):
        replay.report(RunFolder.open(run))


def test_two_classes_of_devices_of_one_name_are_damage(run: Path) -> None:
    changed(run / "run.json", lambda record: record["device_classes"].append(record["device_classes"][0]))
    with pytest.raises(IncompleteEvidence, match=r"run\.json is damaged: two classes of devices"):
        replay.score(RunFolder.open(run))
