"""Training until a target, for real: its steps, its evidence, and a log that MLPerf's own checker reads."""

import json
from pathlib import Path
from typing import Any

import pytest

from evaluator.core import files, registry
from evaluator.core.records import FRAMEWORKS
from tests import commands

pytestmark = pytest.mark.integration

VARIANT = "autocast_bfloat16"  # the one that changes most
RULES = "3.1.0"  # the last with both ResNet-50 and BERT
TARGET = 0.65  # of tiny's own, in `smoke`
# What of MLPerf's rules cannot be kept: a scenario of fweval's is none of its benchmarks.
CANNOT_APPLY = {"submission_benchmark", f"training_{RULES}/open_tiny.yaml"}
SCENARIO = """
name = "tiny"
title = "tiny, asked for too much"
summary = "for tests"
model = "tiny"
train = { optimizer = "sgd", learning_rate = 1e-9, batch_size = 16, most_steps = 8 }
targets = { heldout_accuracy = { smoke = 0.99 } }
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learning")
    others = (name for name in registry.names("training_variant") if name != VARIANT)
    told = ("--device", "cpu", "--out", "run", *commands.skipping(*others))
    ended = commands.fweval("learn", "tiny", *told, cwd=folder, timeout_s=240)
    assert ended.returncode == 0, ended.stderr
    assert "Time to quality: tiny" in ended.stdout
    return folder / "run"


def steps(run: Path, stage: str = "learn") -> dict[str, Path]:
    found = [path for path in (run / "steps").iterdir() if f"-{stage}-" in path.name and VARIANT not in path.name]
    return {name: path for name in FRAMEWORKS for path in found if f"-{name}-" in path.name}


def metrics(folder: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((folder / "result.json").read_text())["metrics"]
    return result


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_it_stops_at_the_first_evaluation_that_reaches_the_target(run: Path, framework: str) -> None:
    folder = steps(run)[framework]
    told, samples = metrics(folder), files.read_samples(folder)
    seen = samples["heldout_accuracy"]
    assert seen[-1] >= TARGET > max(seen[:-1], default=0.0)
    assert told["steps_to_target"] == told["steps"] == len(samples["loss"]) == told["evaluated_every"] * len(seen)
    assert told["most_steps"] == 480  # two courses of 240
    assert told["best_accuracy"] == seen[-1]
    assert 0 < told["loading_share"] < 0.5
    assert told["loading_share"] == pytest.approx(told["loading_s"] / (told["loading_s"] + told["compute_s"]))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_first_seed_goes_the_way_of_the_training(run: Path, framework: str) -> None:
    taught = files.read_samples(steps(run, "train")[framework])["loss"]
    learnt = files.read_samples(steps(run)[framework])["loss"]
    assert learnt[:5] == pytest.approx(taught[:5], rel=1e-3)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_log_is_accepted_by_mlperfs_checker_as_far_as_its_rules_apply(
    run: Path, framework: str, tmp_path: Path
) -> None:
    log = steps(run)[framework] / "mlperf.log"
    assert broken(log) == CANNOT_APPLY
    renamed = tmp_path / "renamed.log"
    renamed.write_text(
        log.read_text().replace('"submission_benchmark", "value": "tiny"', '"submission_benchmark", "value": "resnet"')
    )
    assert broken(renamed) == set(), "under the name of one of its benchmarks it keeps all rules of the open division"
    without = tmp_path / "without.log"
    without.write_text("".join(line for line in renamed.open() if '"run_stop"' not in line))
    assert broken(without) == {"run_stop"}, "the checker notices what is missing"


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_log_says_what_the_evidence_says(run: Path, framework: str) -> None:
    folder = steps(run)[framework]
    told = metrics(folder)
    lines = [json.loads(line.removeprefix(":::MLLOG ")) for line in (folder / "mlperf.log").open()]
    said = {line["key"]: line for line in lines}
    assert (said["seed"]["value"], said["global_batch_size"]["value"]) == (told["seed"], 16)
    assert said["run_stop"]["metadata"]["status"] == "success"
    seen = [(line["metadata"]["step_num"], line["value"]) for line in lines if line["key"] == "eval_accuracy"]
    assert seen[-1] == (told["steps_to_target"], pytest.approx(told["best_accuracy"]))
    assert len(seen) == told["evaluations"]
    assert [line["time_ms"] for line in lines] == sorted(line["time_ms"] for line in lines)
    assert {line["metadata"]["file"] for line in lines} == {"evaluator/stages/_mllog.py"}


def test_a_variant_that_rounds_otherwise_trains_to_the_target_too(run: Path) -> None:
    (row,) = [row for row in commands.cells(run) if row["stage"] == "learn" and row["variant"] is not None]
    assert (row["variant"], row["standard"]) == (VARIANT, False)
    if row["outcome"] == "unavailable":  # a machine without bfloat16, or one on which its trial did not pass
        assert row["reason"]
        return
    assert row["outcome"] == "passed"
    assert row["metrics"]["best_accuracy"] >= TARGET


def test_a_target_that_no_seed_reaches_is_one_line_and_the_run_is_kept(tmp_path: Path) -> None:
    (tmp_path / "vain.toml").write_text(SCENARIO)
    skipped = commands.skipping(*registry.names("training_variant"))
    told = ("--framework", "pytorch", "--device", "cpu", "--out", "run", *skipped)
    ended = commands.fweval("learn", "vain.toml", *told, cwd=tmp_path, timeout_s=200)
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    (folder,) = steps(tmp_path / "run").values()
    result = json.loads((folder / "result.json").read_text())
    assert result["outcome"] == "failed"
    assert result["reason"].startswith("the target of 99.0 % was not reached within 16 steps (best ")
    assert "steps_to_target" not in result["metrics"]
    assert '"status": "aborted"' in (folder / "mlperf.log").read_text()


def broken(log: Path) -> set[str]:
    """Return the rules of the open division that a log breaks: keys, and files of rules that there are not."""
    from mlperf_logging.compliance_checker import mlp_compliance

    class Checker(mlp_compliance.ComplianceChecker):  # type: ignore[misc]  # untyped
        def configured_checks(self, loglines: Any, config_file: str) -> None:
            if Path(config_file).exists():  # of a benchmark that it does not know it says so, and goes on
                super().configured_checks(loglines, config_file)

    checker = Checker("training", RULES, True, False)
    lines, errors = mlp_compliance.mlp_parser.parse_file(str(log), ruleset=RULES)
    assert not errors
    checker.check_loglines(lines, f"training_{RULES}/common.yaml")
    absent = {"/".join(Path(said).parts[-2:]) for said in checker.not_overwritable if "config file" in said}
    rest = {said for said in checker.not_overwritable if "config file" not in said}
    return {*checker.overwritable, *absent, *rest}
