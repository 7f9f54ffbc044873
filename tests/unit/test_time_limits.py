"""Time limits follow the machine: its speed when a run begins, and what others take of its cores meanwhile."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from evaluator import pipeline
from evaluator.children.patience import MOST, Cores, Patience
from evaluator.children.work import Work
from evaluator.core import speed
from evaluator.core.records import Profile, RunRecord, Step
from evaluator.planning import plan
from evaluator.planning.selection import Options
from evaluator.running.execution import execute
from evaluator.running.pace import paced
from evaluator.running.progress import Reporter
from scenarios.loading import load_profile, load_scenario
from tests.engine import PROFILE, PaperMachine, make_step, run_folder, run_record
from tests.paper_executor import PaperExecutor

QUICK = load_profile("quick")
LIMIT_S = 100.0


class Clock:
    """Time that goes on only when somebody says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("took", "factor"),
    [
        ([0.5, 0.5, 0.5], 1.0),  # a faster machine has the same limits
        ([1.0, 1.01, 1.02], 1.0),
        ([2.5, 2.6, 9.0], 2.5),
        ([9.0, 9.0, 1.5], 1.5),  # the best counts: a moment's disturbance is none of the machine's
        ([40.0, 50.0, 60.0], 8.0),
    ],
)
def test_the_speed_of_the_machine_is_the_best_of_a_few_tries(took: list[float], factor: float) -> None:
    clock, left = Clock(), iter(took)

    def work() -> None:
        clock.now += speed.REFERENCE_S * next(left)

    assert speed.measured(work, clock) == factor


def planned(profile: Profile, **fields: Any) -> Step:
    limit = profile.timeout_s.get("run", 120.0)
    return make_step("a", stage="run", timeout_s=limit, settings={"profile": msgspec.to_builtins(profile)}, **fields)


def test_a_limit_of_ours_is_longer_on_a_slow_machine_and_nothing_else_changes() -> None:
    step = planned(QUICK)
    slow = paced(step, 2.5)
    assert slow.timeout_s == 2.5 * QUICK.timeout_s["run"]
    assert msgspec.structs.replace(slow, timeout_s=step.timeout_s, settings=step.settings) == step
    assert slow.settings == {**step.settings, "time_factor": 2.5, "timeout_before_s": step.timeout_s}
    assert paced(step, 1.0) == step


def work_of(step: Step) -> Work:
    return Work(step=step, folder=Path("a"), steps=Path())


def test_the_limit_of_a_stage_that_a_persons_profile_leaves_alone_is_ours() -> None:
    own = msgspec.structs.replace(QUICK, name="own", timeout_s={"serve": 7.0})
    assert paced(planned(own), 3.0).timeout_s == 360.0


@pytest.mark.parametrize(
    "step",
    [
        planned(PROFILE),
        planned(msgspec.structs.replace(QUICK, timeout_s={**QUICK.timeout_s, "run": 7.0})),  # a file of the same name
        make_step("look", stage="inspect", timeout_s=5.0),  # of `inspect --timeout`
    ],
    ids=["own profile", "own profile of a known name", "no profile"],
)
def test_a_limit_that_people_set_is_kept_to_the_letter(step: Step) -> None:
    assert paced(step, 8.0).timeout_s == step.timeout_s
    assert work_of(paced(step, 8.0)).time_factor == 8.0, "what is waited for inside of it is fweval's to say"


def test_the_plan_does_not_depend_on_the_speed() -> None:
    slow = PaperMachine()
    slow.time_factor = 8.0
    made = [
        plan.make_plan([load_scenario("tiny")], QUICK, Options(), machine, pipeline.PLANNED)
        for machine in (PaperMachine(), slow)
    ]
    assert made[0] == made[1]


def test_steps_run_at_the_pace_of_their_machine_and_are_kept_at_any_other(tmp_path: Path) -> None:
    class Slow(PaperExecutor):
        factor = 3.0

        def machines(self) -> dict[str, PaperMachine]:
            machine = PaperMachine()
            machine.time_factor = self.factor
            return {"one": machine}

    step = planned(QUICK, machine="one")
    endless = msgspec.structs.replace(step, settings={**step.settings, "seconds": 1e6})
    paper, folder = Slow(root=tmp_path), run_folder(tmp_path / "run")
    execute([endless], folder, Reporter(Console(file=io.StringIO())), paper)
    assert paper.now == 3.0 * QUICK.timeout_s["run"]
    paper.factor = 1.0
    execute([endless], folder, Reporter(Console(file=io.StringIO())), paper)
    assert paper.now == 3.0 * QUICK.timeout_s["run"], "it was done already"


def test_a_run_of_before_there_were_factors_reads_as_one() -> None:
    told = msgspec.to_builtins(run_record())
    del told["time_factor"]
    assert msgspec.convert(told, RunRecord).time_factor == 1.0


def waited(own: Callable[[float], float], others: float, cores: int = 2) -> float:
    """Return for how long a step was waited for.

    `own` is how much processor time it has had by when; the `others` would keep so many cores busy, all of the time.
    """
    clock = Clock()

    def look() -> Cores:
        busy = own(clock.now) + others * clock.now
        return Cores(busy_s=1000.0 + busy, idle_s=500.0 + max(0.0, cores * clock.now - busy))

    patience = Patience(LIMIT_S, look=look, clock=clock)
    assert not patience.is_over(lambda: own(clock.now))
    clock.now = patience.deadline
    while not patience.is_over(lambda: own(clock.now)):
        assert patience.deadline > clock.now
        clock.now = patience.deadline
    assert patience.given_s == pytest.approx(clock.now - LIMIT_S)
    return clock.now


def at(cores: float) -> Callable[[float], float]:
    return lambda now: cores * now


@pytest.mark.parametrize(
    ("own", "others", "cores"),
    [
        (at(1.0), 0.0, 2),  # an endless loop on a quiet machine
        (at(2.0), 0.0, 2),
        (at(1.0), 0.0, 1),
        (at(0.97), 0.03, 1),  # a cron job
        (at(0.0), 0.0, 2),  # it hangs
        (at(0.0), 2.0, 2),  # it hangs, and others are busy: it would have had its share
        (at(1.0), 1.0, 4),  # others are busy, and two cores are left
        (at(0.2), 0.5, 2),  # it waits for a disk
    ],
)
def test_a_step_that_nobody_disturbs_ends_at_its_limit(
    own: Callable[[float], float], others: float, cores: int
) -> None:
    assert waited(own, others, cores) == LIMIT_S


@pytest.mark.parametrize(
    ("own", "others", "cores", "times"),
    [
        (at(1.0), 1.0, 2, 2.0),  # two threads that get half of what they could have had
        (at(0.5), 0.5, 1, 2.0),
        (at(1.5), 0.5, 2, 4 / 3),
        (at(0.1), 1.9, 2, MOST),
        (at(0.05), 0.95, 1, MOST),
    ],
)
def test_a_step_whose_cores_others_have_gets_what_it_lost_within_bounds(
    own: Callable[[float], float], others: float, cores: int, times: float
) -> None:
    assert times * LIMIT_S * 0.9 < waited(own, others, cores) <= times * LIMIT_S * 1.001


def test_one_that_came_to_hang_while_others_were_busy_is_put_off_once() -> None:
    assert waited(lambda now: 0.5 * min(now, 90.0), 1.5) < 2 * LIMIT_S
