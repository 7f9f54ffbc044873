"""One real run of the scenario `tiny`, from the command line to the reports, and what becomes of it afterwards."""

import csv
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bench import contradictions
from evaluator import pipeline
from evaluator.commands import _exits
from evaluator.core import files, registry, scratch
from evaluator.core.files import read_blocks
from evaluator.core.outcome import Outcome
from evaluator.core.records import Step
from evaluator.core.scorecard import Scorecard
from evaluator.core.store import RunFolder
from evaluator.measure.statistics import tail
from evaluator.running.turns import group_of
from evaluator.stages._first_steps import COUNT
from scenarios import loading
from scenarios.loading import load_scenario, model_of
from tests import children
from tests.commands import PROFILE, cells, fweval, skipping
from tests.figures import assert_enough, columns

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]

COLUMNS = [
    *("stage", "scenario", "framework", "format", "exporter", "precision", "runtime", "server", "launcher", "device"),
    *(
        "machine",
        "variant",
        "round",
        "control",
        "standard",
        "outcome",
        "reason",
        "remedy",
        "evidence",
        "metrics",
        "figures",
        "node",
    ),
]
BY_FORMAT = {
    ("pytorch", "torchscript", "torch_jit"),
    ("pytorch", "torchmobile", "torch_mobile"),
    ("pytorch", "onnx", "onnx_runtime"),
    ("tensorflow", "savedmodel", "tensorflow"),
    ("tensorflow", "tflite", "tflite_runtime"),
    ("tensorflow", "tflite", "ai_edge_litert"),
    ("tensorflow", "onnx", "onnx_runtime"),
}
# Asked in tests of their own: probes of both scenarios' servers in test_serving.py, the TPU in test_tpu.py, what each
# way to train computes in test_equivalence.py. One way to set runtimes up, or to train, stands for those like it.
WAYS_LEFT_OUT = ("channels_last", "fused_channels_last", "run_eagerly")
LEFT_OUT = ("probe", "tpu", "passive_wait", *WAYS_LEFT_OUT)
PARITY = {"max_abs_diff", "max_rel_diff", "cosine", "top1_agreement", "smallest_tolerance", "tolerance", "accuracy"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("full")
    (folder / "e2e.toml").write_text(PROFILE)
    return folder


@pytest.fixture(scope="module")
def done(home: Path) -> subprocess.CompletedProcess[str]:
    asked = ("tiny", "--profile", "e2e.toml", *skipping(*LEFT_OUT), "--out", "run")
    return fweval("full", *asked, cwd=home, timeout_s=700)


@pytest.fixture(scope="module")
def run(home: Path, done: subprocess.CompletedProcess[str]) -> Path:
    assert (home / "run" / "scorecard.json").exists(), done.stderr
    return home / "run"


@pytest.fixture(scope="module")
def rows(run: Path) -> list[dict[str, Any]]:
    return cells(run)


def select(rows: list[dict[str, Any]], **fields: Any) -> list[dict[str, Any]]:
    return [row for row in rows if all(row[name] == value for name, value in fields.items())]


def test_the_exit_code_is_the_verdict(done: subprocess.CompletedProcess[str], run: Path) -> None:
    verdict = _exits.of_scorecard(files.read_record(run / "scorecard.json", Scorecard))
    assert done.returncode == verdict
    assert "Traceback" not in done.stderr


def test_every_row_has_the_columns_and_a_known_ending(rows: list[dict[str, Any]]) -> None:
    assert all(list(row) == COLUMNS for row in rows)
    endings = {row["evidence"]: (row["outcome"], row["reason"]) for row in rows}
    surprises = {k: v for k, v in endings.items() if v[0] not in ("passed", "unavailable", "not_applicable")}
    assert surprises == {}
    assert {row["scenario"] for row in rows} == {"tiny"}


def test_every_stage_ran_in_both_frameworks(rows: list[dict[str, Any]]) -> None:
    passed = {(row["stage"], row["framework"]) for row in select(rows, outcome="passed")}
    stood_in = {("load", "tensorflow")} if select(rows, launcher="embedded", outcome="passed") else set()
    assert not passed & stood_in
    assert passed | stood_in == {
        (stage, framework)
        for stage in pipeline.PLANNED
        # Origins are of brought models; without a target, nothing learns.
        if registry.load("stage", stage).shown and stage not in ("probe", "tpu", "origin", "learn")
        for framework in ("pytorch", "tensorflow")
    }


@pytest.mark.parametrize("stage", ["verify", "run"])
def test_every_format_passed_in_each_of_its_runtimes(stage: str, rows: list[dict[str, Any]]) -> None:
    passed = select(rows, stage=stage, device="cpu", outcome="passed")
    as_it_is = {("pytorch", None, "pytorch_eager"), ("tensorflow", None, "keras_eager")} if stage == "run" else set()
    assert {(row["framework"], row["format"], row["runtime"]) for row in passed} == BY_FORMAT | as_it_is


def test_training_figures(rows: list[dict[str, Any]]) -> None:
    for row in select(rows, stage="train", device="cpu", variant=None):
        metrics = row["metrics"]
        assert metrics["steps"] == 10 * load_scenario("tiny").training.epochs  # ten batches of 16 each
        assert 0 < metrics["step_s"] <= metrics["train_s"]
        parts = [metrics[name] for name in ("import_s", "build_s", "time_to_first_step_s", "evaluation_s")]
        assert all(part > 0 for part in parts)
        assert metrics["fixed_s"] == pytest.approx(sum(parts[:3]) - metrics["step_s"])
        planned = metrics["fixed_s"] + metrics["planned_steps"] * metrics["step_s"]
        assert metrics["planned_steps"] == 37_500
        assert metrics["planned_training_s"] == pytest.approx(planned)
        assert metrics["peak_rss_bytes"] > 50_000_000
        assert 0 < metrics["heldout_accuracy"] <= 1
    defaults = select(rows, stage="train", device="cpu", variant=None)
    torch, tensorflow = (select(defaults, framework=name)[0] for name in ("pytorch", "tensorflow"))
    assert columns(tensorflow)["max_rel_diff between=frameworks"] < 1e-4
    assert torch["metrics"]["parameters"] == tensorflow["metrics"]["parameters"]


def test_both_trainings_were_alive_together_and_what_is_planned_is_said(rows: list[dict[str, Any]], run: Path) -> None:
    trained = select(rows, stage="train", device="cpu", outcome="passed")
    for row in trained:
        found = read_blocks(run / row["evidence"])
        assert {f"steps/{name}" for name in found.together} == {each["evidence"] for each in trained}
        alone = 1 if row["variant"] is None else COUNT
        assert len(files.read_samples(run / row["evidence"])["step"]) == row["metrics"]["steps"] - alone
        assert len(files.read_samples(run / row["evidence"])["loss"]) == row["metrics"]["steps"]
    (training,) = files.read_record(run / "scorecard.json", Scorecard).trainings
    assert training.arithmetic == "60,000 examples in batches of 16 are 3,750 steps, 10 times: 37,500 steps"
    assert set(training.costs) == {"pytorch", "tensorflow"}
    assert training.turning_point
    for name in ("scorecard.html", "scorecard.md"):
        assert training.arithmetic in (run / name).read_text().replace("\\", "")


def test_both_take_the_same_step_and_so_do_the_ways_to_train_beside_the_defaults(
    rows: list[dict[str, Any]], run: Path
) -> None:
    (compared,) = select(rows, stage="equivalence", device="cpu", framework="tensorflow")
    parities = {name: value for name, value in columns(compared).items() if name.endswith("_parity between=frameworks")}
    assert len(parities) == 5
    assert all(0 <= value <= 1 for value in parities.values())
    ways = [row for row in select(rows, stage="train", device="cpu") if row["variant"]]
    model, settings = model_of(load_scenario("tiny"))
    assert {row["variant"] for row in ways} == {
        each.name
        for each in registry.load_all("training_variant")
        if each.name not in WAYS_LEFT_OUT
        if each.effort == 0 and each.applies(model.signature(settings, each.framework), cuda=False)
    }
    for row in select(ways, outcome="passed"):
        told = {name: value for name, value in columns(row).items() if name.endswith("_parity between=default")}
        assert all(0 <= value <= 1 for value in told.values())
        assert len(told) == 5
    (training,) = files.read_record(run / "scorecard.json", Scorecard).trainings
    assert {each.variant for each in training.variants} == {None, *(row["variant"] for row in ways)}
    assert all(each.reason for each in training.variants if each.outcome is Outcome.UNAVAILABLE)
    for name in ("scorecard.html", "scorecard.md"):
        assert "Ways to train" in (run / name).read_text()


def test_export_figures(rows: list[dict[str, Any]], run: Path) -> None:
    exports = select(rows, stage="export")
    assert {(row["framework"], row["format"]) for row in exports} == {pair[:2] for pair in BY_FORMAT}
    for row in exports:
        assert row["metrics"]["size_bytes"] > 10_000
        assert row["metrics"]["export_s"] > 0
        assert (run / row["evidence"] / "artifact").exists()


def test_every_artifact_was_proven_before_it_was_timed(rows: list[dict[str, Any]]) -> None:
    for row in select(rows, stage="verify", outcome="passed"):
        assert set(row["metrics"]) >= PARITY
        assert row["metrics"]["max_rel_diff"] <= row["metrics"]["tolerance"]
        assert row["metrics"]["cases"] == 16


def assert_tails(metrics: Mapping[str, Any], folder: Path, track: str, figure: str = "latency_s") -> None:
    """Compare p50 and p90 with what the undisturbed calls allow: of too few, either may be missing, and only then."""
    samples = files.read_samples(folder)[track]
    blocks, calls = [block for block in read_blocks(folder).blocks if block.track == track], iter(samples)
    taken = [(block.quiet, tuple(itertools.islice(calls, block.calls))) for block in blocks]
    quiet = [each for is_quiet, seconds in taken if is_quiet for each in seconds] or samples
    known = {f"p{100 * p:g}": tail(quiet, p) for p in (0.5, 0.9)}
    assert {each: metrics.get(f"{figure} statistic={each}") for each in known} == known
    found = [each for each in known.values() if each is not None]
    assert set(found) <= set(samples)
    assert found == sorted(found)


def test_what_artifacts_take_on_a_small_computer(rows: list[dict[str, Any]], run: Path) -> None:
    edge = select(rows, stage="edge", outcome="passed")
    servers = {("pytorch", "torchscript", "torch_jit"), ("tensorflow", "savedmodel", "tensorflow")}
    assert {(row["framework"], row["format"], row["runtime"]) for row in edge} == BY_FORMAT - servers
    for row in edge:
        metrics = columns(row)
        assert metrics["runtime_rss_bytes"] < metrics["peak_rss_bytes"]
        assert metrics["runtime_bytes"] > 10_000_000
        assert 0 < metrics["latency_s statistic=median"] < metrics["cold_start_s"]
        assert_tails(metrics, run / row["evidence"], "latency")
        assert "no Docker engine answers" in metrics["ram_floor_unmeasured"]
    card = files.read_record(run / "scorecard.json", Scorecard)
    assert [device.name for device in card.device_classes] == [each.name for each in loading.load_devices()]
    assert len(card.edge) == len(edge) * len(card.device_classes)
    gateway = [fit for fit in card.edge if fit.device == "x86-gateway"]
    assert {fit.verdict for fit in gateway if "tflite" in fit.evidence} == {"fits"}


def test_latencies_are_order_statistics_of_the_samples_kept(rows: list[dict[str, Any]], run: Path) -> None:
    for row in select(rows, stage="run", outcome="passed", variant=None):
        metrics = columns(row)
        samples = files.read_samples(run / row["evidence"])["latency"]
        assert len(samples) == metrics["queries"]
        assert_enough(read_blocks(run / row["evidence"]), "latency", metrics)
        assert_tails(metrics, run / row["evidence"], "latency")
        assert "latency_s statistic=p95" not in metrics
        assert metrics["throughput_batch"] == 32
        assert metrics["throughput_per_s"] > 0
        assert metrics["load_s"] > 0


def test_one_subject_is_measured_twice(rows: list[dict[str, Any]]) -> None:
    (control,) = [row for row in select(rows, stage="run", outcome="passed") if row["control"]]
    same = {"framework": control["framework"], "runtime": control["runtime"], "device": "cpu", "variant": None}
    twins = select(rows, stage="run", **same)
    assert len(twins) == 2


def test_both_servers_answered_alike_over_both_wires_and_left_nothing(rows: list[dict[str, Any]], run: Path) -> None:
    served = select(rows, stage="serve", outcome="passed")
    assert {(row["server"], row["framework"]) for row in served} == {
        ("torchserve", "pytorch"),
        ("tensorflow_serving", "tensorflow"),
    }
    for row in served:
        metrics, samples = columns(row), files.read_samples(run / row["evidence"])
        for wire in ("rest", "grpc"):
            assert metrics[f"max_rel_diff wire={wire}"] <= 1e-5
            assert metrics[f"latency_s wire={wire} statistic=median"] > 0
            assert_tails(metrics, run / row["evidence"], wire, f"latency_s wire={wire}")
            assert metrics[f"queries wire={wire}"] == len(samples[wire])
            assert_enough(read_blocks(run / row["evidence"]), wire, metrics)
        assert metrics["leftovers"] == 0
        assert metrics["ready_s"] > 0


def test_on_a_stand_in_no_load_is_measured(rows: list[dict[str, Any]]) -> None:
    for row in select(rows, launcher="embedded", stage="load"):
        assert row["outcome"] in {"unavailable", "not_applicable"}
        assert row["reason"].startswith(("not measured: stand-in", "launcher '"))


def test_the_reference_server_is_labelled(rows: list[dict[str, Any]]) -> None:
    for row in select(rows, launcher="embedded", outcome="passed"):
        assert row["metrics"]["reference"] is True
        assert row["reason"] == "reference implementation, not tensorflow_model_server"
    (torchserve,) = select(rows, stage="serve", server="torchserve", outcome="passed")
    assert torchserve["metrics"]["reference"] is False


def test_what_could_not_be_had_says_why_and_how_to_get_it(rows: list[dict[str, Any]]) -> None:
    gone = select(rows, outcome="unavailable")
    assert all(row["reason"] and row["remedy"] and not row["metrics"] for row in gone)
    on_gpu = [row for row in rows if row["device"] == "gpu"]
    assert {row["stage"] for row in on_gpu} == {"equivalence", "train", "learn", "verify", "run"}
    assert {(row["server"], row["launcher"]) for row in select(rows, stage="serve")} == {
        ("torchserve", "container"),
        ("torchserve", "process"),
        ("tensorflow_serving", "container"),
        ("tensorflow_serving", "process"),
        ("tensorflow_serving", "embedded"),
    }


def test_the_table_has_the_same_rows_as_csv(run: Path, rows: list[dict[str, Any]]) -> None:
    done = fweval("cells", run, "--csv", cwd=run)
    table = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [(row["stage"], row["evidence"], row["outcome"]) for row in table] == [
        (row["stage"], row["evidence"], row["outcome"]) for row in rows
    ]


def test_scoring_again_gives_the_same_bytes(run: Path) -> None:
    before = (run / "scorecard.json").read_bytes()
    for _ in range(2):
        fweval("score", run, cwd=run)
        assert (run / "scorecard.json").read_bytes() == before


def test_every_report_can_be_written_again(run: Path) -> None:
    names = [f"scorecard.{ending}" for ending in ("html", "md", "csv", "xml", "json")]
    before = {name: (run / name).read_bytes() for name in names}
    for name in names[:-1]:
        (run / name).unlink()
    done = fweval("report", run, cwd=run)
    assert done.returncode == 0, done.stderr
    assert {name: (run / name).read_bytes() for name in names} == before


def test_events_tell_the_story(run: Path) -> None:
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert events[0]["event"] == "session"
    started = [event["step"] for event in events if event["event"] == "started"]
    ended = [event["step"] for event in events if event["event"] == "ended"]
    assert sorted(started) == sorted(ended)
    assert len(set(started)) == len(started)
    steps = {step.id: step for step in RunFolder.open(run).plan.steps}
    at_work: dict[str, Step] = {}
    for event in (each for each in events if each["event"] in ("started", "ended")):
        step = steps[event["step"]]
        if event["event"] == "ended":
            at_work.pop(step.id)
            continue
        for other in at_work.values():
            together = group_of(step) is not None and group_of(step) == group_of(other)
            assert together or not (step.measures or other.measures), f"{step.id} started beside {other.id}"
        at_work[step.id] = step


def test_nothing_is_left_in_the_temporary_folder(run: Path) -> None:
    assert [path for path in (run / "steps").iterdir() if scratch.of(path).exists()] == []


def test_an_export_can_be_repeated_by_hand(run: Path, rows: list[dict[str, Any]]) -> None:
    (row,) = select(rows, stage="export", format="savedmodel")
    script = run / row["evidence"] / "reproduce.sh"
    env = {**os.environ, "PYTHON": sys.executable}
    subprocess.run([str(script)], check=True, timeout=120, env=env, capture_output=True)
    again = json.loads((script.parent / "again" / "result.json").read_text())
    assert again["outcome"] == "passed"
    assert again["metrics"]["size_bytes"] == pytest.approx(row["metrics"]["size_bytes"], rel=0.01)
    shutil.rmtree(script.parent / "again")


def test_resuming_a_complete_run_does_nothing_again(home: Path, run: Path) -> None:
    paths = [run / "steps" / row["evidence"].partition("/")[2] for row in cells(run) if row["outcome"] == "passed"]
    before = {path.name: (path / "result.json").stat().st_mtime_ns for path in paths}
    card = (run / "scorecard.json").read_bytes()
    done = fweval("full", "--resume", run, cwd=home, timeout_s=60)
    assert {path.name: (path / "result.json").stat().st_mtime_ns for path in paths} == before
    assert (run / "scorecard.json").read_bytes() == card
    assert f"{len(before) + 2} already done" in done.stderr  # and the two that align


def test_a_second_run_in_the_folder_is_refused(home: Path, run: Path) -> None:
    done = fweval("full", "tiny", "--profile", "e2e.toml", "--out", run, cwd=home)
    assert done.returncode == 2
    assert done.stderr == f"fweval: {run} is not empty (continue it with --resume {run})\n"


@pytest.fixture
def corrupt(home: Path, run: Path) -> Iterator[Path]:
    """A copy of the run in which two artifacts lost a few bytes: one before, one after it had been proven."""
    copy = home / "corrupt"
    shutil.copytree(run, copy)
    plan = RunFolder.open(copy).plan.steps
    for wanted in ("torchscript", "tflite"):
        (export,) = [step.id for step in plan if step.stage == "export" and step.format == wanted]
        flip(next(path for path in (copy / "steps" / export / "artifact").rglob("*") if path.is_file()))
    forget(copy, [s for s in plan if (s.stage, s.format) in {("verify", "torchscript"), ("run", "tflite")}])
    yield copy
    shutil.rmtree(copy)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4] = bytes(255 - byte for byte in content[middle : middle + 4])
    path.unlink()  # bundles may be hard links to it
    path.write_bytes(content)


