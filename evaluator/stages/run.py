"""Run: a proven artifact is loaded in a fresh process and timed: load, first call, warm latency, throughput, memory.

All artifacts of a scenario take turns. In the end each is asked beside deliberately busy neighbours, too, and with the
time of one core where a quota can be had: shared hosts are how models are served, and runtimes do not suffer alike.
"""

import importlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from evaluator.children import quota
from evaluator.children.turns import Call, Taken
from evaluator.children.work import Work, blame
from evaluator.core import machine, registry
from evaluator.core.coordinates import DEVICE
from evaluator.core.metrics import key
from evaluator.core.records import Measured, Metrics, Profile, Sampling, Step
from evaluator.core.tensors import Arrays, rows
from evaluator.core.turns import INTERVAL_BLOCKS, NAME, Track
from evaluator.measure.resources import peak_memory
from evaluator.measure.sampling import track, warm_up
from evaluator.stages._contract import GIB, Shown, Stage
from evaluator.stages._evidence import Assignment, read_artifact, read_examples
from evaluator.stages._figures import latencies
from exports.contract import Runtime, Variant

if TYPE_CHECKING:
    from evaluator.planning.draft import Pairing, ScenarioPlan

POOL = 32  # inputs that the timed calls rotate over: a cache of one answer would be seen
ON_SERVERS = "server"  # the path whose artifacts share their machines most: in variants and under a quota, too
THROUGHPUT_SHARE = 0.5  # throughput gets half the time and a quarter of the calls: a batch is many queries
LATENCY, THROUGHPUT = "latency", "throughput"  # the tracks of an answer and of a batch,
NEIGHBOUR = "neighbour"  # the one beside busy neighbours,
QUOTA = "quota"  # and the one with the time of one core
CROWDED = {  # track -> what it is called, and how many times as long as alone it takes
    NEIGHBOUR: ("neighbour_latency_s", "neighbour_slowdown"),
    QUOTA: ("quota_latency_s", "quota_slowdown"),
}
CROWDED_BLOCKS = 6  # the fewest that give an interval
CROWDED_BLOCK_S = 0.25  # longer than the slices in which a kernel hands out a core


class Run(Stage):
    """Latency and throughput of artifacts in this machine's runtimes."""

    name = "run"
    title = "Runtimes"
    summary = "Time each proven artifact in each of its runtimes."
    command = "run"
    example = "fweval run resnet50 --device cpu"
    rests_on = ("verify",)
    measures = True
    in_turns = True
    memory_bytes = 6 * GIB
    timeout_s = 120.0
    expected_s = 8.0
    figures = (
        Shown(key("latency_s", statistic="median"), "median {}"),
        Shown(key("throughput_per_s")),
    )

    def measuring_s(self, profile: Profile) -> float:
        """Return the time of a sample of latencies, half of it for throughput, and the blocks beside neighbours."""
        return 1.5 * profile.sampling.min_seconds + 1.5 * CROWDED_BLOCKS * CROWDED_BLOCK_S

    def plan(self, plan: "ScenarioPlan") -> None:
        """Interleave the candidates, their order reversed every other round (ABBA).

        On the CPU, the first of them that can be had is measured once more at the end of each round: an A/A pair shows
        the noise. Rounds beyond those of the profile are spare. What servers run is measured in its variants, too, in
        the first round.
        """
        pairings = sorted((pairing for pairing in plan.pairings() if pairing.standard), key=lambda each: each.rank)
        for number in range(1, plan.draft.profile.rounds + 1):
            steps = self._plan_round(plan, pairings, number)
            on_cpu = [pairing for pairing in pairings if pairing.device.name == DEVICE and steps[pairing] is not None]
            able = [pairing for pairing in on_cpu if steps[pairing] not in plan.draft.impossible]
            for control in (able or on_cpu)[:1]:
                plan.about(self.name, control, needs=plan.proven(control), round=number, control=True)
            if number == 1:
                _plan_variants(plan, on_cpu)
        possible = [each for each in pairings if steps[each] is not None and steps[each] not in plan.draft.impossible]
        for number in range(plan.draft.profile.rounds + 1, (plan.draft.profile.most_rounds or 0) + 1):
            self._plan_round(plan, possible, number, spare=True)

    def _plan_round(
        self, plan: "ScenarioPlan", pairings: Sequence["Pairing"], number: int, *, spare: bool = False
    ) -> dict["Pairing", str | None]:
        return {
            pairing: plan.about(self.name, pairing, needs=plan.proven(pairing), round=number, spare=spare)
            for pairing in plan.balanced(pairings, number)
        }

    def work(self, work: Work) -> Measured:
        """Measure one artifact in one runtime."""
        about = Assignment(work)
        runtime: Runtime = registry.load("runtime", str(work.step.runtime))
        artifact, path = read_artifact(work.need("artifact"))
        inputs, _ = read_examples(work.need("trained"))
        inputs = about.model.inputs_for(artifact.layout, inputs)
        pool = [rows(inputs, index, index + 1) for index in range(min(POOL, len(next(iter(inputs.values())))))]
        batch = rows(inputs, 0, about.scenario.throughput_batch)
        size = len(next(iter(batch.values())))  # a short profile may hold out fewer examples than a batch has
        with blame(f"importing {runtime.title}"):
            start = time.perf_counter()
            importlib.import_module(runtime.module)
            begin = time.perf_counter()
        with (
            blame(f"running in {runtime.title}"),
            about.device.load(runtime, path, artifact.signature, threads=about.threads) as session,
        ):
            loaded = time.perf_counter()
            session(pool[0])
            first = time.perf_counter()
            answer = partial(_answer, session, pool)
            warm_up(answer, about.profile.sampling)
            session(batch)
            wanted = tracks(work.step, about.profile.sampling)
            batches = partial(_answer, session, [batch])
            calls: dict[Track, Call] = {each: batches if each.name == THROUGHPUT else answer for each in wanted}
            taken = work.turns.take(calls, last=True)
            memory = peak_memory()
        taken.write(work.folder)
        metrics: Metrics = {
            "import_s": begin - start,
            "load_s": loaded - begin,
            "first_call_s": first - loaded,
            "queries": len(taken.series[LATENCY]),
            **_throughput(taken, size),
            **memory,
            "capped": any(taken.capped(each.name) for each in wanted if each.min_seconds),
            **taken.metrics(),
            **_crowded(taken),
        }
        figures = latencies(taken.seconds(LATENCY), about.profile)
        return Measured(metrics=metrics, figures=figures, files={"latency": "samples/latency.jsonl", "blocks": NAME})


