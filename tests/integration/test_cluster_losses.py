"""What is lost of a cluster, and what of a run: nodes that are killed, a head, a driver, all of it at once."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evaluator.core.outcome import Outcome
from evaluator.executors._contract import ExecutorLost
from evaluator.executors.ray import Ray
from tests import clusters
from tests.clusters import assert_nothing_was_disturbed, cluster, events, outcome, run
from tests.engine import make_step, run_folder
from tests.waiting import until

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def four() -> Iterator[Ray]:
    """Four nodes, of which tests end one after the other."""
    yield from cluster(4)


@pytest.fixture
def one() -> Iterator[Ray]:
    """One node, with which its cluster ends."""
    yield from cluster(1)


def test_the_loss_of_the_head_ends_the_run_in_one_line(one: Ray, tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    run([make_step("before")], folder, one)
    threading.Timer(1.0, clusters.kill, (clusters.head_below(os.getpid()),)).start()
    begin = time.monotonic()
    with pytest.raises(ExecutorLost, match=r"^the cluster is lost: "):
        run([make_step("never", "hang", settings={"seconds": 100.0}, timeout_s=110.0)], folder, one)
    assert time.monotonic() - begin < 60.0
    assert outcome(folder, "before") is Outcome.PASSED
    assert folder.result("never") is None


def test_a_driver_that_is_killed_ends_the_run_in_one_line(one: Ray, tmp_path: Path) -> None:
    threading.Timer(1.0, clusters.kill, (clusters.driver_below(os.getpid()),)).start()
    with pytest.raises(ExecutorLost, match="the process that holds the line to it ended"):
        run([make_step("never", "hang", settings={"seconds": 100.0}, timeout_s=110.0)], run_folder(tmp_path), one)


def test_a_node_that_is_killed_is_replaced_and_the_events_say_so(four: Ray, tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    steps = [
        make_step("plain", settings={"seconds": 6.0}),
        make_step("measured", measures=True, settings={"seconds": 6.0}, stage="run"),
    ]
    killed: list[int] = []

    def end_nodes() -> None:
        for step in steps:
            raylet = until(lambda name=step.id: clusters.node_of(os.getpid(), name), within_s=60)  # type: ignore[misc]
            assert raylet is not None
            clusters.kill(raylet)
            killed.append(raylet)

    ender = threading.Thread(target=end_nodes, daemon=True)
    ender.start()
    said = run(steps, folder, four)
    ender.join(10)
    assert len(killed) == 2
    for step in steps:
        found = [event for event in events(folder) if event.get("step") == step.id]
        kinds = [event["event"] for event in found]
        assert kinds == ["started", "lost", "retried", "started", "ended"], found
        assert found[0]["node"] != found[-1]["node"]
    assert outcome(folder, "plain") is Outcome.PASSED
    assert said.count("is lost") == 2
    assert_nothing_was_disturbed(folder, {"measured"})


def test_a_cluster_that_shrinks_to_nothing_ends_every_step_as_unavailable(four: Ray, tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    steps = [make_step(f"{number}", "hang", settings={"seconds": 60.0}, timeout_s=100.0) for number in range(3)]
    for raylet in clusters.nodes_below(os.getpid()):
        threading.Timer(2.0, clusters.kill, (raylet,)).start()
    try:
        run(steps, folder, four)
    except ExecutorLost:  # with its own node, the line to the cluster may be gone first
        assert not any(folder.result(step.id) for step in steps)
        return
    for step in steps:
        result = folder.result(step.id)
        assert result is not None
        assert result.outcome is Outcome.UNAVAILABLE
        assert (result.reason or "").startswith("node lost"), result.reason
    assert not four.nodes()
