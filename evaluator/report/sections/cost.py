"""What training and serving cost by the price sheet that was given, how that is computed, where the order turns."""

from collections.abc import Iterable
from typing import ClassVar

from evaluator.core.cost import Cost, ServingPrice
from evaluator.core.interval import Interval
from evaluator.core.scorecard import Curve, Scorecard
from evaluator.report import _cells, _format
from evaluator.report._base import Section
from evaluator.report._blocks import (
    Block,
    Curves,
    Figures,
    Folded,
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
    soft,
)

READING = (
    "By the price sheet that was given; fweval has no prices of its own. Hours are of a machine such as the one of "
    "this run. A rate that one process holds when asked one at a time is what a machine costs at least: a server adds "
    "to it."
)
_UTILISATIONS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_DRAWN = 4  # lines of a picture: the cheapest paths


class CostSection(Section):
    """Trainings, paths and where the order turns, scenario by scenario."""

    name: ClassVar[str] = "cost"
    title: ClassVar[str] = "Cost"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return nothing where no price sheet was given."""
        return () if card.cost is None else told(card, card.cost)


def told(card: Scorecard, cost: Cost) -> tuple[Block, ...]:
    """Return what there is to say of the cost of a run."""
    prices = cost.prices
    source = f" Prices: {prices.source}." if prices.source else ""
    blocks: list[Block] = [soft(f"{READING}{source}")]
    for scenario in _cells.scenarios(card):
        trainings = [each for each in cost.trainings if each.scenario == scenario]
        servings = [each for each in cost.servings if each.scenario == scenario]
        turning = [each for each in cost.break_evens if each.scenario == scenario]
        if not trainings and not servings:
            continue
        blocks.append(Heading(text=scenario))
        if trainings:
            blocks.append(
                Items(
                    items=tuple(
                        item(
                            (
                                "Training in ",
                                FrameworkName(each.framework),
                                f"{_on(card, each.device)}: ",
                                Text(_money(each.price, prices.currency), "figure"),
                                f" ({each.arithmetic})",
                            )
                        )
                        for each in trainings
                    )
                )
            )
        blocks += [_table(cost, servings), _arithmetic(servings), *_picture(cost, servings)] if servings else []
        blocks += [
            Prose(line=(Text(f"Break-even ({each.kind}): ", "strong"), f"{each.statement}.")) for each in turning
        ]
    if cost.unpriced:
        blocks.append(Heading(text="Without a cost"))
        blocks.append(Items(items=tuple(item(each) for each in cost.unpriced)))
    return tuple(blocks)


def _on(card: Scorecard, device: str) -> str:
    name = _cells.device(card, device)
    return f" on {name}" if name else ""


def _money(found: Interval, currency: str) -> str:
    amount = f"{_format.significant(found.value)} {currency}"
    if found.low is None or found.high is None or found.low == found.high:
        return amount
    return f"{amount} ({_format.interval(found.low, found.high)})"


def _table(cost: Cost, servings: Iterable[ServingPrice]) -> Table:
    share = _format.share(cost.prices.most_utilisation)
    heads = ["Path", "One machine holds", f"A million requests, at {share} utilisation"]
    loaded = cost.prices.load_per_s is not None
    if cost.prices.load_per_s is not None:
        heads.append(f"Machines for {_format.quantity(cost.prices.load_per_s, '1/s')}")
    rows = tuple(
        (
            lines(each.title, (FrameworkName(each.framework), f", {each.kind}")),
            lines(Text(_format.quantity(each.rate_per_s.value, "1/s"), "figure"), Text(each.basis, "soft")),
            lines(Text(_money(each.per_million, cost.prices.currency), "figure")),
            *((_machines(each),) if loaded else ()),
        )
        for each in servings
    )
    columns = tuple(column(head) for head in heads)
    return Table(caption="What a million requests cost, path by path", columns=columns, rows=rows, layout="stacked")


def _machines(each: ServingPrice) -> Lines:
    if each.machines is None:
        return lines(Text(_format.NOT_MEASURED, "missing"))
    return lines(Text(f"{each.machines:,}", "figure"))


def _arithmetic(servings: Iterable[ServingPrice]) -> Folded:
    """Return how each figure of the table is computed."""
    told = tuple(
        item((Text(each.title, "strong"), f": {each.arithmetic}"), *filter(None, (each.machines_arithmetic,)))
        for each in servings
    )
    return Folded(title="The arithmetic of each figure", blocks=(Items(items=told),))


def _picture(cost: Cost, servings: Iterable[ServingPrice]) -> Iterable[Block]:
    """Draw what a million requests cost over utilisation, of the cheapest paths of each kind."""
    figures = []
    for kind in ("server", "in process"):
        drawn = [each for each in servings if each.kind == kind][:_DRAWN]
        curves = tuple(
            Curve(
                scenario=each.scenario,
                framework=each.framework,
                device=each.device,
                name="cost of a million requests",
                unit=cost.prices.currency,
                x_name="utilisation, of 1",
                subject=each.title,
                x=_UTILISATIONS,
                y=tuple(each.at(cost.prices, share) for share in _UTILISATIONS),
            )
            for each in drawn
        )
        if curves:
            figures.append(Curves(title=f"Cost of a million requests by utilisation, {kind}", lines=curves, log=True))
    if figures:
        yield Figures(figures=tuple(figures))


plugin = CostSection()
