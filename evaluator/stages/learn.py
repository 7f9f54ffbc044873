"""Learn: both frameworks train until a target on held-out data is reached, once for each of several orders of the data.

A fast step that teaches little is no fast training. What is counted here is steps, so nothing is timed: steps of this
stage run beside others. The seconds follow from the training's, which was measured in turns (`judging.learning`).

Every training begins with the common weights, and is judged on the same held-out examples; a seed draws the order of
the others. Round n is seed n, and the first one is the run's: its order is that of `train`. The target is asked for
every so many steps, apart from the training; one that the course does not reach may go on for as long again.

A training variant that rounds otherwise than its default trains to the target once, too, with the first seed.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluator.children.work import Work, blame
from evaluator.core import files, registry
from evaluator.core.clock import timed
from evaluator.core.metrics import key
from evaluator.core.outcome import Outcome
from evaluator.core.quantities import percent
from evaluator.core.records import Measured, Metrics, Step
from evaluator.stages import _mllog, _trial
from evaluator.stages._contract import GIB, Shown, Stage
from evaluator.stages._evidence import WEIGHTS, Assignment
from evaluator.stages._first_steps import started
from evaluator.stages._lessons import Batch, course_steps, material, order
from evaluator.stages._outputs import accuracy
from evaluator.stages.train import build, evaluated
from scenarios.contract import Trainer, TrainingVariant

if TYPE_CHECKING:
    from evaluator.planning.draft import ScenarioPlan

MOST_COURSES = 2  # as many steps as so many courses have, at most
EVALUATIONS = 8  # in the steps of one course
ACCURACY = "heldout_accuracy"  # its samples: one for each evaluation


class Learn(Stage):
    """One step for each seed in each framework."""

    name = "learn"
    title = "Time to quality"
    summary = "Train until a target on held-out data is reached, in several orders of the data, and count the steps."
    rests_on = ("align", "origin", "train")
    spread = "device"
    comes_with = ("equivalence",)
    memory_bytes = 8 * GIB
    timeout_s = 900.0
    expected_s = 60.0
    figures = (
        Shown(key("steps_to_target"), "target after {} steps"),
        Shown(key("best_accuracy"), "best accuracy {}"),
        Shown(key("loading_share"), "{} of the time for data"),
    )

    def plan(self, plan: "ScenarioPlan") -> None:
        """Plan every seed on every device, where there is a target to be reached."""
        profile = plan.draft.profile
        target = plan.scenario.targets.heldout_accuracy.get(profile.name, 0.0)
        if plan.scenario.train is None or (plan.brought and not target):
            return
        for device, number in itertools.product(plan.draft.options.devices, range(1, profile.seeds + 1)):
            for framework in plan.balanced(plan.frameworks, number):
                needs = {**plan.beginning(framework), "trained": plan.ids["train"].get(framework)}
                refusal = plan.no_device(device)
                step = plan.add(self.name, framework, device=device, round=number, needs=needs, refusal=refusal)
                if step is not None and not target:
                    plan.draft.end(step, Outcome.NOT_APPLICABLE, f"no held-out target for the profile {profile.name}")
        if target:
            _plan_variants(plan)

    def work(self, work: Work) -> Measured:
        """Train until the target is reached; leave the losses, what was seen on the way, and an MLPerf-style log."""
        about = Assignment(work)
        framework, train = about.framework, about.scenario.training
        seed = seed_of(about.seed, work.step.round)
        log = _mllog.Log.into(work.folder)
        log.begin(about.scenario.name, about.device.name, train, seed)
        framework.prepare(threads=about.threads, seed=seed, device=about.device.name)
        found, reading_s = timed(lambda: material(about, work))
        classes = found.classes
        if classes is None:
            return _no_answers()
        network, trainer = _made(about, work)
        pupil = Pupil(
            trainer=trainer,
            batches=map(found.batch, order(found.count, train.batch_size, seed)),
            judge=lambda: accuracy(evaluated(about, network, found.heldout), classes),
            log=log,
        )
        steps = course_steps(about, found.count)
        goal = Goal(
            target=about.scenario.targets.heldout_accuracy[about.profile.name],
            every=math.ceil(steps / EVALUATIONS),
            most=MOST_COURSES * steps,
            epoch=found.count // train.batch_size,
        )
        log.ready(examples=found.count, heldout=len(classes))
        with blame(f"training in {framework.title}"):
            reached = pupil.learn(goal)
        log.end(reached=reached is not None, examples=len(pupil.losses) * train.batch_size)
        return _told(work.folder, pupil, goal, {"seed": seed, "reading_s": reading_s, **_count(reached)})


def _plan_variants(plan: "ScenarioPlan") -> None:
    """Plan the first seed of each training variant that takes turns and may round otherwise than its default."""
    for trial in [step for step in plan.draft.steps.values() if _is_trial(step, plan.scenario.name)]:
        variant: TrainingVariant = registry.load("training_variant", str(trial.variant))
        if not variant.exact:
            needs = {**{role: trial.needs[role] for role in ("weights", "aligned")}, "trained": trial.id}
            where: dict[str, Any] = {"device": trial.device, "variant": trial.variant, "standard": False}
            refusal = plan.no_device(trial.device)
            plan.add(Learn.name, trial.framework, needs=needs, refusal=refusal, **where)


def _is_trial(step: Step, scenario: str) -> bool:
    return (step.stage, step.scenario, step.round) == ("train", scenario, 1) and step.variant is not None


def _made(about: Assignment, work: Work) -> tuple[Any, Trainer]:
    """Return the network with the common weights, and what trains it: as by default, or as a variant has it."""
    if work.step.variant is None:
        network, trainer, _ = build(about, work.need("weights") / WEIGHTS)
        return network, trainer
    variant: TrainingVariant = registry.load("training_variant", work.step.variant)
    _trial.demand(about, variant)
    start, _ = started(about, work, variant)
    return start.network, start.trainer


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What is to be reached, and how long it is tried."""

    target: float  # held-out accuracy
    every: int  # steps between two evaluations
    most: int  # steps
    epoch: int = 1  # how many steps that is


