"""Load: servers are saturated in turns, without and with batching; then each is asked at rates that do not wait for it.

What a server sustains at most is measured in turns with the other servers, a moment of a closed loop at a time. Rates,
knee and throughput in time are each server's own, and come from loads that count: a rate at which the client was the
bottleneck, or calls failed, has no latency here (evaluator.measure.load says which, `loads.json` keeps them all).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any

from evaluator.children.turns import Elsewhere, Taken, own_cpu_s
from evaluator.children.work import Work
from evaluator.core import files
from evaluator.core.metrics import key
from evaluator.core.records import Figure, Measured, Metrics, Profile
from evaluator.core.tensors import rows
from evaluator.core.turns import INTERVAL_BLOCKS, NAME, Track
from evaluator.measure.load import Load, best_under, invalid, knee
from evaluator.stages._contract import GIB, Shown, Stage
from evaluator.stages._evidence import read_examples
from evaluator.stages._figures import labelled, latencies
from evaluator.stages._serving import COMMON_WIRES, Served, cpu_seconds, plan_on_servers
from serving.contract import Wire
from serving.life import Service
from serving.load.closed_loop import Crowd
from serving.load.sweep import SweepPlan, offer_shares, saturating

if TYPE_CHECKING:
    from evaluator.planning.draft import ScenarioPlan

LOADS = "loads.json"
BLOCK_S = 0.2  # of a closed loop: the clients' connections stay open in between
_FIRST_CLIENTS = 2  # that are tried: with one, a server rests while the client reads
_HIGHEST_TAIL = 99.0  # what service level objectives speak of


class UnderLoad(Stage):
    """Every server that is served, under load."""

    name = "load"
    title = "Load"
    summary = "Load the servers at growing rates, without and with batching."
    command = "load"
    example = "fweval load resnet50 --device cpu"
    rests_on = ("serve",)
    spread = "machine"
    measures = True
    in_turns = True
    memory_bytes = 8 * GIB
    timeout_s = 150.0
    figures = (
        Shown(key("saturation_per_s", wire="rest", batching=False), "at most {} over REST"),
        Shown(key("saturation_per_s", wire="rest", batching=True), "{} with batching"),
    )
    expected_s = 15.0

    def measuring_s(self, profile: Profile) -> float:
        """Return the time of the closed loops, and of each rate over each wire."""
        closed = 4.0 * (profile.load.saturation_s + 1.2 * _blocks(profile) * BLOCK_S)
        return closed + 3.0 * len(profile.load.shares) * profile.sampling.min_seconds

    def plan(self, plan: "ScenarioPlan") -> None:
        """Plan a step for every server that is served."""
        plan_on_servers(plan, self.name)

    def work(self, work: Work) -> Measured:
        """Load one server over each wire, without and with batching."""
        served = Served(work)
        bundle = served.bundle(work.folder / "bundle")
        with served.serve(bundle, work.folder / "server", stop=False) as alone:
            with (
                served.serve(bundle, work.folder / "server-batching", batching=True, stop=False) as batching,
                ExitStack() as opened,
            ):
                ways = {
                    track_name(wire, batching=batches): _Way.found(opened, served, work, service, wire)
                    for batches, service in ((False, alone), (True, batching))
                    for wire in COMMON_WIRES
                }
                taken = work.turns.take(
                    {track(name, served.about.profile): way.call for name, way in ways.items()},
                    cpu_seconds(own_cpu_s, alone, batching),
                )
            taken.write(work.folder)
            sustained = {name: _per_second(taken, name) for name, way in ways.items() if invalid(way.load) is None}
            opened_loops = {
                wire: ways[name].offer(served, work, sustained[name])
                for wire in COMMON_WIRES
                if (name := track_name(wire, batching=False)) in sustained
            }
        kept = {name: (*way.looks, way.load, *opened_loops.get(name, ())) for name, way in ways.items()}
        files.write_record(work.folder / LOADS, kept, indent=0)
        return Measured(
            metrics={"reference": False, "tail": f"p{_tail(served):g}", **taken.metrics()},
            figures=tuple(_figures(served, sustained, opened_loops)),
            files={"loads": LOADS, "blocks": NAME},
        )


def track_name(wire: str, *, batching: bool) -> str:
    """Return the name of the track on which a server is saturated over a wire: its samples are seconds per answer."""
    return f"{wire}_batched" if batching else wire


def track(name: str, profile: Profile) -> Track:
    """Return how a server is asked to be saturated: a closed loop of a moment for each block."""
    blocks = _blocks(profile)
    cap_s = profile.sampling.cap_seconds
    return Track(
        name=name, min_calls=blocks, min_blocks=blocks, cap_seconds=cap_s, block_s=0.0, block_calls=1, untimed=0
    )


def _blocks(profile: Profile) -> int:
    return max(INTERVAL_BLOCKS, math.ceil(profile.load.saturation_s / BLOCK_S))


@dataclass(slots=True, kw_only=True)
class _Way:
    """One server over one wire, with as many clients as saturate it."""

    wire: str
    connect: Callable[[], AbstractContextManager[Wire]]
    requests: Sequence[Any]
    looks: tuple[Load, ...]  # at how many clients that takes
    crowd: Crowd

    @classmethod
    def found(cls, opened: ExitStack, served: Served, work: Work, service: Service, wire: str) -> "_Way":
        """Look for that number, and connect the clients."""
        connect = partial(service.server.connect, wire, service.bundle, service.ports)
        inputs, _ = read_examples(work.need("verified"))
        with connect() as connection:
            count = len(next(iter(inputs.values())))
            requests = [connection.encode(rows(inputs, index, index + 1)) for index in range(count)]
        batching = service.setup.batching
        first = _FIRST_CLIENTS if batching is None else batching.max_size
        clients, looks = saturating(connect, requests, _sweep_plan(served), first)
        crowd = Crowd(opened, connect, requests, clients)
        return cls(wire=wire, connect=connect, requests=requests, looks=looks, crowd=crowd)

    @property
    def load(self) -> Load:
        """What all of its closed loops in turns came to."""
        return self.crowd.load

    def call(self, _: int) -> Elsewhere:
        """Keep the server busy for a moment; return the seconds per answer. The first failure ends it."""
        rate = self.crowd.keep_busy(BLOCK_S)
        if rate is None:
            raise StopIteration
        return Elsewhere((1 / rate,))

    def offer(self, served: Served, work: Work, most_per_s: float) -> tuple[Load, ...]:
        """Offer shares of what the server sustains."""
        folder = work.folder / "loadgen" / self.wire
        return offer_shares(self.connect, self.requests, _sweep_plan(served), most_per_s, folder)


def _sweep_plan(served: Served) -> SweepPlan:
    profile = served.about.profile
    return SweepPlan(sampling=profile.sampling, load=profile.load, seed=served.about.seed)


def _tail(served: Served) -> float:
    return min(_HIGHEST_TAIL, float(served.about.profile.highest_tail.removeprefix("p")))


def _per_second(taken: Taken, name: str) -> float:
    return 1 / median(taken.seconds(name))


def _figures(served: Served, sustained: Mapping[str, float], opened: Mapping[str, Sequence[Load]]) -> Iterator[Figure]:
    """Yield what the loads come to; what none of them shows is left out."""
    for wire in COMMON_WIRES:
        for batching in (False, True):
            name = track_name(wire, batching=batching)
            if name in sustained:
                yield Figure(
                    name="saturation_per_s", value=sustained[name], labels={"wire": wire, "batching": batching}
                )
        if opened.get(wire):
            yield from _over(wire, opened[wire], sustained[track_name(wire, batching=False)], served)


def _over(wire: str, loads: Sequence[Load], most_per_s: float, served: Served) -> Iterator[Figure]:
    """Yield what the open loops over one wire come to."""
    for load in loads:
        yield from _at_rate(wire, round((load.rate_per_s or 0.0) / most_per_s, 2), load, served)
    best = best_under(loads, served.about.scenario.serve.slo_s, _tail(served) / 100)
    last = loads[-1]
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