def forget(run: Path, steps: list[Step]) -> None:
    for step in steps:
        if step.device == "cpu":
            shutil.rmtree(run / "steps" / step.id)


def test_a_corrupt_artifact_is_refused_and_nothing_of_it_is_timed(home: Path, corrupt: Path) -> None:
    done = fweval("full", "--resume", corrupt, cwd=home, timeout_s=300)
    assert done.returncode in (1, 3), done.stderr
    rows = [row for row in cells(corrupt) if row["device"] == "cpu"]
    differs = "the artifact is not the one that was exported: its digest differs"
    (proof,) = select(rows, stage="verify", format="torchscript")
    assert (proof["outcome"], proof["reason"], proof["metrics"]) == ("failed", differs, {})
    assert "move steps/tiny-export-pytorch-torchscript" in proof["remedy"]
    for row in [
        *select(rows, stage="run", format="torchscript"),
        *select(rows, stage="serve", launcher="process", server="torchserve"),
    ]:
        assert row["outcome"] == "unavailable"
        assert row["reason"] == f"not measured, because {BLOCKED}: {differs}"
        assert row["figures"] == []
    timed = select(rows, stage="run", format="tflite")
    assert [(row["outcome"], row["reason"]) for row in timed] == [("failed", differs)] * 2
    assert select(rows, stage="run", format="onnx", outcome="passed")