@dataclass(slots=True, kw_only=True)
class Pupil:
    """A training until a target is reached, with what is seen on the way."""

    trainer: Trainer
    batches: Iterator[Batch]
    judge: Callable[[], float]
    log: Any = field(default_factory=_mllog.Log)
    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    loading_s: float = 0.0
    compute_s: float = 0.0
    evaluations_s: float = 0.0

    def learn(self, goal: Goal) -> int | None:
        """Return after how many steps the target was first seen reached; None where it was not, or it diverged."""
        while len(self.losses) < goal.most:
            block = min(goal.every, goal.most - len(self.losses))
            with self.log.block(len(self.losses), block, goal.epoch):
                for _ in range(block):
                    self._step()
            if self.diverged:
                return None
            with self.log.evaluation(len(self.losses), goal.epoch) as said:
                seen, seconds = timed(self.judge)
                said(seen)
            self.evaluations_s += seconds
            self.accuracies.append(seen)
            if seen >= goal.target:
                return len(self.losses)
        return None

    @property
    def loading_share(self) -> float:
        """Which part of the time was spent on data."""
        return self.loading_s / ((self.loading_s + self.compute_s) or 1.0)

    @property
    def diverged(self) -> bool:
        """Tell whether the last loss is no number: nothing comes of it any more."""
        return bool(self.losses) and not math.isfinite(self.losses[-1])

    def _step(self) -> None:
        (inputs, labels), loading_s = timed(lambda: next(self.batches))
        loss, compute_s = timed(lambda: self.trainer.step(inputs, labels))
        self.losses.append(loss)
        self.loading_s += loading_s
        self.compute_s += compute_s


def seed_of(run: int, number: int) -> int:
    """Return the seed of that number: the run's own is the first, the others are drawn by it."""
    return run if number == 1 else int(np.random.SeedSequence((run, number)).generate_state(1)[0])


def _count(reached: int | None) -> Metrics:
    return {} if reached is None else {"steps_to_target": reached}


def _told(folder: Path, pupil: Pupil, goal: Goal, metrics: Metrics) -> Measured:
    """Return what was seen, and whether the target was reached."""
    files.write_samples(folder, {"loss": pupil.losses, ACCURACY: pupil.accuracies})
    best = max(pupil.accuracies, default=0.0)
    told: Metrics = {
        **metrics,
        "steps": len(pupil.losses),
        "most_steps": goal.most,
        "evaluated_every": goal.every,
        "accuracy_target": goal.target,
        "best_accuracy": best,
        "loading_s": pupil.loading_s,
        "compute_s": pupil.compute_s,
        "loading_share": pupil.loading_share,
        "evaluations": len(pupil.accuracies),
        "evaluations_s": pupil.evaluations_s,
    }
    kept = {_mllog.NAME: _mllog.FILE} if (folder / _mllog.FILE).exists() else {}
    if "steps_to_target" in told:
        return Measured(metrics=told, files=kept)
    steps = len(pupil.losses)
    missed = f"the target of {percent(goal.target)} was not reached within {steps} steps (best {percent(best)})"
    reason = f"it diverged: the loss was no number after {steps} steps" if pupil.diverged else missed
    remedy = "train on more examples (a larger profile), or correct learning rate or target in the scenario file"
    return Measured(outcome=Outcome.FAILED, reason=reason, remedy=remedy, metrics=told, files=kept)


def _no_answers() -> Measured:
    return Measured(
        outcome=Outcome.NOT_APPLICABLE,
        reason="the held-out examples have no right answers to be counted",
        remedy="give labels that are classes, one for each row",
    )


plugin = Learn()
