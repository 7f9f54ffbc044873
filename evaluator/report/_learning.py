"""Time to quality as blocks: for the report, and for the command that ends with it."""

from collections.abc import Iterable, Sequence

from evaluator.core.coordinates import DEVICE
from evaluator.core.learning import Learning, Seed, TimeToQuality
from evaluator.core.quantities import quantity
from evaluator.report import _cells, _format
from evaluator.report._blocks import (
    Block,
    FrameworkName,
    Heading,
    Items,
    Lines,
    Prose,
    Table,
    Text,
    column,
    item,
    lines,
)

READING = (
    "Time to quality is what a framework takes to the target on held-out data: steps are counted in several orders of "
    "the data, and cost what the training's do. Evaluation is no part of it."
)
_TITLES = ("Framework", "Steps to target, by seed", "Best accuracy", "Time for data", "Time to quality", "Its seeds")


def shown(found: Sequence[TimeToQuality], names: Sequence[tuple[str, str]] = ()) -> tuple[Block, ...]:
    """Return what there is to say of each; `names` are scenario and device as people write them."""
    blocks: list[Block] = []
    known = names or [(each.scenario, "" if each.device == DEVICE else each.device) for each in found]
    for each, (scenario, device) in zip(found, known, strict=True):
        title = f"Time to quality: {scenario}"
        about = f"Target: {_format.percent(each.target)} on held-out data, asked for every {each.every:,} steps, "
        tried = f"at most {each.most_steps:,} steps. "
        said = Prose(line=(f"{about}{tried}{sentence(each)}",))
        blocks += [Heading(text=title, aside=device), said, _table(each), _sentences(each)]
    return tuple(blocks)


def sentence(found: TimeToQuality) -> str:
    """Return what is to be known of it in a sentence."""
    return f"{found.statement[0].upper()}{found.statement[1:]}."


def _table(found: TimeToQuality) -> Table:
    rows = tuple(_row(name, found.frameworks[name]) for name in _in_order(found))
    columns = tuple(column(title, right=number > 0) for number, title in enumerate(_TITLES))
    return Table(caption=f"Time to quality of {found.scenario}", columns=columns, rows=rows, layout="wide")


def _row(name: str, learning: Learning) -> tuple[Lines, ...]:
    counts = ", ".join("not reached" if each.steps is None else f"{each.steps:,}" for each in learning.seeds)
    best = _range((each.best_accuracy for each in learning.seeds), "share")
    data = _range((each.loading_share for each in learning.seeds), "share")
    between = "one seed" if len(learning.seeds) == 1 else _range((learning.least_s, learning.most_s), "s")
    return (
        lines(FrameworkName(name)),
        lines(Text(counts, "figure")),
        *(lines(Text(each or _format.quantity(None, "s"), "figure" if each else "missing")) for each in (best, data)),
        lines(Text(_format.quantity(learning.seconds, "s"), "missing" if learning.seconds is None else "figure")),
        lines(Text(between, "figure")),
    )


def _range(values: Iterable[float | None], unit: str) -> str:
    """Write the least and the most of what is known, once where they are written alike."""
    known = [each for each in values if each is not None]
    ends = [quantity(end, unit) for end in (min(known), max(known))] if known else []
    return " to ".join(dict.fromkeys(ends))


def _sentences(found: TimeToQuality) -> Items:
    told = [item((FrameworkName(name), f": {found.frameworks[name].arithmetic}.")) for name in _in_order(found)]
    missed = [
        item((FrameworkName(name), f", seed {each.number}: {each.reason}."))
        for name in _in_order(found)
        for each in _missed(found.frameworks[name])[1:]  # the first stands in the arithmetic
    ]
    return Items(items=(*told, *missed))


def _missed(learning: Learning) -> list[Seed]:
    return [each for each in learning.seeds if each.steps is None]


def _in_order(found: TimeToQuality) -> list[str]:
    return sorted(found.frameworks, key=_cells.place)
