"""Load: the server is saturated, then asked at growing rates whether or not it keeps up, over each wire; then batched.

Rates, knee and throughput in time come from loads that count: a rate at which the client was the bottleneck, or calls
failed, has no latency here (evaluator.measure.load says which, `loads.json` keeps them all).
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from evaluator.children.work import Work
from evaluator.core import files
from evaluator.core.records import Figure, Measured, Metrics, Profile
from evaluator.core.tensors import rows
from evaluator.measure.load import Load, best_under, invalid, knee, saturation
from evaluator.stages._contract import GIB, Stage
from evaluator.stages._evidence import read_examples
from evaluator.stages._figures import labelled, latencies
from evaluator.stages._serving import Served, plan_on_servers
from serving.contract import Wire
from serving.life import Service
from serving.load.sweep import SweepPlan, sweep

if TYPE_CHECKING:
    from evaluator.planning.draft import ScenarioPlan

WIRES = ("rest", "grpc")  # those that every server has, so that servers can be set side by side
LOADS = "loads.json"
_HIGHEST_TAIL = 99.0  # what service level objectives speak of


class UnderLoad(Stage):
    """Every server that is served, under load."""

    name = "load"
    title = "Load"
    summary = "Load the servers at growing rates, without and with batching."
    command = "load"
    example = "fweval load resnet50 --device cpu"
    rests_on = ("serve",)
    measures = True
    memory_bytes = 8 * GIB
    timeout_s = 150.0
    expected_s = 20.0

    def measuring_s(self, profile: Profile) -> float:
        """Return the time of the closed loops, and of each rate over each wire."""
        return 12.0 * profile.load.saturation_s + 3.0 * len(profile.load.shares) * profile.sampling.min_seconds

    def plan(self, plan: "ScenarioPlan") -> None:
        """SweepPlan a step for every server that is served."""
        plan_on_servers(plan, self.name)

    def work(self, work: Work) -> Measured:
        """Load one server over each wire, without and with batching."""
        served = Served(work)
        tail = min(_HIGHEST_TAIL, float(served.about.profile.highest_tail.removeprefix("p")))
        metrics: Metrics = {"reference": False, "tail": f"p{tail:g}"}
        loads: dict[tuple[str, bool], Sequence[Load]] = {}  # by wire, and whether the server batches
        bundle = served.bundle(work.folder / "bundle")
        with served.serve(bundle, work.folder / "server") as service:
            for wire in WIRES:
                loads[wire, False] = _sweep(served, work, service, wire)
        with served.serve(bundle, work.folder / "server-batching", batching=True) as service:
            for wire in WIRES:
                loads[wire, True] = _sweep(served, work, service, wire, shares=())
        figures = tuple(figure for way, swept in loads.items() for figure in _figures(way, swept, served, tail))
        kept = {f"{wire}_batched" if batching else wire: swept for (wire, batching), swept in loads.items()}
        files.write_record(work.folder / LOADS, kept, indent=0)
        return Measured(metrics=metrics, figures=figures, files={"loads": LOADS})


def _sweep(
    served: Served, work: Work, service: Service, wire: str, shares: Sequence[float] | None = None
) -> tuple[Load, ...]:
    """Sweep over one wire; without shares of the saturation rate, saturate only."""
    inputs, _ = read_examples(work.need("verified"))
    connect = partial(_connect, service, wire)
    with connect() as connection:
        count = len(next(iter(inputs.values())))
        requests = [connection.encode(rows(inputs, index, index + 1)) for index in range(count)]
    profile = served.about.profile
    load = profile.load if shares is None else msgspec.structs.replace(profile.load, shares=tuple(shares))
    plan = SweepPlan(sampling=profile.sampling, load=load, seed=served.about.seed)
    return sweep(connect, requests, plan, work.folder / "loadgen" / wire)


def _connect(service: Service, wire: str) -> AbstractContextManager[Wire]:
    return service.server.connect(wire, service.bundle, service.ports)


def _figures(way: tuple[str, bool], loads: Sequence[Load], served: Served, tail: float) -> Iterator[Figure]:
    """Yield what the loads of one wire, without or with batching, come to; what none of them shows is left out."""
    wire, batching = way
    most = saturation(loads)
    if most is not None:
        yield Figure(name="saturation_per_s", value=most, labels={"wire": wire, "batching": batching})
    opened = [load for load in loads if load.rate_per_s is not None]
    if not opened:
        return
    for load in opened:
        yield from _at_rate(wire, round((load.rate_per_s or 0.0) / (most or 1.0), 2), load, served)
    best = best_under(loads, served.about.scenario.serve.slo_s, tail / 100)
    last = opened[-1]
    found = {
        "knee_per_s": knee(loads),
        "in_time_per_s": best.rate_per_s,
        "not_in_time_per_s": best.failed_at_per_s,
        "client_cpu_per_1000_s": 1000 * last.client_cpu_s / last.calls,
    }
    yield from labelled({name: value for name, value in found.items() if value is not None}, wire=wire)


def _at_rate(wire: str, share: float, load: Load, served: Served) -> Iterator[Figure]:
    """Yield the figures of one rate, a share of the saturation rate: its latencies only when they are the server's."""
    metrics: Metrics = {
        "rate_per_s": load.rate_per_s or 0.0,
        "achieved_per_s": load.achieved_per_s,
        "errors": sum(load.errors.values()),
        "keeps_up": load.keeps_up,
    }
    why = invalid(load)
    if why is not None:
        metrics["invalid"] = why
    yield from labelled(metrics, wire=wire, share=share)
    if why is None:
        yield from latencies(load.seconds, served.about.profile, wire=wire, share=share)


plugin = UnderLoad()
