"""Both scenarios behind TorchServe, one as a process and one in a container: parity, load, probes, nothing left behind.

Two runs of the command, short but real. (Which of the two is served how makes no difference to what is tested here.)
Containers are required where FWEVAL_REQUIRE says so, as CI does. (The reference server is asked the same as a process
in test_full.py, and from its container in tests/integration; so is TorchServe as a process asked every probe.)
"""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from evaluator.children import engine
from evaluator.core import files, registry
from evaluator.core.scorecard import Scorecard
from tests.commands import PROFILE, cells, fweval
from tests.containers import engine_or_skip
from tests.figures import assert_enough, columns, quiet_pairs

pytestmark = [pytest.mark.e2e, pytest.mark.alone, pytest.mark.timeout(2000)]

SERVED = {"resnet50": "process", "bert": "container"}  # by scenario; who takes longer is asked less
PROBED = {name: launcher for name, launcher in SERVED.items() if launcher == "container"}
IMAGE = "fweval/torchserve:local"
WIRES = ("rest", "grpc")
# What every server must survive, whoever made it; the other probes may fail, and say so.
MUST_PASS = ("batch_neighbours", "hot_swap", "metrics_present", "server_kill", "slow_client")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    engine_or_skip(IMAGE)
    folder = tmp_path_factory.mktemp("serving")
    (folder / "e2e.toml").write_text(PROFILE)
    return folder


@pytest.fixture(scope="module")
def done(home: Path) -> dict[str, subprocess.CompletedProcess[str]]:
    """Run both at once: most of the time each waits for its server, and nothing here depends on how fast they are."""
    asked = ["--framework", "pytorch", "--profile", "e2e.toml", "--device", "cpu"]

    def run(scenario: str) -> subprocess.CompletedProcess[str]:
        stages = ("serve", "load", "probe") if scenario in PROBED else ("serve", "load")
        only = (part for name in (*stages, "torchscript") for part in ("--only", name))
        its = (*only, "--launcher", SERVED[scenario], "--out", scenario)
        return fweval("full", scenario, *asked, *its, cwd=home, timeout_s=900, env=os.environ)

    with ThreadPoolExecutor() as both:
        return dict(zip(SERVED, both.map(run, SERVED), strict=True))


@pytest.fixture(scope="module")
def rows(home: Path, done: dict[str, subprocess.CompletedProcess[str]]) -> list[dict[str, Any]]:
    for scenario, ended in done.items():
        assert (home / scenario / "scorecard.json").exists(), ended.stderr
    return [row for scenario in SERVED for row in cells(home / scenario)]


def of(rows: list[dict[str, Any]], stage: str) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return a stage's rows by scenario, server and launcher; those that could not be had are left out."""
    gone = ("unavailable", "not_applicable")
    return {
        (row["scenario"], row["server"], row["launcher"]): row
        for row in rows
        if row["stage"] == stage and row["outcome"] not in gone
    }


@pytest.mark.parametrize("stage", ["serve", "load", "probe"])
def test_every_server_was_tried_by_every_launcher_that_can(stage: str, rows: list[dict[str, Any]]) -> None:
    found = of(rows, stage)
    asked = PROBED if stage == "probe" else SERVED
    assert set(found) == {(scenario, "torchserve", launcher) for scenario, launcher in asked.items()}
    assert not any(row["metrics"]["reference"] for row in found.values())


def test_answers_over_every_wire_are_those_of_the_runtime(rows: list[dict[str, Any]], home: Path) -> None:
    for (_, name, _), row in of(rows, "serve").items():
        assert row["outcome"] == "passed", row
        step = home / row["scenario"] / row["evidence"]
        found, samples = files.read_blocks(step), files.read_samples(step)
        for wire in registry.load("server", name).wires:
            assert columns(row)[f"max_rel_diff wire={wire}"] <= 1e-5
            assert columns(row)[f"queries wire={wire}"] == len(samples[wire])
            assert_enough(found, wire, row["metrics"])
            pairs = quiet_pairs(found, wire, "in_process")
            assert (f"overhead_s wire={wire}" in columns(row)) == bool(pairs)
        assert row["metrics"]["leftovers"] == 0


def test_containers_say_what_is_in_them(rows: list[dict[str, Any]], home: Path) -> None:
    for (_, _, launcher), row in of(rows, "serve").items():
        told = {key: value for key, value in row["metrics"].items() if key.startswith("image")}
        if launcher != "container":
            assert told == {}
            continue
        assert told["image"] == IMAGE
        assert told["image_size_bytes"] > 100_000_000
        assert told["image_os"].startswith("Debian")
        assert told["image_user"].split(":")[0] not in ("", "0", "root")
        assert told["image_packages"] > 50
        assert (home / row["scenario"] / row["evidence"] / "sbom.cdx.json").is_file()


def test_load_gives_rates_and_latencies_over_both_wires(rows: list[dict[str, Any]]) -> None:
    for row in of(rows, "load").values():
        assert row["outcome"] == "passed", row
        for wire in WIRES:
            assert columns(row)[f"saturation_per_s wire={wire} batching=no"] > 0
            assert columns(row)[f"saturation_per_s wire={wire} batching=yes"] > 0
            assert columns(row)[f"achieved_per_s wire={wire} share=0.5"] > 0
            assert columns(row)[f"errors wire={wire} share=0.5"] == 0


def test_every_probe_got_an_answer_and_no_server_failed_the_least(rows: list[dict[str, Any]]) -> None:
    for subject, row in of(rows, "probe").items():
        endings = {probe: columns(row).get(f"outcome probe={probe}") for probe in registry.names("probe")}
        assert None not in endings.values(), subject
        assert "error" not in endings.values(), subject
        failed = [f"{name}: {columns(row)[f'reason probe={name}']}" for name in MUST_PASS if endings[name] == "failed"]
        assert not failed, (subject, failed)


@pytest.mark.parametrize("scenario", SERVED)
def test_the_report_draws_the_server(scenario: str, home: Path, rows: list[dict[str, Any]]) -> None:
    card = files.read_record(home / scenario / "scorecard.json", Scorecard)
    drawn = {(curve.scenario, curve.framework, curve.subject) for curve in card.curves if curve.x_name != "step"}
    assert [subject[:2] for subject in drawn] == [(scenario, "pytorch")]
    assert (IMAGE in (home / scenario / "scorecard.html").read_text()) == (SERVED[scenario] == "container")


def test_nothing_of_it_is_left(rows: list[dict[str, Any]]) -> None:
    with engine.connect() as client:
        assert engine.things(client) == []