BLOCKED = "the proof of its outputs did not pass (failed)"


def test_two_different_models_stop_the_run_before_training(home: Path) -> None:
    text = (Path(loading.__file__).parent / "library" / "tiny.toml").read_text()
    strict = text.replace("[train]", "start_tolerance = 1e-30\n\n[train]", 1)
    (home / "strict.toml").write_text(strict)
    done = fweval("full", "strict.toml", "--profile", "e2e.toml", "--out", "strict", cwd=home, timeout_s=120)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("fweval: scenario tiny: the two models differ at the start: ")
    assert "logits" in last
    assert not [path for path in (home / "strict" / "steps").glob("tiny-train-*") if "gpu" not in path.name]


def test_one_stage_of_one_framework_can_be_run_alone_and_the_rest_later(home: Path) -> None:
    # Equivalence leaves out what rests on it: ways to train. The profile has no target to learn for, and says so.
    left_out = ("serve", "ease", "tpu", "learn", "equivalence", "half_threads", "passive_wait")
    only = ["--framework", "pytorch", "--only", "torchscript", "--device", "cpu"]
    asked = ("tiny", "--profile", "e2e.toml", *only, *skipping(*left_out), "--out", "alone")
    done = fweval("export", *asked, cwd=home, timeout_s=200)
    assert done.returncode == 0, done.stderr
    exported = {(row["stage"], row["framework"], row["outcome"]): row["evidence"] for row in cells(home / "alone")}
    assert set(exported) == {(stage, "pytorch", "passed") for stage in ("train", "export")}
    assert "TorchScript" in done.stdout
    assert "[3/3]" in done.stderr  # align, train, export: later stages are not counted

    rest = fweval("full", "--resume", "alone", cwd=home, timeout_s=200)
    assert rest.returncode in (0, 1, 3), rest.stderr
    rows = {(row["stage"], row["framework"], row["outcome"]): row["evidence"] for row in cells(home / "alone")}
    assert set(rows) == set(exported) | {(stage, "pytorch", "passed") for stage in ("verify", "run", "upkeep")}
    assert exported.items() <= rows.items()
    assert "3 already done" in rest.stderr


def test_a_run_beside_a_busy_process_contradicts_none_of_what_this_one_says(home: Path, run: Path) -> None:
    """It may leave more undecided, or be too disturbed to rank: it must not name another winner."""
    with children.started([sys.executable, "-c", "while True: pass"]) as neighbour:
        left_out = (
            "equivalence",
            "edge",
            "serve",
            "load",
            "probe",
            "ease",
            "tpu",
            "tflite",
            "torchmobile",
            "onnx",
            "half_threads",
            "passive_wait",
            "upkeep",
        )
        asked = ("--profile", "e2e.toml", *skipping(*left_out), "--out", "beside")
        done = fweval("full", "tiny", *asked, cwd=home, timeout_s=550)
        neighbour.kill()
    beside = home / "beside"
    assert (beside / "scorecard.json").exists(), done.stderr
    assert "the machine is not quiet" in done.stderr + done.stdout
    assert list(contradictions.contradictions(contradictions.read(run), contradictions.read(beside))) == []
    shares = [float(row["metrics"]["others_cores"]) for row in select(cells(beside), stage="run", outcome="passed")]
    assert min(shares) > 0.2, "a busy process is noticed"
