"""What a path costs: the price sheet that a person gives, and what follows from it. fweval knows no prices.

Prices are for a machine such as the one that was measured on: its hours are what figures are of.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from evaluator.core import toml
from evaluator.core.coordinates import Record
from evaluator.core.errors import UsageError
from evaluator.core.interval import Interval

NAME = "prices.toml"  # of the sheet, in a run folder
Price = Annotated[float, msgspec.Meta(gt=0, le=10**9)]
Part = Annotated[float, msgspec.Meta(gt=0, le=1)]
Kind = Literal["server", "in process"]
MILLION = 1_000_000
HOUR_S = 3_600


class Prices(Record, frozen=True, kw_only=True):
    """A price sheet: `prices.toml`. Each key says its unit; money is in `currency`."""

    currency: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}$(?!\n)")]  # ISO 4217: "EUR", "USD"
    training_per_hour: Price  # of a machine such as the one of the run
    serving_per_hour: Price
    gpu_training_per_hour: Price | None = None  # of one with a GPU; without it, trainings on a GPU have no cost
    traffic_per_gb: Price | None = None  # 10^9 bytes in and out
    bytes_per_request: Annotated[int, msgspec.Meta(ge=1, le=10**12)] | None = None
    load_per_s: Price | None = None  # requests per second that must be carried
    most_utilisation: Part = 0.7  # machines are planned no fuller than this
    slo_s: Price | None = None  # what a request may take; without it, the scenario's own limit
    source: Annotated[str, msgspec.Meta(max_length=1000)] = ""  # where the prices come from, and of which day

    def __post_init__(self) -> None:
        """Refuse half of what traffic costs."""
        if (self.traffic_per_gb is None) is not (self.bytes_per_request is None):
            raise ValueError("traffic_per_gb and bytes_per_request belong together")

    @property
    def traffic_per_request(self) -> float:
        """Return what the bytes of one request cost."""
        return (self.traffic_per_gb or 0.0) * (self.bytes_per_request or 0) / 1e9


def read_prices(path: Path) -> Prices:
    """Read a price sheet; `UsageError` says what is wrong, and where."""
    text, table = toml.parse(path)
    if "currency" not in table:
        raise UsageError(f"{path}: its prices have no unit", remedy='say in which money they are: currency = "EUR"')
    return toml.convert(path, text, table, Prices)


class TrainingPrice(Record, frozen=True, kw_only=True):
    """What the training that is planned costs in one framework."""

    scenario: str
    framework: str
    device: str
    price: Interval
    arithmetic: str


class ServingPrice(Record, frozen=True, kw_only=True):
    """What a million requests cost on one path, and how many machines carry the load."""

    scenario: str
    device: str
    title: str  # of the path, for people
    framework: str
    kind: Kind
    rate_per_s: Interval  # that one machine holds within the limit
    basis: str  # how that rate is known
    per_million: Interval  # at `most_utilisation`, with traffic
    arithmetic: str
    machines: int | None = None  # for `load_per_s`; None where no load is given
    machines_arithmetic: str = ""
    evidence: str  # the step's folder

    def at(self, prices: Prices, utilisation: float) -> float:
        """Return the cost of a million requests where machines are used so far."""
        machine = prices.serving_per_hour / (HOUR_S * self.rate_per_s.value * utilisation)
        return MILLION * (machine + prices.traffic_per_request)


class BreakEven(Record, frozen=True, kw_only=True):
    """From how many requests on the framework that is dearer to train is the cheaper one."""

    scenario: str
    kind: Kind
    requests: float | None = None  # None where there is no such number, or nobody can tell
    statement: str


class Cost(Record, frozen=True, kw_only=True):
    """What the paths of a run cost by a price sheet."""

    prices: Prices
    trainings: tuple[TrainingPrice, ...] = ()
    servings: tuple[ServingPrice, ...] = ()  # the cheapest of each scenario first
    break_evens: tuple[BreakEven, ...] = ()
    unpriced: tuple[str, ...] = ()  # what has no cost, and why
