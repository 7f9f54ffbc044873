"""Serve: bundle → launch → READY → parity through the wire → latency over every wire → measured stop → nothing left.

All servers of a scenario are alive at once and take turns, wire by wire. The same artifact is asked in this process,
too: the difference is what the server costs.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from evaluator.children.turns import Taken, own_cpu_s
from evaluator.children.work import Work
from evaluator.core import registry
from evaluator.core.metrics import key
from evaluator.core.outcome import Outcome
from evaluator.core.records import Figure, LabelValue, Measured, Metrics, Profile
from evaluator.core.scorecard import Interval
from evaluator.core.tensors import Arrays, rows
from evaluator.core.turns import NAME, Track, medians
from evaluator.measure import fidelity
from evaluator.measure.sampling import track, warm_up
from evaluator.stages._contract import GIB, Shown, Stage
from evaluator.stages._evidence import read_examples
from evaluator.stages._figures import labelled, latencies
from evaluator.stages._serving import COMMON_WIRES, REFERENCE, Served, cpu_seconds
from serving.contract import Launcher, Server, Wire
from serving.life import Service

if TYPE_CHECKING:
    from evaluator.planning.draft import ScenarioPlan

WIRE_TOLERANCE = 1e-5  # relative to the output scale, served against in-process: the wire adds no arithmetic
IN_PROCESS = "in_process"
LAUNCHERS = ("container", "process", "embedded")  # the order in which `auto` tries them; `all` takes each that works
_LONE_BLOCK_S = 0.5  # of a wire that no other server has: it is compared with nobody, and longer blocks cost less
_STAND_IN_S = 0.6  # a glance: how quick a stand-in is says nothing of what it stands for


class Serve(Stage):
    """Servers, measured through the wire."""

    name = "serve"
    title = "Serving"
    summary = "Serve the proven artifacts and measure them through the wire."
    command = "serve"
    example = "fweval serve resnet50 --device cpu"
    rests_on = ("verify",)
    spread = "machine"
    measures = True
    in_turns = True
    memory_bytes = 8 * GIB
    timeout_s = 180.0
    expected_s = 20.0
    gives: ClassVar = {"served": "serving it"}
    figures = (
        Shown(key("ready_s"), "ready after {}"),
        Shown(key("latency_s", wire="rest", statistic="median"), "REST median {}"),
        Shown(key("latency_s", wire="grpc", statistic="median"), "gRPC median {}"),
    )

    def measuring_s(self, profile: Profile) -> float:
        """Return the time of two wires and of the call in process."""
        return 3.3 * profile.sampling.min_seconds

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
            figures, problems, taken = _measure(served, work, service)
            metrics["peak_rss_bytes"] = service.running.peak_memory_bytes()
        metrics |= {"ready_s": service.ready_s, "leftovers": len(service.leftovers)}
        if service.stop_s is not None:
            metrics["stop_s"] = service.stop_s
        metrics |= served.image_facts(work.folder)
        files = {"log": "server"}
        if taken is not None:
            taken.write(work.folder)
            metrics |= taken.metrics()
            if not served.reference:  # a stand-in is only glanced at, and says so
                metrics["capped"] = any(taken.capped(name) for name in taken.tracks)
            figures += _figures(taken, served)
            files["blocks"] = NAME
        problems += [f"left behind after the stop: {', '.join(service.leftovers)}"] if service.leftovers else []
        if problems:
            see = f"see steps/{work.step.id}/server"
            said = "; ".join(problems)
            return Measured(outcome=Outcome.FAILED, reason=said, remedy=see, metrics=metrics, figures=figures)
        reason = REFERENCE if served.reference else None
        return Measured(reason=reason, metrics=metrics, figures=figures, files=files)


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


def _measure(served: Served, work: Work, service: Service) -> tuple[tuple[Figure, ...], list[str], Taken | None]:
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
            return figures, problems, None
        calls[IN_PROCESS] = _calling(opened.enter_context(served.in_process()), pool)
        for call in calls.values():
            warm_up(call, served.about.profile.sampling)
        asked = {_track(name, served): call for name, call in calls.items()}
        return figures, problems, work.turns.take(asked, cpu_seconds(own_cpu_s, service))


def _calling(call: Callable[[Any], object], pool: list[Any]) -> Callable[[int], object]:
    return lambda index: call(pool[index % len(pool)])


def _answers(connection: Wire, inputs: Arrays) -> Arrays:
    """Ask for all rows at once."""
    return connection.decode(connection.call(connection.encode(inputs)))


def _track(name: str, served: Served) -> Track:
    """Return how a server is asked over a wire, or the artifact in this process."""
    sampling, common = served.about.profile.sampling, name in (*COMMON_WIRES, IN_PROCESS)
    if served.reference:
        sampling = msgspec.structs.replace(sampling, cap_seconds=_STAND_IN_S)
    asked = track(name, sampling)
    return asked if common else msgspec.structs.replace(asked, min_blocks=1, block_s=_LONE_BLOCK_S)


def _figures(taken: Taken, served: Served) -> tuple[Figure, ...]:
    """Return latencies by wire, and by how much they exceed the call in this process."""
    figures: list[Figure] = []
    for name in taken.tracks:
        figures += latencies(taken.seconds(name), served.about.profile, wire=name)
        figures += labelled({"queries": len(taken.series[name])}, wire=name)
        if name != IN_PROCESS and (extra := _overhead(taken, name)) is not None:
            labels: dict[str, LabelValue] = {"wire": name}
            figures.append(Figure(name="overhead_s", value=extra.value, low=extra.low, high=extra.high, labels=labels))
    return tuple(figures)


def _overhead(taken: Taken, wire: str) -> Interval | None:
    """Return what a call over a wire takes more than one in this process, from the quiet blocks of the same turns."""
    from evaluator.measure.statistics import difference_interval

    over, within = (medians(taken.found, name, taken.series[name]) for name in (wire, IN_PROCESS))
    turns = sorted(over.keys() & within.keys())
    if not turns:
        return None
    return difference_interval([(over[turn],) for turn in turns], [(within[turn],) for turn in turns])


plugin = Serve()
