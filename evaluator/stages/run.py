"""Run: a proven artifact is loaded in a fresh process and timed: load, first call, warm latency, throughput, memory."""

import importlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from evaluator.children.work import Work, blame
from evaluator.core import files, registry
from evaluator.core.clock import SystemClock
from evaluator.core.coordinates import DEVICE
from evaluator.core.metrics import key
from evaluator.core.records import Measured, Metrics, Profile
from evaluator.core.tensors import rows
from evaluator.measure.resources import peak_memory
from evaluator.measure.sampling import Samples, collect
from evaluator.stages._contract import GIB, Shown, Stage
from evaluator.stages._evidence import Assignment, read_artifact, read_examples
from evaluator.stages._figures import latencies
from exports.contract import Runtime, Variant

if TYPE_CHECKING:
    from evaluator.planning.draft import Pairing, ScenarioPlan

POOL = 32  # inputs that the timed calls rotate over: a cache of one answer would be seen
VARIED = "server"  # the deployment path whose artifacts are measured in variants, too
THROUGHPUT_SHARE = 0.5  # throughput gets half the time and a quarter of the calls: a batch is many queries


class Run(Stage):
    """Latency and throughput of artifacts in this machine's runtimes."""

    name = "run"
    title = "Runtimes"
    summary = "Time each proven artifact in each of its runtimes."
    command = "run"
    example = "fweval run resnet50 --device cpu"
    rests_on = ("verify",)
    measures = True
    memory_bytes = 6 * GIB
    timeout_s = 120.0
    expected_s = 8.0
    figures = (
        Shown(key("latency_s", statistic="median"), "median {}"),
        Shown(key("throughput_per_s")),
    )

    def measuring_s(self, profile: Profile) -> float:
        """Return the time of a sample of latencies, and half of it for throughput."""
        return 1.5 * profile.sampling.min_seconds

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
        sampling = about.profile.sampling
        shorter = msgspec.structs.replace(
            sampling,
            min_queries=max(1, sampling.min_queries // 4),
            min_seconds=sampling.min_seconds * THROUGHPUT_SHARE,
            cap_seconds=sampling.cap_seconds * THROUGHPUT_SHARE,
            warmup_queries=2,
        )
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
            latency = collect(lambda index: session(pool[index % len(pool)]), sampling, SystemClock())
            throughput = collect(lambda _: session(batch), shorter, SystemClock())
            memory = peak_memory()
        files.write_samples(work.folder, {"latency": latency.seconds, "throughput": throughput.seconds})
        metrics: Metrics = {
            "import_s": begin - start,
            "load_s": loaded - begin,
            "first_call_s": first - loaded,
            "queries": len(latency.seconds),
            "throughput_per_s": _per_second(throughput, size),
            "throughput_batch": size,
            **memory,
            "capped": latency.capped or throughput.capped,
        }
        figures = latencies(latency.seconds, about.profile)
        return Measured(metrics=metrics, figures=figures, files={"latency": "samples/latency.jsonl"})


def _plan_variants(plan: "ScenarioPlan", pairings: Sequence["Pairing"]) -> None:
    """Plan the variants of what servers run: they share their machines more often than anything else."""
    variants: tuple[Variant, ...] = registry.load_all("variant")
    for pairing in pairings:
        for variant in variants:
            if pairing.made.format.path == VARIED and variant.applies(pairing.runtime, plan.draft.capabilities.cores):
                plan.about(Run.name, pairing, needs=plan.proven(pairing), variant=variant.name)


def _per_second(samples: Samples, size: int) -> float:
    """Return items per second over all the timed batches."""
    return size * len(samples.seconds) / sum(samples.seconds)


plugin = Run()
