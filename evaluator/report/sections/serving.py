"""Servers: start, answers through the wire, what they add to the call, and a measured stop."""

from typing import ClassVar

from evaluator.core.metrics import Key, key
from evaluator.core.scorecard import Scorecard
from evaluator.report import _cells, _format, _servers
from evaluator.report._base import Section
from evaluator.report._blocks import Block, missing, soft

READING = (
    "Start, answers through the wire, and a measured stop. Provisional figures are of the embedded reference server, "
    "which speaks the TF Serving API but is not tensorflow_model_server: it answers for protocol and parity only. "
    f"{_format.PERCENTILES}"
)
CAPTION = "Every server that could be started, by each launcher"


def _latency(wire: str, *statistics: str) -> tuple[Key, ...]:
    return tuple(key("latency_s", wire=wire, statistic=statistic) for statistic in statistics)


def figures(usual: str) -> _servers.Figures:
    """Return what is shown of a server; `usual` is the statistic that the run has of a usual call."""
    return (
        ("Ready after", (key("ready_s"),)),
        (f"REST {usual}, p90", _latency("rest", usual, "p90")),
        (f"gRPC {usual}, p90", _latency("grpc", usual, "p90")),
        ("Largest difference, REST and gRPC", (key("max_abs_diff", wire="rest"), key("max_abs_diff", wire="grpc"))),
        (f"Raw bytes over REST {usual}, p90", _latency("raw", usual, "p90")),
        (f"Open Inference Protocol {usual}, REST and gRPC", (*_latency("oip", usual), *_latency("oip_grpc", usual))),
        (
            "Server adds to the call in process, REST and gRPC",
            (key("overhead_s", wire="rest"), key("overhead_s", wire="grpc")),
        ),
        ("Keeps busy while others are asked", (key("idle_cores"),)),
        ("Stopped in", (key("stop_s"),)),
    )


class Serving(Section):
    """A column per server and launcher, and why others could not be had."""

    name: ClassVar[str] = "serving"
    title: ClassVar[str] = "Serving"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return the servers that were tried."""
        if not _servers.served(card):
            return (missing("No server was tried."),)
        return (soft(READING), *_servers.blocks(card, "serve", figures(_cells.typical(card.cells)), CAPTION))


plugin = Serving()
