"""Edge: what a proven artifact takes on a small computer: cold start, latency on one core, memory, disk.

Every figure comes from fresh processes that hold one runtime and one artifact (`devices/_once.py`); the one whose
latency is measured takes turns with those of the other artifacts. The least memory is found in containers (`_floor`);
where there is no engine for them it stays unmeasured, with the reason, and the most that was used without a limit must
do. All of it includes Python, which a phone does not need; the same is measured of a process that only imports the
runtime, and the difference is the model's own share.
"""

import platform
import statistics
from typing import TYPE_CHECKING

import msgspec

from evaluator.children import engine
from evaluator.children.work import Work, blame
from evaluator.core import files, registry
from evaluator.core.coordinates import DEVICE
from evaluator.core.errors import FwevalError
from evaluator.core.metrics import key
from evaluator.core.records import PRECISIONS, Measured, Metrics, Record, Sampling
from evaluator.core.tensors import rows, write_arrays
from evaluator.core.turns import NAME
from evaluator.measure.sampling import track
from evaluator.stages._contract import GIB, Shown, Stage
from evaluator.stages._evidence import Assignment, read_artifact, read_examples, timed_rows
from evaluator.stages._figures import carried, latencies
from evaluator.stages._floor import RESOLUTION, Bench, Floor
from evaluator.stages._fresh import FreshProcess, ask
from exports.contract import Runtime
from exports.devices._once import Job, Question

if TYPE_CHECKING:
    from evaluator.planning.draft import ScenarioPlan

COLD_STARTS = 3
POOL = 8  # inputs that the timed calls rotate over
EVIDENCE = "edge.json"
# One core is slow, and the question is about the order of magnitude: a short look.
_MOST = {"min_queries": 64, "min_seconds": 2.0, "cap_seconds": 10.0, "warmup_queries": 5, "warmup_seconds": 0.3}


class Floors(Record, frozen=True, kw_only=True):
    """The least memory of the whole process, and of one that only imports the runtime; or why it is not known."""

    whole: Floor | None = None
    runtime: Floor | None = None
    unmeasured: str | None = None


class Look(Record, frozen=True, kw_only=True):
    """`edge.json`: all that the figures rest on."""

    cold_starts: tuple[FreshProcess, ...]
    runtime_only: FreshProcess
    floors: Floors


class Edge(Stage):
    """What artifacts take on small computers; its command is evaluator/commands/edge.py, which says what fits where."""

    name = "edge"
    title = "Edge"
    summary = "Measure what each proven artifact takes on a small computer: cold start, latency, memory, disk."
    rests_on = ("verify",)
    spread = "machine"
    measures = True
    in_turns = True
    memory_bytes = 6 * GIB
    timeout_s = 180.0
    expected_s = 25.0
    figures = (
        Shown(key("size_bytes")),
        Shown(key("latency_s", statistic="median"), "median {}"),
    )

    def plan(self, plan: "ScenarioPlan") -> None:
        """Plan each proven artifact in the runtimes that are made for small computers."""
        for each in plan.pairings():
            own = plan.brought and each.made.precision != PRECISIONS[0]  # those are proven, and weighed
            if each.runtime.edge and each.may_be_timed and each.device.name == DEVICE and not own:
                plan.about(self.name, each, needs=plan.proven(each))

    def work(self, work: Work) -> Measured:
        """Measure one artifact in one runtime."""
        about = Assignment(work)
        runtime: Runtime = registry.load("runtime", str(work.step.runtime))
        artifact, path = read_artifact(work.need("artifact"))
        inputs, _ = read_examples(work.need("trained"))
        chosen = timed_rows(len(next(iter(inputs.values()))), about.profile.verify_samples)
        pool = rows(
            about.model.inputs_for(artifact.layout, inputs), chosen.start, min(chosen.start + POOL, chosen.stop)
        )
        write_arrays(work.folder / "pool.npz", pool)
        write_arrays(work.folder / "one.npz", rows(pool, 0, 1))
        question = Question(
            artifact=str(path.resolve()), signature=artifact.signature, inputs=str(work.folder / "one.npz")
        )
        sampling = _short(about.profile.sampling)
        timed = msgspec.structs.replace(
            question,
            inputs=str(work.folder / "pool.npz"),
            sampling=sampling,
            track=track("latency", sampling),
            folder=str(work.folder),
        )
        name = work.step.runtime or ""
        jobs = work.folder / "jobs"
        jobs.mkdir()
        with blame(f"answering in {runtime.title}"):
            starts = tuple(
                ask(Job(runtime=name, question=question, packages=number == 0), jobs, f"start-{number}")
                for number in range(COLD_STARTS)
            )
            only = ask(Job(runtime=name), jobs, "runtime")
        floors = _floors(work, Job(runtime=name, question=question), starts[0], only)
        files.write_record(work.folder / EVIDENCE, Look(cold_starts=starts, runtime_only=only, floors=floors))
        with blame(f"answering in {runtime.title}"):
            warm = ask(Job(runtime=name, question=timed), jobs, "warm", work.turns).told
        work.turns.slept_s += warm.slept_s
        cold = [start.seconds for start in starts]
        files.write_samples(work.folder, {"cold_start": cold})
        packages = starts[0].told.packages
        metrics: Metrics = {
            "isa": platform.machine(),
            "cores": 1,
            "size_bytes": artifact.size_bytes,
            "runtime_bytes": sum(packages.values()),
            **carried(runtime, starts[0].told.native),
            "cold_start_s": statistics.median(cold),
            "queries": warm.queries,
            "capped": warm.capped,
            "peak_rss_bytes": max(start.told.peak_rss_bytes for start in starts),
            "runtime_rss_bytes": only.told.peak_rss_bytes,
            **_memory(floors),
            **warm.turns,
        }
        figures = latencies(warm.latency, about.profile)
        kept = {"look": EVIDENCE, "latency": "samples/latency.jsonl", "blocks": NAME}
        return Measured(metrics=metrics, figures=figures, files=kept)


def _short(sampling: Sampling) -> Sampling:
    """Return a sampling that ends soon."""
    return msgspec.structs.replace(
        sampling, **{name: min(most, getattr(sampling, name)) for name, most in _MOST.items()}
    )


def _floors(work: Work, job: Job, whole: FreshProcess, only: FreshProcess) -> Floors:
    """Find the least memory with and without the artifact; what stands in the way is an answer, too."""
    try:
        with engine.connect() as client:
            bench = Bench(client, work.folder / "containers", work.step.memory_bytes)
            found = bench.floor(job, whole)
            return Floors(whole=found, runtime=bench.floor(Job(runtime=job.runtime), only, found.least_bytes))
    except FwevalError as error:
        return Floors(unmeasured=f"{error.message} ({error.remedy})" if error.remedy else error.message)


def _memory(floors: Floors) -> Metrics:
    """Return the floors as metrics. The model's own share is the most that it can be, as well as both are known."""
    whole = floors.whole.least_bytes if floors.whole else None
    if whole is None or floors.runtime is None:
        return {"ram_floor_unmeasured": floors.unmeasured or "no limit sufficed"}
    runtime = floors.runtime.least_bytes or whole  # what suffices for the whole suffices for its part
    return {
        "ram_floor_bytes": whole,
        "runtime_ram_floor_bytes": runtime,
        "model_ram_bytes": whole - int(runtime / (1 + RESOLUTION)),
        "ram_floor_resolution": RESOLUTION,
    }


plugin = Edge()
