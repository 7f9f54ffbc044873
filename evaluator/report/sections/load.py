"""Servers under load: how many requests per second they answer, and what that does to latency."""

from typing import ClassVar

from evaluator.core.metrics import Key, key
from evaluator.core.records import LabelValue
from evaluator.core.scorecard import Curve, Scorecard
from evaluator.report import _cells, _format, _servers
from evaluator.report._base import Section
from evaluator.report._blocks import Block, Curves, Figures, Heading, soft
from evaluator.report._curves import together

READING = (
    "Requests arrive at random (Poisson) at a rate that does not wait for answers; latency counts from the moment a "
    "request was due. Saturated: closed loops, as many requests as the server takes. A rate at which the client was "
    f"the bottleneck does not count. {_format.PERCENTILES}"
)
CAPTION = (
    "Requests per second: answered within the scenario's time, at the knee (beyond it more load costs more latency "
    "than it brings throughput), saturated; and what the client itself cost"
)


def _both(name: str, **labels: LabelValue) -> tuple[Key, ...]:
    return tuple(key(name, wire=wire, **labels) for wire in ("rest", "grpc"))


FIGURES: _servers.Figures = (
    ("In time, REST and gRPC", _both("in_time_per_s")),
    ("Knee, REST and gRPC", _both("knee_per_s")),
    ("Saturated, REST and gRPC", _both("saturation_per_s", batching=False)),
    ("Saturated with batching, REST and gRPC", _both("saturation_per_s", batching=True)),
    ("Client CPU per 1,000 requests", _both("client_cpu_per_1000_s")),
)


class Load(Section):
    """Rates, and a curve of latency by rate for each server."""

    name: ClassVar[str] = "load"
    title: ClassVar[str] = "Under load"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return nothing when no server was loaded."""
        if not _servers.served(card, "load"):
            return ()
        blocks: list[Block] = [soft(READING), *_servers.blocks(card, "load", FIGURES, CAPTION)]
        for scenario in _cells.scenarios(card):
            curves = tuple(Curves(title=_title(lines), lines=lines) for lines in together(card, scenario))
            blocks += [Heading(text=scenario), Figures(figures=curves)] if curves else []
        return tuple(blocks)


def _title(lines: tuple[Curve, ...]) -> str:
    name = lines[0].name
    return f"{name[0].upper()}{name[1:]} by {lines[0].x_name}"


plugin = Load()
