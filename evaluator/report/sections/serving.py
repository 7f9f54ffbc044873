"""Servers: start, answers through the wire, what they add to the call, and a measured stop."""

from typing import ClassVar

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
FIGURES: _servers.Columns = (
    ("Ready after", ("ready_s",)),
    ("REST p50, p90", ("rest_p50_s", "rest_p90_s")),
    ("gRPC p50, p90", ("grpc_p50_s", "grpc_p90_s")),
    ("Largest difference, REST and gRPC", ("parity_rest_max_abs_diff", "parity_grpc_max_abs_diff")),
    ("Raw bytes over REST p50, p90", ("raw_p50_s", "raw_p90_s")),
    ("Open Inference Protocol p50, REST and gRPC", ("oip_p50_s", "oip_grpc_p50_s")),
    ("Server adds to the call in process, REST and gRPC", ("rest_overhead_s", "grpc_overhead_s")),
    ("Stopped in", ("stop_s",)),
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
