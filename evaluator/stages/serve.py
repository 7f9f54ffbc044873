"""Serve: bundle → launch → READY → parity through the wire → latency over every wire → measured stop → nothing left."""

import time

from evaluator.core import files, registry
from evaluator.core.clock import SystemClock
from evaluator.core.outcome import Outcome
from evaluator.core.records import Measured, Metrics
from evaluator.core.tensors import Arrays, rows
from evaluator.core.work import Work, subject
from evaluator.measure import fidelity
from evaluator.measure.sampling import Samples, collect
from evaluator.stages._evidence import Subject, read_artifact, read_examples
from evaluator.stages._figures import tails
from serving.contract import Launcher, Server, Wire
from serving.life import Service, serving
from serving.ports import free_ports

READY_WITHIN_S = 90.0
WIRE_TOLERANCE = 1e-5  # relative to the output scale, served against in-process: the wire adds no arithmetic
REFERENCE = "reference implementation, not tensorflow_model_server"


def work(work: Work) -> Measured:
    """Serve one artifact by one server and measure it through each of its wires."""
    about = Subject(work)
    server: Server = registry.load("server", str(work.step.server))
    launcher: Launcher = registry.load("launcher", str(work.step.launcher))
    artifact, path = read_artifact(work.need("artifact"))
    ports = free_ports(server.ports, about.scenario.serve.first_port)
    begin = time.perf_counter()
    with subject(f"making the bundle of {server.title}"):
        (work.folder / "bundle").mkdir()
        bundle = server.bundle(path, artifact.signature, work.folder / "bundle")
    metrics: Metrics = {"bundle_s": time.perf_counter() - begin, "reference": launcher.reference}
    samples: dict[str, Samples] = {}
    problems: list[str] = []
    with (
        subject(f"serving by {server.title}"),
        serving(server, launcher, bundle, ports, work.folder / "server", READY_WITHIN_S) as service,
    ):
        for wire in server.wires:
            found, problem = _measure(about, work, service, wire, samples)
            metrics |= found
            problems += [problem] if problem else []
        metrics["peak_rss_bytes"] = service.running.peak_memory_bytes()
    metrics |= {"ready_s": service.ready_s, "leftovers": len(service.leftovers)}
    if service.stop_s is not None:
        metrics["stop_s"] = service.stop_s
    for wire, taken in samples.items():
        metrics |= {**tails(wire, taken, about.profile), f"{wire}_queries": len(taken.seconds)}
    files.write_samples(work.folder, {wire: taken.seconds for wire, taken in samples.items()})
    problems += [f"left behind after the stop: {', '.join(service.leftovers)}"] if service.leftovers else []
    if problems:
        see = f"see steps/{work.step.id}/server"
        return Measured(outcome=Outcome.FAILED, reason="; ".join(problems), remedy=see, metrics=metrics)
    return Measured(reason=REFERENCE if launcher.reference else None, metrics=metrics, files={"log": "server"})


def _measure(
    about: Subject, work: Work, service: Service, wire: str, samples: dict[str, Samples]
) -> tuple[Metrics, str | None]:
    """Prove parity through one wire, then time it; no time is taken when the answers differ."""
    inputs, expected = read_examples(work.need("verified"))
    with service.server.connect(wire, service.bundle, service.ports) as connection:
        served = _answers(connection, inputs)
        found = fidelity.compare(expected, served, WIRE_TOLERANCE)
        metrics: Metrics = {f"parity_{wire}_{name}": value for name, value in found.metrics().items()}
        if not found.passed:
            return metrics, f"answers over {wire} differ from the runtime's: {found.first_difference}"
        count = len(next(iter(inputs.values())))
        requests = [connection.encode(rows(inputs, index, index + 1)) for index in range(count)]
        samples[wire] = collect(
            lambda index: connection.call(requests[index % count]), about.profile.sampling, SystemClock()
        )
    return metrics, None


def _answers(connection: Wire, inputs: Arrays) -> Arrays:
    """Ask for all rows at once."""
    return connection.decode(connection.call(connection.encode(inputs)))
