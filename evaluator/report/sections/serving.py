"""Servers: start, answers through the wire, what they add to the call, and a measured stop."""

from typing import ClassVar

from evaluator.core.metrics import Key, key
from evaluator.core.scorecard import Scorecard
from evaluator.report import _format, _servers
from evaluator.report._base import Section
from evaluator.report._blocks import Block, missing, soft

READING = (
    "Start, answers through the wire, and a measured stop. Provisional rows come from the embedded reference server: "
    "it speaks the TF Serving API but is not tensorflow_model_server. "
    f"{_format.PERCENTILES}"
)
CAPTION = "Every server and launcher that was tried"


def _latency(wire: str, *statistics: str) -> tuple[Key, ...]:
    return tuple(key("latency_s", wire=wire, statistic=statistic) for statistic in statistics)


FIGURES: _servers.Columns = (
    ("Ready after", (key("ready_s"),)),
    ("REST p50, p90", _latency("rest", "p50", "p90")),
    ("gRPC p50, p90", _latency("grpc", "p50", "p90")),
    ("Largest difference, REST and gRPC", (key("max_abs_diff", wire="rest"), key("max_abs_diff", wire="grpc"))),
    ("Raw bytes over REST p50, p90", _latency("raw", "p50", "p90")),
    ("Open Inference Protocol p50, REST and gRPC", (*_latency("oip", "p50"), *_latency("oip_grpc", "p50"))),
    (
        "Server adds to the call in process, REST and gRPC",
        (key("overhead_s", wire="rest"), key("overhead_s", wire="grpc")),
    ),
    ("Stopped in", (key("stop_s"),)),
)


class Serving(Section):
    """One row per server and launcher, also for those that could not be had."""

    name: ClassVar[str] = "serving"
    title: ClassVar[str] = "Serving"

    def blocks(self, card: Scorecard) -> tuple[Block, ...]:
        """Return the servers that were tried."""
        if not _servers.served(card):
            return (missing("No server was tried."),)
        return (soft(READING), _servers.table(card, "serve", FIGURES, CAPTION))


plugin = Serving()
