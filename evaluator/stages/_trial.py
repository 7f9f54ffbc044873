"""A training variant on trial: it must take the default's first steps, and then takes turns with the default.

It is made for its time, and leaves no trained weights: what is exported comes from the default.
"""

import math
from collections.abc import Sequence
from statistics import median

from evaluator.children.turns import Taken
from evaluator.children.work import Work, blame
from evaluator.core import files, registry
from evaluator.core.clock import timed
from evaluator.core.errors import Unavailable
from evaluator.core.outcome import Outcome
from evaluator.core.records import Figure, Measured, Metrics
from evaluator.core.turns import NAME
from evaluator.measure.parity import Reference
from evaluator.measure.resources import peak_memory
from evaluator.stages import _first_steps as first_steps
from evaluator.stages import _on_device
from evaluator.stages._course import STEP, Course
from evaluator.stages._evidence import Assignment, read_result
from evaluator.stages._figures import labelled
from evaluator.stages._first_steps import PARITY
from evaluator.stages._lessons import lesson
from scenarios.contract import TrainingVariant

STEPS = 96  # thirty-two blocks of three: half of them choose the best, the others judge it by eight pairs of turns,
PATIENCE_S = 15.0  # or what a short training makes of so long;
FEW_STEPS, LONG_S = 48, 45.0  # so few where they take so long


def measured(work: Work) -> Measured:
    """Show that the variant takes the default's steps, and measure how long they take."""
    about = Assignment(work)
    variant: TrainingVariant = registry.load("training_variant", str(work.step.variant))
    demand(about, variant)
    _, import_s = timed(about.prepare)
    batches = lesson(about, work).batches
    start, build_s = first_steps.started(about, work, variant)
    at_a_time = about.scenario.training.steps_at_a_time
    course = Course(start.trainer, batches, about.device.meter(), at_a_time=at_a_time)
    default = read_result(work.need("parity"))
    places = first_steps.read_places(work.need("parity"))
    trace, _ = start.traced(start.weights, batches, places, course.step)
    found = start.compared(_reference(variant, work), trace, batches, places, variant.precision)
    first_steps.write_parity(work.folder, found)
    numbers = start.trainer.state_numbers()
    wrong = found.breach or _counted(numbers, default.metrics)
    metrics: Metrics = {
        "import_s": import_s,
        "build_s": build_s,
        "time_to_first_step_s": course.seconds[0],
        "optimizer_numbers": numbers,
        "computed_in": variant.precision,
    }
    shown = labelled(first_steps.figures(found), between="default")
    if wrong:
        return _failed(f"it does not take the default's step: {wrong}", metrics, shown)
    with blame(f"training in {about.framework.title} with {variant.title}"):
        taken = course.run(work.turns, enough=lambda: _is_enough(course))
    memory = {**peak_memory(), **_on_device.memory(about.device, about.framework)}
    own = course.on(about.device, about.framework, taken)
    taken.write(work.folder)
    files.write_samples(work.folder, {"loss": course.losses})
    lost = next((number for number, loss in enumerate(course.losses, start=1) if not math.isfinite(loss)), None)
    if lost is not None:
        return _failed(f"it diverges: its loss in step {lost} is {course.losses[lost - 1]}", metrics, shown)
    return Measured(
        metrics={**metrics, **_seconds(about, course, taken), **memory, **own, **taken.metrics()},
        figures=shown,
        files={"parity": PARITY, "blocks": NAME},
    )


def _failed(reason: str, metrics: Metrics, figures: tuple[Figure, ...]) -> Measured:
    """Return that the variant does not hold; no time of it is told."""
    return Measured(
        outcome=Outcome.FAILED,
        reason=reason,
        remedy="do not train with it before you know why; its time is not measured",
        metrics=metrics,
        figures=figures,
        files={"parity": PARITY},
    )


def demand(about: Assignment, variant: TrainingVariant) -> None:
    """Raise `Unavailable` where the variant needs something that is not here."""
    lacking = variant.lacking(cuda=about.device.cuda)
    if lacking is not None:
        reason, remedy = lacking
        raise Unavailable(reason, remedy=remedy)


def _reference(variant: TrainingVariant, work: Work) -> Reference:
    reference = first_steps.read_reference(work.need("parity"), variant.precision)
    if reference is None:
        raise Unavailable(
            f"what rounding does in {variant.precision} was not measured",
            remedy="resume the run on a machine that has it for the step of equivalence, too",
        )
    return reference


def _counted(numbers: int, default: Metrics) -> str:
    known = default.get("optimizer_numbers")
    return "" if numbers == known else f"its optimizer keeps {numbers:,} numbers, the default's {known:,}"


def _is_enough(course: Course) -> bool:
    taken: Sequence[float] = course.seconds[first_steps.COUNT :]
    return is_enough(len(taken), sum(taken))


def is_enough(steps: int, seconds: float) -> bool:
    """Tell whether so many steps, which took so long, are enough to compare them with others."""
    return (steps >= STEPS and seconds >= PATIENCE_S) or (steps >= FEW_STEPS and seconds >= LONG_S)


def _seconds(about: Assignment, course: Course, taken: Taken) -> Metrics:
    """Return what the steps took, by blocks that others did not disturb."""
    train = about.scenario.training
    step_s = median(taken.seconds(STEP) or course.seconds[1:] or course.seconds)
    return {
        "step_s": step_s,
        "train_s": sum(course.seconds),
        "steps": course.taken,
        "examples_per_s": train.batch_size / step_s,
        "first_loss": course.losses[0],
        "final_loss": course.losses[-1],
        "planned_steps": train.plan.steps(train.batch_size),
    }
