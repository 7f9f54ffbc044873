"""What the benchmark makes of a cluster: placed on paper in made-up time, and an engine that is stopped and goes on."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from bench import _paper, cluster_speed, idle_engine
from bench._paper import PaperCluster
from bench._question import How
from bench.idle_engine import ALL, ONE, WITH, WITHOUT, Engine, Phase
from evaluator.core.records import Step
from evaluator.running.execution import execute
from tests import children, engine
from tests.engine import PaperMachine
from tests.waiting import until

GIB = 1 << 30


def step(number: int, seconds: float, gib: int = 1, **needs: str) -> Step:
    return _paper.named(number, "export", seconds, gib * GIB, needs)


def machine(gib: int = 8) -> PaperMachine:
    found = PaperMachine()
    found.memory_bytes = gib * GIB
    return found


# On paper


def test_no_order_is_faster_than_the_work_the_longest_chain_and_the_memory_allow() -> None:
    alike = [step(number, 10.0) for number in range(8)]
    assert _paper.least_s(alike, machine(), 1) == 40
    assert _paper.least_s(alike, machine(), 2) == 20
    chain = [*alike, step(8, 25.0, needed="export-0"), step(9, 5.0, needed="export-8")]
    assert _paper.least_s(chain, machine(), 4) == 40
    assert _paper.least_s([step(number, 10.0, gib=8) for number in range(8)], machine(), 1) == 80


def test_steps_on_paper_are_placed_by_cores_needs_and_memory(tmp_path: Path) -> None:
    assert cluster_speed.placed([step(number, 10.0) for number in range(8)], 2, tmp_path).took_s == 20
    chain = [step(0, 3.0), step(1, 4.0, needed="export-0"), step(2, 5.0)]
    found = cluster_speed.placed(chain, 1, tmp_path)
    assert (found.took_s, found.last_s, found.used) == (7, 3, 1)
    # Two limits of 13 GiB do not fit into 24: one core idles.
    large = cluster_speed.placed([step(number, 10.0, gib=13) for number in range(2)], 1, tmp_path)
    assert (large.took_s, large.last_s, large.used) == (20, 10, 0.5)


def test_made_up_time_passes_while_it_is_decided_where_that_is_wanted(tmp_path: Path) -> None:
    ticks = iter(range(1_000))
    steps = [step(number, 10.0) for number in range(2)]
    # The clock is looked at when a step starts and before it is waited: a second each but for the first look.
    assert cluster_speed.placed(steps, 1, tmp_path, lambda: float(next(ticks))).took_s == 11
    cluster = PaperCluster(able=machine(), count=1)
    execute(steps, engine.run_folder(tmp_path / "run"), cluster_speed.Timed(), cluster)
    assert [(job.begun, job.until) for job in cluster.jobs] == [(0, 10), (0, 10)]


def test_a_plan_is_drawn_again_alike_and_needs_only_what_is_before() -> None:
    steps = cluster_speed.plan(1_000)
    assert steps == cluster_speed.plan(1_000) != cluster_speed.plan(1_000, seed=8)
    assert len(steps) == 1_000
    before: set[str] = set()
    for each in steps:
        assert before.issuperset(each.needs.values())
        before.add(each.id)
    again = cluster_speed.longest_first(steps)
    assert {each.id for each in again} == before
    assert [each.stage for each in again] == [each.stage for each in steps]


def test_a_plan_on_paper_leaves_no_slot_idle_and_is_told(tmp_path: Path) -> None:
    lines, raw = cluster_speed.on_paper(How(quick=True, scratch=tmp_path))
    told = [line.reached for line in lines]
    assert told[0] == pytest.approx(raw["least_s"] / raw["placed"][0]["took_s"])
    assert 0.9 <= (told[0] or 0.0) <= (told[2] or 0.0) <= 1.0
    assert told[3] == pytest.approx(1.0)
    assert [line.met for line in lines] == [True, True, None, True, True]


def test_shares_and_differences_are_of_medians() -> None:
    assert cluster_speed.share_of_slots(96.0, 15.0, 8) == 0.8
    line = cluster_speed.per_step({"ray": [0.4, 9.0, 0.45], "local": [0.3, 0.41, 0.2]})
    assert line.reached == pytest.approx(150)
    assert line.met is False


def test_empty_steps_take_turns_after_one_to_warm_up(tmp_path: Path) -> None:
    clusters = {name: PaperCluster(able=machine(), count=1) for name in ("ray", "local")}
    taken = cluster_speed.empty(clusters, 3, tmp_path)
    assert {name: len(each) for name, each in taken.items()} == {"ray": 3, "local": 3}
    assert all(len(each.jobs) == 4 for each in clusters.values())


# An engine


def phases(ratio: float, pairs: int = 12, others: Mapping[int, float] | None = None) -> list[Phase]:
    found = []
    for number, beside in enumerate(idle_engine.order(pairs)):
        seconds = (1 + 0.001 * (number % 3)) * (ratio if beside == WITH else 1.0)
        found.append(
            Phase(beside=beside, seconds={ONE: seconds, ALL: 2 * seconds}, others_cores=(others or {}).get(number, 0.0))
        )
    return found


def test_phases_with_and_without_alternate_within_and_between_pairs() -> None:
    assert idle_engine.order(3) == [WITH, WITHOUT, WITHOUT, WITH, WITH, WITHOUT]


def test_an_engine_that_costs_nothing_is_equivalent_and_one_that_does_is_not() -> None:
    lines, raw = idle_engine.told(phases(1.001), {"raylet": 0.03, "there": 0.01})
    assert [line.met for line in lines] == [True] * 5
    assert lines[0].note == "equivalent; 12 of 12 pairs of phases were quiet"
    assert lines[-1].reached == pytest.approx(0.04)
    assert raw["beside"][:2] == [WITH, WITHOUT]
    lines, _ = idle_engine.told(phases(1.08), {"raylet": 0.06})
    assert [line.met for line in lines] == [False] * 5
    assert lines[0].reached == pytest.approx(1.08, rel=0.01)


def test_pairs_beside_others_do_not_count() -> None:
    lines, _ = idle_engine.told(phases(1.0, others={0: 1.0, 5: 1.5}), {})
    assert lines[0].note.endswith("10 of 12 pairs of phases were quiet")
    lines, _ = idle_engine.told(phases(1.0, pairs=4), {})
    assert [line.reached for line in lines[:4]] == [None] * 4


def test_an_engine_is_stopped_with_all_below_it_and_goes_on() -> None:
    engine_ = Engine()
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    with children.started([sys.executable, "-c", child], start_new_session=True):
        until(engine_.members, lambda found: len(found) == 2, within_s=20)
        assert os.getpid() not in {each.pid for each in engine_.members()}
        with engine_.stopped():
            assert {each.status() for each in engine_.members()} == {psutil.STATUS_STOPPED}
        assert psutil.STATUS_STOPPED not in {each.status() for each in engine_.members()}
        assert sum(idle_engine.takes(engine_, 0.1).values()) < 0.5
        for each in engine_.members():
            each.kill()


def test_fixed_work_is_timed_in_blocks() -> None:
    assert 0 < idle_engine.block(idle_engine.work, 0.02) < 5
    found = idle_engine.phase(WITH, 0.4, {ONE: idle_engine.work}, lambda: 0.0)
    assert found.seconds[ONE] > 0
