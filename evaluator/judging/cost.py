"""What the paths of a run cost, by a price sheet of the user's. Pure: prices times what the scorecard holds.

A machine that is used to the share u of the rate r that it holds within the time limit answers 3,600 * r * u requests
an hour. So a million requests cost 10^6 * (price of an hour / (3,600 * r * u) + traffic of one), and a load of L
requests per second takes ceil(L / (r * u)) machines.

What is held by a server was seen under an open-loop load (`serving_load`); a stand-in's rate has no price. Without a
server, in one process that is asked one at a time, the rate is the inverse of the latency: the least that a machine
costs, because a server adds to it, and that is said.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from evaluator.core import metrics
from evaluator.core.coordinates import DEVICE
from evaluator.core.cost import HOUR_S, MILLION, BreakEven, Cost, Kind, Prices, ServingPrice, TrainingPrice
from evaluator.core.interval import Interval
from evaluator.core.quantities import percent, quantity, seconds, significant
from evaluator.core.records import Cell
from evaluator.core.scorecard import Finding, Scorecard

WIRES = {wire: metrics.wire(wire) for wire in ("rest", "grpc")}
_TRAINING, _ANSWER, _LOAD = "training_time", "server_answer", "load"


def cost(card: Scorecard, prices: Prices) -> Cost:
    """Return what everything costs that has a figure, and say of the rest why it has none."""
    trainings, no_training = _trainings(card, prices)
    loaded, no_load = _loaded(card, prices)
    alone = _alone(card, prices)
    servings = sorted((*loaded, *alone), key=_order)
    return Cost(
        prices=prices,
        trainings=trainings,
        servings=tuple(servings),
        break_evens=tuple(_break_evens(card, trainings, servings)),
        unpriced=(*no_training, *no_load),
    )


def _order(each: ServingPrice) -> tuple[str, bool, float]:
    return each.scenario, each.kind != "server", each.per_million.value


def _trainings(card: Scorecard, prices: Prices) -> tuple[tuple[TrainingPrice, ...], tuple[str, ...]]:
    priced, missing = [], []
    for finding in card.findings:
        if finding.check != _TRAINING:
            continue
        hour = prices.training_per_hour if finding.device == DEVICE else prices.gpu_training_per_hour
        if hour is None and finding.score is None:
            continue  # a device that is not here, and that has no price
        on = "" if finding.device == DEVICE else f" on {card.title('device', finding.device)}"
        place = f"training {finding.scenario} in {card.title('framework', finding.candidate)}{on}"
        if finding.score is None or finding.value is None or finding.interval is None:
            missing.append(f"{place}: {finding.reason}")
        elif hour is None:
            missing.append(f"{place}: the sheet has no gpu_training_per_hour")
        else:
            priced.append(_training(finding, finding.interval, hour, prices.currency))
    return tuple(priced), tuple(missing)


def _training(finding: Finding, taken: Interval, hour: float, currency: str) -> TrainingPrice:
    price = scaled(taken, hour / HOUR_S)
    return TrainingPrice(
        scenario=finding.scenario,
        framework=finding.candidate,
        device=finding.device,
        price=price,
        arithmetic=f"{seconds(taken.value)} at {money(hour, currency)} an hour = {money(price.value, currency)}",
    )


def _loaded(card: Scorecard, prices: Prices) -> tuple[tuple[ServingPrice, ...], tuple[str, ...]]:
    """Price every server by its better wire."""
    priced: list[ServingPrice] = []
    missing: dict[tuple[str, str, str], list[str]] = {}  # scenario, framework, server -> why, launcher by launcher
    for cell in card.cells:
        if cell.stage != _LOAD:
            continue
        reasons = missing.setdefault((cell.scenario, cell.framework, str(cell.server)), [])
        if not cell.outcome.is_answer or cell.metrics.get("reference") is True:
            reasons.append(cell.reason or "not measured: the embedded reference server stood in")
            continue
        held = max(_held(cell, prices), default=None)
        if held is None:
            reasons.append("no rate was answered in time, over any wire")
            continue
        title = f"{card.title('server', str(cell.server))} ({card.title('launcher', str(cell.launcher))})"
        rate = Interval(value=held[0], low=None, high=None)
        path = _Path(cell.scenario, cell.device, title, cell.framework, "server", cell.evidence)
        priced.append(_serving(path, rate, held[1], prices))
    known = {(each.scenario, each.framework) for each in priced}
    return tuple(priced), tuple(
        f"serving {scenario} by {card.title('server', server)}: {'; '.join(dict.fromkeys(reasons))}"
        for (scenario, framework, server), reasons in missing.items()
        if reasons and (scenario, framework) not in known
    )


def _held(cell: Cell, prices: Prices) -> Iterator[tuple[float, str]]:
    """Yield the rates that were answered within the time limit, the highest of each wire, and how they are known."""
    tail = str(cell.metrics.get("tail", "p50"))
    for wire, title in WIRES.items():
        if prices.slo_s is None:
            rate = _number(cell, "in_time_per_s", wire=wire)
            if rate:
                yield rate, f"the highest offered rate with {tail} within the scenario's time limit, over {title}"
            continue
        offered = [
            (metrics.number(each.value) or 0.0, each.labels.get("share", 0))
            for each in metrics.select(cell.figures, "rate_per_s", wire=wire)
        ]
        kept = [
            rate
            for rate, share in offered
            if (latency := _number(cell, "latency_s", wire=wire, share=share, statistic=tail)) is not None
            and latency <= prices.slo_s
            and not _number(cell, "errors", wire=wire, share=share)
        ]
        if kept:
            yield max(kept), f"the highest offered rate with {tail} within {seconds(prices.slo_s)}, over {title}"


def _number(cell: Cell, name: str, **labels: str | float) -> float | None:
    found = metrics.find(cell, metrics.key(name, **labels))
    return None if found is None else metrics.number(found.value)


def _alone(card: Scorecard, prices: Prices) -> Iterator[ServingPrice]:
    """Price what a process holds that is asked one at a time."""
    for choice in card.paths:
        if choice.question != _ANSWER:
            continue
        for candidate in (*choice.best, *choice.others):
            taken = candidate.figure
            if taken is None or taken.value <= 0 or candidate.variant is not None or _late(taken, prices):
                continue
            rate = Interval(
                value=1 / taken.value,
                low=1 / taken.high if taken.high else None,
                high=1 / taken.low if taken.low else None,
            )
            basis = f"one at a time in one process, {seconds(taken.value)} each: a server adds to it"
            about = (candidate.title, candidate.framework)
            path = _Path(choice.scenario, choice.device, *about, "in process", candidate.evidence)
            yield _serving(path, rate, basis, prices)


def _late(taken: Interval, prices: Prices) -> bool:
    return prices.slo_s is not None and taken.value > prices.slo_s


@dataclass(frozen=True, slots=True)
class _Path:
    """What is served, and where its figures are from."""

    scenario: str
    device: str
    title: str
    framework: str
    kind: Kind
    evidence: str


def _serving(path: _Path, rate: Interval, basis: str, prices: Prices) -> ServingPrice:
    """Price a million requests, and count the machines for the load that must be carried."""
    share = prices.most_utilisation
    traffic = MILLION * prices.traffic_per_request
    per_million = _inverse(rate, MILLION * prices.serving_per_hour / (HOUR_S * share), traffic)
    hour = money(prices.serving_per_hour, prices.currency)
    told = f"10^6 * {hour} / (3,600 * {quantity(rate.value, '1/s')} * {percent(share)})"
    if traffic:
        told += f" + {money(traffic, prices.currency)} of traffic"
    machines, counted = None, ""
    if prices.load_per_s is not None:
        needed = prices.load_per_s / (rate.value * share)
        machines = ceil(needed - 1e-9)
        counted = (
            f"{quantity(prices.load_per_s, '1/s')} / ({quantity(rate.value, '1/s')} * {percent(share)}) = "
            f"{significant(needed)}: {machines:,} machine{'' if machines == 1 else 's'}"
        )
    return ServingPrice(
        scenario=path.scenario,
        device=path.device,
        title=path.title,
        framework=path.framework,
        kind=path.kind,
        rate_per_s=rate,
        basis=basis,
        per_million=per_million,
        arithmetic=f"{told} = {money(per_million.value, prices.currency)}",
        machines=machines,
        machines_arithmetic=counted,
        evidence=path.evidence,
    )


def _break_evens(
    card: Scorecard, trainings: Sequence[TrainingPrice], servings: Iterable[ServingPrice]
) -> Iterator[BreakEven]:
    """Say where the order of two frameworks turns, each by its cheapest way to serve of the same kind."""
    cheapest: dict[tuple[str, Kind], dict[str, ServingPrice]] = {}
    for each in servings:  # the cheapest first
        if each.device == DEVICE:
            cheapest.setdefault((each.scenario, each.kind), {}).setdefault(each.framework, each)
    for (scenario, kind), found in cheapest.items():
        trained = {t.framework: t for t in trainings if t.scenario == scenario and t.device == DEVICE}
        if len(found) == len(trained) == 2 and found.keys() == trained.keys():
            sides = [(card.title("framework", name), trained[name].price, found[name].per_million) for name in found]
            requests, statement = _turning(sides)
            yield BreakEven(scenario=scenario, kind=kind, requests=requests, statement=statement)


def _turning(sides: Sequence[tuple[str, Interval, Interval]]) -> tuple[float | None, str]:
    """Return from how many requests on the dearer training pays, and say so; only where both differences are shown."""
    (a, a_train, a_serve), (b, b_train, b_serve) = sides
    trains, serves = _cheaper(a_train, b_train), _cheaper(a_serve, b_serve)
    if trains is None or serves is None:
        what = " and ".join(name for name, known in (("training", trains), ("serving", serves)) if known is None)
        return None, f"not told: the intervals of what {what} costs overlap, or there are none"
    if trains == serves:
        return None, f"{a if trains == 0 else b} is cheaper to train and to serve, whatever the number of requests"
    first, last = (a, b) if trains == 0 else (b, a)
    requests = MILLION * (a_train.value - b_train.value) / (b_serve.value - a_serve.value)
    return requests, (
        f"below {significant(requests)} requests {first} is cheaper, which costs less to train; above, {last} is, "
        "which costs less to serve"
    )


def _cheaper(a: Interval, b: Interval) -> int | None:
    """Return which of two is shown to be cheaper, by its place; None where the intervals do not tell."""
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return None
    if a.high < b.low:
        return 0
    return 1 if b.high < a.low else None


def scaled(found: Interval, factor: float) -> Interval:
    """Return an interval times a price."""
    return Interval(
        value=found.value * factor,
        low=None if found.low is None else found.low * factor,
        high=None if found.high is None else found.high * factor,
    )


def _inverse(rate: Interval, factor: float, more: float) -> Interval:
    """Return what costs the less, the higher a rate is."""
    return Interval(
        value=factor / rate.value + more,
        low=None if not rate.high else factor / rate.high + more,
        high=None if not rate.low else factor / rate.low + more,
    )


def money(amount: float, currency: str) -> str:
    """Write an amount: "12.3 EUR"."""
    return f"{significant(amount)} {currency}"
