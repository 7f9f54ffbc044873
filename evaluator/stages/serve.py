"""Serve: bundle → launch → READY → parity through the wire → latency over every wire → measured stop → nothing left.

The same artifact is timed in this process as well, in turns with the wires: the difference is what the server costs.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from evaluator.children.work import Work
from evaluator.core import files
from evaluator.core.clock import SystemClock
from evaluator.core.outcome import Outcome
from evaluator.core.records import Figure, LabelValue, Measured, Metrics
from evaluator.core.tensors import Arrays, rows
from evaluator.measure import fidelity
from evaluator.measure.sampling import Samples, interleave, joined
from evaluator.stages._evidence import read_examples
from evaluator.stages._figures import labelled, latencies
from evaluator.stages._serving import REFERENCE, Served
from serving.contract import Wire
from serving.life import Service

WIRE_TOLERANCE = 1e-5  # relative to the output scale, served against in-process: the wire adds no arithmetic
IN_PROCESS = "in_process"

Blocks = Mapping[str, tuple[Samples, ...]]


def work(work: Work) -> Measured:
    """Serve one artifact by one server and measure it through each of its wires."""
    served = Served(work)
    begin = time.perf_counter()
    bundle = served.bundle(work.folder / "bundle")
    metrics: Metrics = {"bundle_s": time.perf_counter() - begin, "reference": served.reference}
    with served.serve(bundle, work.folder / "server") as service:
        figures, problems, blocks = _measure(served, work, service)
        metrics["peak_rss_bytes"] = service.running.peak_memory_bytes()
    metrics |= {"ready_s": service.ready_s, "leftovers": len(service.leftovers)}
    if service.stop_s is not None:
        metrics["stop_s"] = service.stop_s
    figures += _figures(blocks, served)
    metrics |= served.image_facts(work.folder)
    problems += [f"left behind after the stop: {', '.join(service.leftovers)}"] if service.leftovers else []
    files.write_samples(work.folder, {name: joined(each).seconds for name, each in blocks.items()})
    if problems:
        see = f"see steps/{work.step.id}/server"
        said = "; ".join(problems)
        return Measured(outcome=Outcome.FAILED, reason=said, remedy=see, metrics=metrics, figures=figures)
    reason = REFERENCE if served.reference else None
    return Measured(reason=reason, metrics=metrics, figures=figures, files={"log": "server"})


def _measure(served: Served, work: Work, service: Service) -> tuple[tuple[Figure, ...], list[str], Blocks]:
    """Prove parity through every wire, then time those that passed, in turns with the runtime in this process."""
    inputs, expected = read_examples(work.need("verified"))
    pool = [rows(inputs, index, index + 1) for index in range(len(next(iter(inputs.values()))))]
    figures: tuple[Figure, ...] = ()
    problems: list[str] = []
    calls: dict[str, Callable[[int], object]] = {}
    with ExitStack() as opened:
        for wire in service.server.wires:
            connection = opened.enter_context(service.server.connect(wire, service.bundle, service.ports))
            found = fidelity.compare(expected, _answers(connection, inputs), WIRE_TOLERANCE)
            figures += labelled(found.metrics(), wire=wire)
            if found.passed:
                calls[wire] = _calling(connection.call, [connection.encode(each) for each in pool])
            else:
                problems.append(f"answers over {wire} differ from the runtime's: {found.first_difference}")
        if not calls:
            return figures, problems, {}
        calls[IN_PROCESS] = _calling(opened.enter_context(served.in_process()), pool)
        return figures, problems, interleave(calls, served.about.profile.sampling, SystemClock())


def _calling(call: Callable[[Any], object], pool: list[Any]) -> Callable[[int], object]:
    return lambda index: call(pool[index % len(pool)])


def _answers(connection: Wire, inputs: Arrays) -> Arrays:
    """Ask for all rows at once."""
    return connection.decode(connection.call(connection.encode(inputs)))


def _figures(blocks: Blocks, served: Served) -> tuple[Figure, ...]:
    """Return latencies by wire, and by how much they exceed the call in this process."""
    from evaluator.measure.statistics import difference_interval

    figures: list[Figure] = []
    for name, each in blocks.items():
        samples = joined(each)
        figures += latencies(samples.seconds, served.about.profile, wire=name)
        figures += labelled({"queries": len(samples.seconds)}, wire=name)
        if name != IN_PROCESS:
            extra = difference_interval(_rounds(each), _rounds(blocks[IN_PROCESS]))
            labels: dict[str, LabelValue] = {"wire": name}
            figures.append(Figure(name="overhead_s", value=extra.value, low=extra.low, high=extra.high, labels=labels))
    return tuple(figures)


def _rounds(blocks: tuple[Samples, ...]) -> list[tuple[float, ...]]:
    return [block.seconds for block in blocks]
