"""Runs that nobody made: the plan of the scenario `tiny` on a machine of paper, its steps ended in this way and that.

They hold no figure: whatever a check, a report or a section makes of them must be whole all the same.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import msgspec

from evaluator.core import catalogue, registry
from evaluator.core.outcome import Outcome
from evaluator.core.records import FRAMEWORKS, Machine, Result, RunRecord, Step
from evaluator.core.scorecard import Scorecard
from evaluator.core.store import Plan, cell_of
from evaluator.judging import decision, scoring
from evaluator.judging.evidence import RESULT, Entry, Evidence
from evaluator.planning import plan
from evaluator.planning.selection import Options
from scenarios.loading import Scenario, load_devices, load_profile, load_scenario
from serving.contract import Launcher, Server

MACHINE = Machine(
    cpu="Paper", cores=2, memory_bytes=8 << 30, system="", python="", gpu=None, java=None, docker=None, versions={}
)
MARKUP = "<i>[i]*x*|`"
_PLANNED = ("align", "train", "learn", "export", "verify", "run", "edge", "serve", "load", "probe", "upkeep", "ease")


class _Paper:
    """A machine that has everything but a GPU and containers."""

    cores = threads = 2
    time_factor = 1.0
    memory_bytes = free_memory_bytes = 8 << 30
    versions: Mapping[str, str] = {}  # nothing is installed on paper

    def missing(self, distributions: tuple[str, ...]) -> tuple[str, ...]:
        return ()

    def cannot_launch(self, server: Server, launcher: Launcher, images: Sequence[str]) -> tuple[str, str] | None:
        return None if launcher.name in ("embedded", "process") else ("not on paper", "take a machine")

    def is_reference(self, server: Server, launcher: Launcher, images: Sequence[str]) -> bool:
        return launcher.name == "embedded"

    def no_environment(self, name: str) -> tuple[str, str] | None:
        return None

    def no_device(self, name: str) -> tuple[str, str] | None:
        return ("not on paper", "take a machine") if registry.load("device", name).cuda else None

    def device_state(self, name: str) -> None:
        return None

    def missing_data(self, scenario: Scenario) -> tuple[str, ...]:
        return ()

    def describe(self) -> Machine:
        return MACHINE


@cache
def _plan() -> Plan:
    return plan.make_plan([load_scenario("tiny")], load_profile("smoke"), Options(), _Paper(), _PLANNED)


def _run(end: Callable[[Step], Result | None], frameworks: tuple[str, ...] = FRAMEWORKS) -> Evidence:
    """Return the evidence of a run whose steps ended so; None for those that have not."""
    profile = load_profile("smoke")
    record = RunRecord(
        id="paper",
        command=("fweval", "check"),
        created_at="2026-01-01T00:00:00Z",
        fweval="0",
        git_revision=None,
        seed=1,
        profile=profile,
        scenarios={"tiny": msgspec.to_builtins(load_scenario("tiny"))},
        frameworks=frameworks,
        devices=("cpu",),
        only=(),
        skip=(),
        launcher="auto",
        device_classes=load_devices(None),
        machine=MACHINE,
    )
    steps = [step for step in _plan().steps if step.framework in frameworks]
    return Evidence(run=record, entries=tuple(_entry(step, end(step)) for step in steps), catalogue=catalogue.collect())


def _entry(step: Step, result: Result | None) -> Entry:
    folder = f"steps/{step.id}"
    if result is None:
        return Entry.unfinished(step, folder)
    return Entry(step=step, result=result, folder=folder, digests={RESULT: "0" * 64})


def _ended(step: Step, outcome: Outcome) -> Result:
    if outcome is Outcome.PASSED:
        return Result(step=step.id, outcome=outcome)
    return Result(step=step.id, outcome=outcome, reason="it ended so", remedy="see its log")


def _all(outcome: Outcome) -> Evidence:
    return _run(lambda step: _ended(step, outcome))


def _mixed() -> Evidence:
    turn = itertools.cycle((*Outcome, None))
    return _run(lambda step: None if (outcome := next(turn)) is None else _ended(step, outcome))


RUNS: dict[str, Callable[[], Evidence]] = {
    "in which nothing has ended": lambda: _run(lambda _: None),
    "in which everything passed and left no figures": lambda: _all(Outcome.PASSED),
    "in which everything failed": lambda: _all(Outcome.FAILED),
    "in which steps ended in every way": _mixed,
    "of one framework": lambda: _run(lambda step: _ended(step, Outcome.PASSED), ("pytorch",)),
}


@cache
def run(name: str) -> Evidence:
    """Return one of the runs."""
    return RUNS[name]()


@cache
def cards() -> dict[str, Scorecard]:
    """Return scorecards of such runs, one with markup in its names."""
    made = {name: _card(run(name)) for name in ("in which nothing has ended", "in which steps ended in every way")}
    text = msgspec.json.encode(made["in which steps ended in every way"]).decode()
    hostile = text.replace('"tiny"', f'"{MARKUP}tiny"').replace('"onnx"', f'"{MARKUP}onnx"')
    return {**made, "with markup in names": msgspec.json.decode(hostile, type=Scorecard)}


def _card(evidence: Evidence) -> Scorecard:
    """Return what our own checks make of a run: a question to a report is none about a foreign check."""
    foreign = {each.name for each in registry.found("check")}
    checks = [registry.load("check", name) for name in registry.names("check") if name not in foreign]
    card = scoring.assemble(
        evidence,
        [finding for check in checks for finding in check.judge(evidence)],
        [comparison for check in checks for comparison in check.compare(evidence)],
        [cell_of(entry.step, entry.result) for entry in evidence.entries],
    )
    return decision.decided(card)
