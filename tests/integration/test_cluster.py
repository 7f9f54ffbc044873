"""Steps on simulated nodes of a Ray cluster: who is at work where, what a loss costs, and what is left afterwards.

The steps are those of the tests' engine, which need no framework; whole runs are in tests/e2e/test_cluster.py.
"""

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from evaluator.core.outcome import Outcome
from evaluator.core.records import Step
from evaluator.executors.ray import Ray
from evaluator.running.execution import execute
from evaluator.running.progress import Reporter
from scenarios.own import given
from scenarios.own.form import Own
from tests import clusters
from tests.clusters import assert_nothing_was_disturbed, cluster, events, outcome, run
from tests.engine import make_step, run_folder
from tests.waiting import until

pytestmark = pytest.mark.integration

QUIET = 0.3  # seconds that a step takes: enough to see two overlap


@pytest.fixture(scope="module")
def three() -> Iterator[Ray]:
    """Three nodes, which no test ends."""
    yield from cluster(3)


def test_steps_run_on_all_nodes_and_nothing_is_measured_beside_another(three: Ray, tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    steps = [
        make_step(f"{number}", measures=number % 4 == 3, settings={"seconds": QUIET}, stage="export")
        for number in range(12)
    ]
    run(steps, folder, three)
    assert all(outcome(folder, step.id) is Outcome.PASSED for step in steps)
    assert_nothing_was_disturbed(folder, {step.id for step in steps if step.measures})
    nodes = {event["node"] for event in events(folder) if event["event"] == "ended"}
    assert nodes == {"node-1", "node-2", "node-3"}
    told = folder.result("0")
    assert told is not None
    assert told.node in nodes


def test_all_that_is_measured_of_one_scenario_is_measured_on_one_node(three: Ray, tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    steps = [make_step(f"{number}", measures=True) for number in range(4)]
    run(steps[:2], folder, three)
    run([make_step(f"other-{number}") for number in range(2)], folder, three)
    run(steps, folder, three)
    found = [folder.result(step.id) for step in steps]
    assert len({each.node for each in found if each is not None}) == 1


def test_candidates_take_turns_on_a_node_and_their_blocks_say_what_ray_took(three: Ray, tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    steps = [make_step(name, "take_turns", in_turns=True, measures=True) for name in ("a", "b")]
    run(steps, folder, three)
    for step in steps:
        assert outcome(folder, step.id) is Outcome.PASSED
        blocks = json.loads((folder.folder(step.id) / "blocks.json").read_text())
        assert blocks["together"] == ["a", "b"]
        shares = [block["engine_cores"] for block in blocks["blocks"]]
        assert shares
        assert all(0.0 <= share <= 2.0 for share in shares)


def test_what_is_measured_has_the_priority_and_the_threads_that_people_have(three: Ray, tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    step = make_step("a", "tell_environment", settings={"threads": 2})
    run([step], folder, three)
    result = folder.result("a")
    assert result is not None
    told = json.loads((folder.folder("a") / "environment.json").read_text())
    assert told["OMP_NUM_THREADS"] == "2"
    assert not [name for name in told if name.startswith("RAY_")]
    assert json.loads((folder.folder("a") / "priority.json").read_text()) == {"nice": os.nice(0), "blocked": []}


def test_the_files_of_a_model_of_one_s_own_travel_and_their_paths_are_those_of_here(three: Ray, tmp_path: Path) -> None:
    mine = tmp_path / "models" / "mine.py"
    (mine.parent / "parts").mkdir(parents=True)
    mine.write_text("def build(): ...")
    (mine.parent / "parts" / "b.txt").write_text("beside")
    own = given.with_digests(Own(origin=f"{mine}:build", pytorch=f"{mine}:build"))
    scenario = {"name": "mine", "model": "own", "settings": msgspec.to_builtins(own)}
    folder = run_folder(tmp_path / "run")
    run([make_step("a", "read_given", settings={"scenario": scenario})], folder, three)
    assert outcome(folder, "a") is Outcome.PASSED
    told = json.loads((folder.folder("a") / "read.json").read_text())
    assert (told["code"], told["beside"]) == ("def build(): ...", "beside")
    assert not told["path"].startswith(str(tmp_path))
    job = json.loads((folder.folder("a") / "job.json").read_text())
    assert job["settings"]["scenario"]["settings"]["origin"] == f"{mine}:build"


def test_an_interrupt_stops_what_is_at_work_on_every_node(three: Ray, tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    steps = [make_step(f"{number}", "hang", settings={"seconds": 100.0}, timeout_s=110.0) for number in range(3)]

    class Impatient(Reporter):
        def started(self, step: Step) -> None:
            if step is steps[-1]:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(steps, folder, Impatient(Console(file=io.StringIO())), three)
    until(lambda: [clusters.node_of(0, step.id) for step in steps], lambda found: not any(found), within_s=30)
    assert not list(folder.steps.iterdir())


def test_a_disk_that_is_full_on_a_node_is_said_in_one_line(three: Ray, tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    run([make_step("a", "fill_the_disk")], folder, three)
    result = folder.result("a")
    assert result is not None
    assert result.outcome is Outcome.UNAVAILABLE
    assert "full" in (result.reason or "")
