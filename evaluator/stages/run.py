"""Run: a proven artifact is loaded in a fresh process and timed: load, first call, warm latency, throughput, memory.

All artifacts of a scenario take turns. In the end each is asked beside deliberately busy neighbours, too: shared hosts
are how models are served, and runtimes do not suffer alike.
"""

import importlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from evaluator.children.turns import Call, Taken
from evaluator.children.work import Work, blame
from evaluator.core import registry
from evaluator.core.coordinates import DEVICE
from evaluator.core.metrics import key
from evaluator.core.records import Measured, Metrics, Profile, Sampling
from evaluator.core.tensors import Arrays, rows
from evaluator.core.turns import INTERVAL_BLOCKS, NAME, Track
from evaluator.measure.resources import peak_memory
from evaluator.measure.sampling import warm_up
from evaluator.stages._contract import GIB, Shown, Stage
from evaluator.stages._evidence import Assignment, read_artifact, read_examples
from evaluator.stages._figures import latencies
from exports.contract import Runtime, Variant

if TYPE_CHECKING:
    from evaluator.planning.draft import Pairing, ScenarioPlan

POOL = 32  # inputs that the timed calls rotate over: a cache of one answer would be seen
VARIED = "server"  # the deployment path whose artifacts are measured in variants, too
THROUGHPUT_SHARE = 0.5  # throughput gets half the time and a quarter of the calls: a batch is many queries
NEIGHBOUR = "neighbour"  # the track beside busy neighbours
NEIGHBOUR_BLOCKS = 6
NEIGHBOUR_BLOCK_S = 0.25  # longer than the slices in which a kernel hands out a core


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
        return 1.5 * profile.sampling.min_seconds + 1.5 * NEIGHBOUR_BLOCKS * NEIGHBOUR_BLOCK_S

    def plan(self, plan: "ScenarioPlan") -> None:
        """Interleave the candidates, their order reversed every other round (ABBA).

        On the CPU, the first of them that can be had is measured once more at the end of each round: an A/A pair shows
        the noise. What servers run is measured in its variants, too, in the first round.
        """
        pairings = sorted((pairing for pairing in plan.pairings() if pairing.standard), key=lambda each: each.rank)
        for number in range(1, plan.draft.profile.rounds + 1):
            steps = {
                pairing: plan.about(self.name, pairing, needs=plan.proven(pairing), round=number)
                for pairing in plan.balanced(pairings, number)
            }
            on_cpu = [pairing for pairing in pairings if pairing.device.name == DEVICE and steps[pairing] is not None]
            able = [pairing for pairing in on_cpu if steps[pairing] not in plan.draft.impossible]
            for control in (able or on_cpu)[:1]:
                plan.about(self.name, control, needs=plan.proven(control), round=number, control=True)
            if number == 1:
                _plan_variants(plan, on_cpu)

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
            latency, throughput, beside = tracks(about.profile.sampling)
            calls: dict[Track, Call] = {latency: answer, throughput: lambda _: session(batch)}
            if work.step.device == DEVICE:
                calls[beside] = answer
            taken = work.turns.take(calls)
            memory = peak_memory()
        taken.write(work.folder)
        metrics: Metrics = {
            "import_s": begin - start,
            "load_s": loaded - begin,
            "first_call_s": first - loaded,
            "queries": len(taken.series[latency.name]),
            "throughput_per_s": _per_second(taken.seconds(throughput.name), size),
            "throughput_batch": size,
            **memory,
            "capped": taken.capped(latency.name) or taken.capped(throughput.name),
            **taken.metrics(),
            **_beside_neighbours(taken, latency.name, beside.name),
        }
        figures = latencies(taken.seconds(latency.name), about.profile)
        return Measured(metrics=metrics, figures=figures, files={"latency": "samples/latency.jsonl", "blocks": NAME})


def _plan_variants(plan: "ScenarioPlan", pairings: Sequence["Pairing"]) -> None:
    """Plan the variants of what servers run: they share their machines more often than anything else."""
    variants: tuple[Variant, ...] = registry.load_all("variant")
    for pairing in pairings:
        for variant in variants:
            if pairing.made.format.path == VARIED and variant.applies(pairing.runtime, plan.draft.capabilities.threads):
                plan.about(Run.name, pairing, needs=plan.proven(pairing), variant=variant.name)


def tracks(sampling: Sampling) -> tuple[Track, Track, Track]:
    """Return what an artifact is asked for: one answer at a time, batches, and answers beside busy neighbours."""
    latency = Track(
        name="latency",
        min_calls=sampling.min_queries,
        min_seconds=sampling.min_seconds,
        min_blocks=INTERVAL_BLOCKS,
        cap_seconds=sampling.cap_seconds,
    )
    throughput = Track(
        name="throughput",
        min_calls=max(1, sampling.min_queries // 4),
        min_seconds=sampling.min_seconds * THROUGHPUT_SHARE,
        min_blocks=INTERVAL_BLOCKS,
        cap_seconds=sampling.cap_seconds * THROUGHPUT_SHARE,
    )
    beside = Track(
        name=NEIGHBOUR,
        min_blocks=NEIGHBOUR_BLOCKS,
        cap_seconds=sampling.cap_seconds * THROUGHPUT_SHARE,
        block_s=NEIGHBOUR_BLOCK_S,
        neighbours=True,
    )
    return latency, throughput, beside


def _answer(session: Callable[[Arrays], Arrays], pool: Sequence[Arrays], index: int) -> object:
    return session(pool[index % len(pool)])


def _per_second(seconds: Sequence[float], size: int) -> float:
    """Return items per second over all the timed batches."""
    return size * len(seconds) / sum(seconds)


def _beside_neighbours(taken: Taken, alone: str, beside: str) -> Metrics:
    """Return how long an answer takes beside one busy neighbour on each core, and how many times as long as alone."""
    if not taken.series.get(beside):
        return {}
    slow, usual = median(taken.series[beside]), median(taken.seconds(alone))
    return {"neighbour_latency_s": slow, **({"neighbour_slowdown": slow / usual} if usual else {})}


plugin = Run()
