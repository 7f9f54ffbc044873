"""Serve: bundle → launch → READY → parity through the wire → latency over every wire → measured stop → nothing left.

The same artifact is timed in this process as well, in turns with the wires: the difference is what the server costs.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar

from evaluator.children.work import Work
from evaluator.core import files, registry
from evaluator.core.clock import SystemClock
from evaluator.core.metrics import key
from evaluator.core.outcome import Outcome
from evaluator.core.records import Figure, LabelValue, Measured, Metrics, Profile
from evaluator.core.tensors import Arrays, rows
from evaluator.measure import fidelity
from evaluator.measure.sampling import Samples, interleave, joined
from evaluator.stages._contract import GIB, Shown, Stage
from evaluator.stages._evidence import read_examples
from evaluator.stages._figures import labelled, latencies
from evaluator.stages._serving import REFERENCE, Served
from serving.contract import Launcher, Server, Wire
from serving.life import Service

if TYPE_CHECKING:
    from evaluator.planning.draft import ScenarioPlan

WIRE_TOLERANCE = 1e-5  # relative to the output scale, served against in-process: the wire adds no arithmetic
IN_PROCESS = "in_process"
LAUNCHERS = ("container", "process", "embedded")  # the order in which `auto` tries them; `all` takes each that works

Blocks = Mapping[str, tuple[Samples, ...]]


class Serve(Stage):
    """Servers, measured through the wire."""

    name = "serve"
    title = "Serving"
    summary = "Serve the proven artifacts and measure them through the wire."
    command = "serve"
    example = "fweval serve resnet50 --device cpu"
    rests_on = ("verify",)
    measures = True
    memory_bytes = 8 * GIB
    timeout_s = 180.0
    expected_s = 25.0
    gives: ClassVar = {"served": "serving it"}
    figures = (
        Shown(key("ready_s"), "ready after {}"),
        Shown(key("latency_s", wire="rest", statistic="median"), "REST median {}"),
        Shown(key("latency_s", wire="grpc", statistic="median"), "gRPC median {}"),
    )

    def measuring_s(self, profile: Profile) -> float:
        """Return the time of two wires and of the call in process."""
        return 3.0 * profile.sampling.min_seconds

    def plan(self, plan: "ScenarioPlan") -> None:
        """Plan each framework's artifact in its server, by the launcher that was asked for; the others stay visible."""
        for server in registry.load_all("server"):
            if server.framework in plan.frameworks:
                _plan(plan, server)

    def work(self, work: Work) -> Measured:
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


def _plan(plan: "ScenarioPlan", server: Server) -> None:
    """Plan a step for each launcher that can start this server."""
    served = plan.served_by(server)
    images = plan.scenario.serve.images.get(server.name, server.images)
    launchers = [registry.load("launcher", name) for name in LAUNCHERS if name in server.launchers]
    refusals = {each.name: plan.draft.capabilities.cannot_launch(server, each, images) for each in launchers}
    chosen = _chosen(plan, server, [each for each in launchers if refusals[each.name] is None], images)
    for launcher in launchers:
        step = plan.add(
            "serve",
            server.framework,
            server=server.name,
            launcher=launcher.name,
            needs=plan.proven(served),
            refusal=refusals[launcher.name],
            beside_s=launcher.beside_s,
            **served.made.fields(),
        )
        if step is not None and step not in plan.draft.impossible and launcher.name not in chosen:
            used = " and ".join(chosen) or plan.draft.options.launcher
            plan.draft.end(step, Outcome.NOT_APPLICABLE, f"launcher '{used}' was chosen instead")
        plan.ids["serve"][server, launcher.name] = step


def _chosen(plan: "ScenarioPlan", server: Server, able: Sequence[Launcher], images: Sequence[str]) -> list[str]:
    """Return the names of the launchers to use: for `auto`, a real server comes before a reference one."""
    wanted = plan.draft.options.launcher
    if wanted == "auto":
        able = sorted(able, key=lambda each: plan.draft.capabilities.is_reference(server, each, images))[:1]
    return [each.name for each in able if wanted in ("auto", "all", each.name)]


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


plugin = Serve()
