"""The training that is planned: what it takes in each framework, how that is computed, where the order turns."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from evaluator.core.coordinates import DEVICE
from evaluator.core.learning import TimeToQuality
from evaluator.core.records import FRAMEWORKS
from evaluator.core.scorecard import Curve, Scorecard, Training
from evaluator.report import _cells, _format, _learning
from evaluator.report._base import Section
from evaluator.report._blocks import (
    Block,
    Curves,
    Figures,
    FrameworkName,
    Heading,
    Items,
    Prose,
    Table,
    Text,
    column,
    item,
    lines,
    soft,
)

READING = (
    "What is paid once and what each step takes are two figures. A total is their sum for the training that the "
    "scenario plans, on this device of this machine: fixed, which is import, build and first step less one step, and "
    "as many steps as are planned. Evaluation is no part of it."
)
_PER_DECADE = 4  # places of a line that is straight but for its bend


class Planned(Section):
    """Fixed costs, steps and totals of the training that each scenario plans."""

    name: ClassVar[str] = "planned"
    title: ClassVar[str] = "Training as planned"
    short: ClassVar[str] = "Planned training"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return plan, figures, arithmetic, turning point and picture of each training."""
        told = shown(card.trainings, _names(card, card.trainings))
        learnt = _learning.shown(card.times_to_quality, _names(card, card.times_to_quality))
        return (
            *((soft(READING), *told) if told else ()),
            *((soft(_learning.READING), *learnt) if learnt else ()),
        )

    def brief(self, card: Scorecard) -> tuple[Block, ...]:
        """Return a sentence for each training that can be compared: totals and turning point, and time to quality."""
        found = [each for each in card.trainings if len(each.costs) == len(FRAMEWORKS)]
        learnt = [
            f"Time to quality of {_about(card, each)}: {each.statement}."
            for each in card.times_to_quality
            if len(each.frameworks) == len(FRAMEWORKS)
        ]
        return tuple(Prose(line=(line,)) for line in (*(_told(card, each) for each in found), *learnt))


def _names(card: Scorecard, found: Sequence[Training | TimeToQuality]) -> tuple[tuple[str, str], ...]:
    return tuple((each.scenario, _cells.device(card, each.device)) for each in found)


def _about(card: Scorecard, found: Training | TimeToQuality) -> str:
    return ", ".join(filter(None, (found.scenario, _cells.device(card, found.device))))


def _told(card: Scorecard, training: Training) -> str:
    totals = ", ".join(f"{_format.framework(name)} {_planned(training, name)}" for name in _in_order(training))
    point = f"; {training.turning_point}" if training.turning_point else ""
    return f"Planned training of {_about(card, training)}: {totals}{point}."


def shown(trainings: Sequence[Training], names: Sequence[tuple[str, str]] = ()) -> tuple[Block, ...]:
    """Return what there is to say of each training; `names` are scenario and device as people write them."""
    blocks: list[Block] = []
    known = names or [(each.scenario, "" if each.device == DEVICE else each.device) for each in trainings]
    for each, (scenario, device) in zip(trainings, known, strict=True):
        blocks += [Heading(text=scenario, aside=device), *_plan(each), _table(each), _sentences(each), *_picture(each)]
    return tuple(blocks)


def _plan(training: Training) -> Iterable[Block]:
    yield Prose(line=(Text("Planned: ", "strong"), f"{training.arithmetic}. {training.source}."))


def _table(training: Training) -> Table:
    titles = ("Framework", "Import", "Build", "First step", "One step", "Evaluation", "Fixed", "Planned training")
    rows = tuple(
        (
            lines(FrameworkName(name)),
            *(
                lines(Text(_format.quantity(value, "s"), "missing" if value is None else "figure"))
                for value in (cost.import_s, cost.build_s, cost.first_step_s, cost.step_s, cost.evaluation_s)
            ),
            *(lines(Text(_format.quantity(value, "s"), "figure")) for value in (cost.fixed_s, cost.planned_s)),
        )
        for name, cost in ((name, training.costs[name]) for name in _in_order(training))
    )
    columns = tuple(column(title, right=number > 0) for number, title in enumerate(titles))
    return Table(caption=f"Costs of training {training.scenario}", columns=columns, rows=rows, layout="wide")


def _sentences(training: Training) -> Items:
    """Return the arithmetic of both totals, and from how many steps on the order turns."""
    told = [item((FrameworkName(name), f": {training.costs[name].arithmetic}.")) for name in _in_order(training)]
    point = [item((Text("Where the order turns: ", "strong"), f"{training.turning_point}."))]
    more = [item((Text("Extrapolated: ", "strong"), f"{training.extrapolated}."))]
    return Items(items=(*told, *(point if training.turning_point else ()), *(more if training.extrapolated else ())))


def _picture(training: Training) -> Iterable[Block]:
    if not training.costs:
        return
    point = training.turning_point_steps
    furthest = max(10.0, 1.5 * training.steps, 3.0 * (point or 0))
    drawn = tuple(_line(training, name, furthest) for name in _in_order(training))
    title = "Time by the number of steps"
    marked = "" if point is None else f"the order turns at {point:,} steps"
    title = f"{title}; {marked}" if marked else title
    yield Figures(figures=(Curves(title=title, lines=drawn, log=True, mark=point, mark_title=marked),))


def _line(training: Training, name: str, furthest: float) -> Curve:
    """Return what a framework takes, from one step on to beyond what is planned."""
    cost = training.costs[name]
    places = [1.0]
    while places[-1] < furthest:
        places.append(min(furthest, places[-1] * 10 ** (1 / _PER_DECADE)))
    return Curve(
        scenario=training.scenario,
        framework=name,
        device=training.device,
        name="planned training",
        unit="s",
        x_name="steps",
        x=tuple(places),
        y=tuple(max(0.0, cost.fixed_s + steps * cost.step_s) for steps in places),
    )


def _planned(training: Training, name: str) -> str:
    return _format.quantity(training.costs[name].planned_s, "s")


def _in_order(training: Training) -> list[str]:
    return sorted(training.costs, key=_cells.place)


plugin = Planned()
