"""The questions that every stage must answer the same way."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from evaluator import cli, pipeline
from evaluator.commands import _stages
from evaluator.contracts import Question, cases
from evaluator.core import registry
from evaluator.core.records import Profile, Step
from evaluator.planning import plan
from evaluator.planning.selection import Options, needed_by, rests_on
from evaluator.running.progress import expected_seconds
from evaluator.stages._contract import GIB, Stage
from scenarios.loading import load_profile, load_scenario, profile_names
from tests.engine import BROUGHT, PROFILE, PaperMachine

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "tensorflow", "keras", "onnx", "onnxruntime", "tf2onnx", "scipy", "docker", "grpc")
STAGES: tuple[Stage, ...] = registry.load_all("stage")
PLANNED = tuple(stage for stage in STAGES if stage.planned)
SCENARIOS = (load_scenario("tiny"), BROUGHT)  # what is trained here, and what somebody brought
MADE = plan.make_plan(SCENARIOS, PROFILE, Options(), PaperMachine(), pipeline.PLANNED)

each_stage = pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
each_planned = pytest.mark.parametrize("stage", PLANNED, ids=lambda stage: stage.name)
each_profile = pytest.mark.parametrize("profile", [load_profile(n) for n in profile_names()], ids=lambda p: p.name)


def steps(stage: Stage) -> list[Step]:
    return [step for step in MADE.steps if step.stage == stage.name]


def beside_s(step: Step) -> float:
    """Return what a step may take beside its stage's limit: where a server is described, its launcher says how long."""
    return registry.load("launcher", str(step.launcher)).beside_s if step.stage == "serve" else 0.0


def imported(program: str) -> set[str]:
    """Return which heavy packages a fresh process has after this program."""
    program += f"\nimport sys\nprint(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.split())


@each_stage
def test_a_stage_is_named_like_its_file_and_says_what_it_does(stage: Stage) -> None:
    assert type(stage).__module__ == f"evaluator.stages.{stage.name}"
    assert sys.modules[type(stage).__module__].__doc__
    assert stage.summary.endswith(".")
    assert "\n" not in stage.summary


@pytest.mark.parametrize(("question", "plugin"), cases("stage", "executor"), ids=lambda each: each.name)
def test_it_answers_what_every_plug_in_is_asked(question: Question, plugin: Any) -> None:
    todo = question(plugin)
    assert todo is None, f"{question.sentence} {todo}"


@each_stage
def test_its_words_can_be_read_without_importing_it(stage: Stage) -> None:
    """The command line shows them before anything heavy is imported: they must be plain text in the class."""
    found = _stages.words(stage.name)
    for name in ("name", "title", "summary", "command", "example"):
        assert found.get(name, getattr(Stage, name, None)) == getattr(stage, name), f"{name} is one literal"


@each_stage
def test_its_command_is_there_and_nobody_elses(stage: Stage) -> None:
    context = click.Context(cli.app)
    if stage.command is None:
        assert not stage.shown or stage.name in cli.app.list_commands(context), "a file in evaluator/commands, then"
        return
    assert not (ROOT / "evaluator" / "commands" / f"{stage.command}.py").exists()
    made = cli.app.get_command(context, stage.command)
    assert made.help is not None
    assert made.help.startswith(stage.summary)
    assert stage.example.startswith(f"fweval {stage.command} ")
    assert made.epilog == f"Example: {stage.example}"


@each_planned
def test_it_rests_on_stages_that_come_before_it(stage: Stage) -> None:
    before = pipeline.PLANNED[: pipeline.PLANNED.index(stage.name)]
    assert set(stage.rests_on) <= set(before), "evaluator/pipeline.py: the order of the list"
    assert stage.name not in rests_on(stage.name)


@each_planned
def test_its_steps_need_only_what_the_stages_that_it_rests_on_give(stage: Stage) -> None:
    found = steps(stage)
    assert found, "it plans nothing, although nothing is missing"
    by_id = {step.id: step for step in MADE.steps}
    allowed = needed_by(stage.name)
    for step in found:
        for role, needed in step.needs.items():
            giver = registry.load("stage", by_id[needed].stage)
            assert giver.name in allowed
            assert role in giver.gives, f"stage {giver.name}: say in `gives` what '{role}' is"


@each_planned
def test_its_steps_keep_its_limits(stage: Stage) -> None:
    assert 0 < stage.memory_bytes <= 16 * GIB
    assert 0 < stage.expected_s < stage.timeout_s
    for step in steps(stage):
        assert (step.measures, step.memory_bytes) == (stage.measures, stage.memory_bytes)
        assert step.timeout_s == PROFILE.timeout_s[stage.name] + beside_s(step)


@each_planned
def test_where_a_profile_gives_no_limit_its_own_holds(stage: Stage) -> None:
    bare = Profile(**{**{n: getattr(PROFILE, n) for n in PROFILE.__struct_fields__}, "timeout_s": {}})
    made = plan.make_plan(SCENARIOS, bare, Options(devices=("cpu",)), PaperMachine(), pipeline.PLANNED)
    own = {step.timeout_s - beside_s(step) for step in made.steps if step.stage == stage.name}
    assert own == {stage.timeout_s}


@each_planned
@each_profile
def test_no_profile_expects_more_than_it_allows(stage: Stage, profile: Profile) -> None:
    assert stage.expected_s + stage.measuring_s(profile) < profile.timeout_s.get(stage.name, stage.timeout_s)
    for step in steps(stage)[:1]:
        assert expected_seconds(step) == stage.expected_s + stage.measuring_s(PROFILE)


@each_planned
def test_what_was_left_out_is_not_planned(stage: Stage) -> None:
    if not stage.shown:
        return
    options = Options(skip=(stage.name,))
    made = plan.make_plan(SCENARIOS, PROFILE, options, PaperMachine(), pipeline.PLANNED)
    gone = {stage.name} | {each.name for each in PLANNED if stage.name in rests_on(each.name)}
    bearing = {step.scenario for step in steps(stage)}  # what is brought is not trained, what is trained not brought
    assert {step.stage for step in made.steps if step.scenario in bearing}.isdisjoint(gone)
    alone = Options(only=(stage.name,))
    made = plan.make_plan(SCENARIOS, PROFILE, alone, PaperMachine(), pipeline.PLANNED)
    assert {step.stage for step in made.steps} == needed_by(stage.name)


@each_stage
def test_importing_it_imports_nothing_heavy(stage: Stage) -> None:
    """In a child that measures, whatever is imported counts as memory of what is measured."""
    assert imported(f"import evaluator.stages.{stage.name}") == set()


def test_planning_all_of_them_imports_no_framework() -> None:
    program = "from evaluator.core import registry; registry.load_all('stage'); import evaluator.planning.plan"
    assert imported(program) == set()
