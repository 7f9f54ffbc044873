"""One bad request in a batch, and what becomes of those that share it.

With dynamic batching strangers' requests are computed as one. Where the failure of one fails the batch, any user can
hurt all others.
"""

import threading
from concurrent import futures

from evaluator.core import metrics
from serving.contract import Batching
from serving.errors import ServerError
from serving.life import Service
from serving.probes._mistakes import wrong_inputs
from serving.probing import Field, Probe, Reply, failed, passed

_AT_ONCE = 8
_ROUNDS = 3
_DELAY_S = 0.1  # long enough that all eight meet


class BatchNeighbours(Probe):
    """Sends eight requests at once, one of them of a wrong shape."""

    name = "batch_neighbours"
    title = "Neighbours in a batch"
    question = "Are seven requests answered rightly when the eighth of their batch is bad?"
    risk = "high"
    harm = "none"

    def ask(self, field: Field) -> Reply:
        """Ask in rounds over every wire."""
        rounds = 0
        innocent: list[str] = []  # what was told to the good
        accepted = 0  # bad ones that were answered as if they were good
        with field.start(batching=Batching(max_size=_AT_ONCE, max_delay_s=_DELAY_S)) as service:
            for wire in field.wires:
                for _ in range(_ROUNDS):
                    bad, good = _round(field, service, wire)
                    rounds += 1
                    accepted += bad is None
                    innocent += [f"{metrics.wire(wire)}: {found}" for found in good if found is not None]
        figures = {
            "rounds": rounds,
            "neighbours": rounds * (_AT_ONCE - 1),
            "neighbours_failed": len(innocent),
            "bad_accepted": accepted,
        }
        told = f"{len(innocent)} of {figures['neighbours']} good requests failed beside a bad one in their batch"
        if innocent or accepted:
            words = f" ({innocent[0]})" if innocent else f"; {accepted} bad ones were answered as if they were good"
            return failed(told + words, "check each request by itself before it joins a batch", **figures)
        return passed(told, **figures)


def _round(field: Field, service: Service, wire: str) -> tuple[str | None, list[str | None]]:
    """Send one bad and seven good requests at the same moment; return what was wrong with each answer."""
    together = threading.Barrier(_AT_ONCE)
    bad = next(iter(wrong_inputs(field.signature, field.inputs).values()))

    def one(index: int) -> str | None:
        with field.connect(service, wire) as connection:
            request = connection.encode(bad if index == 0 else field.inputs)
            together.wait()
            try:
                connection.call(request)
            except ServerError as error:
                return str(error)
        return None

    with futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        first, *others = pool.map(one, range(_AT_ONCE))
    return first, others


plugin = BatchNeighbours()