def _plan_variants(plan: "ScenarioPlan", pairings: Sequence["Pairing"]) -> None:
    """Plan the variants of what servers run: they share their machines more often than anything else."""
    variants: tuple[Variant, ...] = registry.load_all("variant")
    for pairing in (each for each in pairings if each.made.format.path == ON_SERVERS):
        for variant in variants:
            if variant.applies(pairing.runtime, plan.draft.capabilities.threads):
                plan.about(Run.name, pairing, needs=plan.proven(pairing), variant=variant.name)


def tracks(step: Step, sampling: Sampling) -> tuple[Track, ...]:
    """Return what an artifact is asked for: one answer at a time, batches, and answers where others want the cores.

    On the CPU they are asked for beside busy neighbours; what servers run, with the time of one core only as well.
    """
    latency = track(LATENCY, sampling)
    throughput = Track(
        name=THROUGHPUT,
        min_calls=max(1, sampling.min_queries // 4),
        min_seconds=sampling.min_seconds * THROUGHPUT_SHARE,
        min_blocks=INTERVAL_BLOCKS,
        cap_seconds=sampling.cap_seconds * THROUGHPUT_SHARE,
        block_calls=1,  # a batch is many queries
        untimed=0,
    )
    crowded = Track(
        name=NEIGHBOUR,
        min_blocks=CROWDED_BLOCKS,
        cap_seconds=sampling.cap_seconds * THROUGHPUT_SHARE,
        block_s=CROWDED_BLOCK_S,
        # 30 times as slow as alone was seen: four calls for each block reach the cap before there is an interval. The
        # caches are the neighbours' all the time: no call before those of a block gives them back.
        block_calls=1,
        untimed=0,
        neighbours=True,
    )
    limited = msgspec.structs.replace(crowded, name=QUOTA, neighbours=False, quota_cores=1.0)
    wanted = {
        latency: True,
        throughput: step.variant is None,
        crowded: step.device == DEVICE,
        limited: step.device == DEVICE and _may_be_limited(str(step.format)),
    }
    return tuple(each for each, is_wanted in wanted.items() if is_wanted)


def _may_be_limited(format_name: str) -> bool:
    """Tell whether an artifact is asked about in a container that may use one core of several, and can be here."""
    path: str = registry.load("format", format_name).path
    return path == ON_SERVERS and machine.cores() > 1 and quota.possible()


def _answer(session: Callable[[Arrays], Arrays], pool: Sequence[Arrays], index: int) -> object:
    return session(pool[index % len(pool)])


def _throughput(taken: Taken, size: int) -> Metrics:
    """Return items per second over all the timed batches; nothing where none were asked for."""
    if THROUGHPUT not in taken.series:
        return {}
    seconds = taken.seconds(THROUGHPUT)
    return {"throughput_per_s": size * len(seconds) / sum(seconds), "throughput_batch": size}


def _crowded(taken: Taken) -> Metrics:
    """Return how long an answer takes beside busy neighbours and under a quota, and how many times as long as alone."""
    usual = median(taken.seconds(LATENCY))
    told: Metrics = {}
    for name, (latency, slowdown) in CROWDED.items():
        if taken.series.get(name):
            slow = median(taken.series[name])
            told |= {latency: slow, **({slowdown: slow / usual} if usual else {})}
    return told


plugin = Run()
