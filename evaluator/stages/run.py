"""Run: a proven artifact is loaded in a fresh process and timed: load, first call, warm latency, throughput, memory.

All artifacts of a scenario take turns. In the end each is asked beside deliberately busy neighbours, too, and with the
time of one core where a quota can be had: shared hosts are how models are served, and runtimes do not suffer alike.
"""

import importlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
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
from evaluator.measure.sampling import track, warm_up
from evaluator.stages import _on_device
from evaluator.stages._contract import GIB, Shown, Stage
from evaluator.stages._evidence import Assignment, read_artifact, read_examples, read_result, timed_rows
from evaluator.stages._figures import latencies
from evaluator.stages._peak import Peak
from exports.contract import Baseline, Runtime, Session, TimedOnDevice, Variant

if TYPE_CHECKING:
    from evaluator.planning.draft import Pairing, ScenarioPlan

ON_SERVERS = "server"  # the path whose artifacts share their machines most: in variants and under a quota, too
THROUGHPUT_SHARE = 0.5  # throughput gets half the time and a quarter of the calls: a batch is many queries
LATENCY, THROUGHPUT = "latency", "throughput"  # the tracks of an answer and of a batch,
NEIGHBOUR = "neighbour"  # the one beside busy neighbours,
QUOTA = "quota"  # and the one with the time of one core
CROWDED = {  # track -> what it is called, and how many times as long as alone it takes
    NEIGHBOUR: ("neighbour_latency_s", "neighbour_slowdown"),
    QUOTA: ("quota_latency_s", "quota_slowdown"),
}
DEVICE_CALLS = 20  # by the device's own clock, before the turns: events would be timed, too
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
    spread = "machine"
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
        pairings = sorted(plan.timed(), key=lambda each: each.rank)
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
        steps: dict[Pairing, str | None] = {}
        asked: list[_AsItIs | Pairing] = [*_baselines(plan, pairings), *pairings]
        for each in plan.balanced(asked, number):
            if isinstance(each, _AsItIs):
                _plan_baseline(plan, each, number, spare=spare)
            else:
                steps[each] = plan.about(self.name, each, needs=plan.proven(each), round=number, spare=spare)
        return steps

    def work(self, work: Work) -> Measured:
        """Measure one artifact in one runtime, or the model itself in its framework."""
        about = Assignment(work)
        runtime: Runtime = registry.load("runtime", str(work.step.runtime))
        subject: _Asked = (
            _Model(work, about, runtime) if isinstance(runtime, Baseline) else _Loaded(work, about, runtime)
        )
        pool, batch = subject.pool, subject.batch
        meter = about.device.meter()
        size = len(next(iter(batch.values())))  # a short profile may hold out fewer examples than a batch has
        with blame(f"importing {runtime.title}"):
            start = time.perf_counter()
            subject.prepare()
            begin = time.perf_counter()
        with blame(f"running in {runtime.title}"), subject.opened() as session:
            loaded = time.perf_counter()
            session(pool[0])
            first = time.perf_counter()
            answer = partial(_answer, session, pool)
            warm_up(answer, about.profile.sampling)
            session(batch)
            wanted = tracks(work.step, about.profile.sampling)
            batches = partial(_answer, session, [batch])
            calls: dict[Track, Call] = {each: batches if each.name == THROUGHPUT else answer for each in wanted}
            peak = Peak(about, wanted=isinstance(runtime, Baseline))
            device_seconds = _by_its_clock(session, pool)
            taken = work.turns.take({**calls, **peak.calls}, last=True, meter=meter)
            memory, shown = peak.memory, peak.metrics(taken)
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
            **shown,
            **_on_device.by_its_clock(about.device, "device_latency_s", device_seconds, runtime.title),
            **_on_device.joules(taken, LATENCY, "energy_per_answer_j", meter),
            **_crowded(taken),
        }
        figures = (*latencies(taken.seconds(LATENCY), about.profile), *peak.figures(taken))
        return Measured(metrics=metrics, figures=figures, files={"latency": "samples/latency.jsonl", "blocks": NAME})


class _Asked(ABC):
    """What is timed: the inputs that it is asked with, and how it is opened."""

    def __init__(self, work: Work, about: Assignment, layout: str, largest: int) -> None:
        self.work = work
        self.about = about
        inputs, _ = read_examples(work.need("trained"))
        inputs = about.model.inputs_for(layout, inputs)
        count = len(next(iter(inputs.values())))
        chosen = timed_rows(count, about.profile.verify_samples)
        timed = rows(inputs, chosen.start, chosen.stop)
        self.pool = [rows(timed, index, index + 1) for index in range(len(next(iter(timed.values()))))]
        self.batch = rows(inputs, 0, largest)

    @abstractmethod
    def prepare(self) -> None:
        """Import what computes."""

    @abstractmethod
    def opened(self) -> AbstractContextManager[Session]:
        """Make it ready, and yield the call."""


class _Loaded(_Asked):
    """An artifact that was proven, in batches that the proof found it to take."""

    def __init__(self, work: Work, about: Assignment, runtime: Runtime) -> None:
        self._runtime = runtime
        self._artifact, self._path = read_artifact(work.need("artifact"))
        taken = read_result(work.need("verified")).metrics.get("batch_sizes")
        sizes = [int(each) for each in taken] if isinstance(taken, tuple) else []
        largest = about.scenario.throughput_batch
        super().__init__(
            work, about, self._artifact.layout, max((each for each in sizes if each <= largest), default=largest)
        )

    def prepare(self) -> None:
        """Import the runtime."""
        importlib.import_module(self._runtime.module)

    def opened(self) -> AbstractContextManager[Session]:
        """Load the artifact."""
        return self.about.device.load(self._runtime, self._path, self._artifact.signature, threads=self.about.threads)


class _Model(_Asked):
    """The model itself, in its framework."""

    def __init__(self, work: Work, about: Assignment, runtime: Baseline) -> None:
        self._runtime = runtime
        super().__init__(work, about, about.framework.name, about.batch)

    def prepare(self) -> None:
        """Make the framework ready, which imports it."""
        self.about.prepare()

    @contextmanager
    def opened(self) -> Iterator[Session]:
        """Build the model with its weights."""
        about = self.about
        network = about.network(self.work.need("trained"))
        name, threads = about.device.name, about.threads
        with self._runtime.session(network, about.signature, device=name, threads=threads) as session:
            yield session


@dataclass(frozen=True, slots=True)
class _AsItIs:
    """A model itself, in its framework, on a device."""

    runtime: Baseline
    device: str


def _baselines(plan: "ScenarioPlan", pairings: Sequence["Pairing"]) -> list[_AsItIs]:
    """Return the models as they are, where paths out of them are timed: every path is measured against that."""
    timed = [each for each in pairings if plan.ids["verify"].get(each) is not None]
    places = dict.fromkeys((each.made.exporter.origin, each.device.name) for each in timed)
    runtimes = [each for each in registry.load_all("runtime") if isinstance(each, Baseline)]
    return [
        _AsItIs(runtime, device)
        for origin, device in places
        for runtime in runtimes
        if runtime.origin == origin and device in runtime.devices
    ]


def _plan_baseline(plan: "ScenarioPlan", baseline: _AsItIs, number: int, *, spare: bool) -> None:
    runtime = baseline.runtime
    plan.add(
        Run.name,
        runtime.origin,
        runtime=runtime.name,
        device=baseline.device,
        round=number,
        spare=spare,
        standard=False,
        needs={"trained": plan.ids["train"].get(runtime.origin)},
        refusal=plan.no_device(baseline.device) or plan.not_installed(runtime.distributions),
    )


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
        limited: step.device == DEVICE and _may_be_limited(step.format),
    }
    return tuple(each for each, is_wanted in wanted.items() if is_wanted)


def _may_be_limited(format_name: str | None) -> bool:
    """Tell whether an artifact, or the model itself, is asked about under a quota of one core, and can be here."""
    path: str = ON_SERVERS if format_name is None else registry.load("format", format_name).path
    return path == ON_SERVERS and machine.cores() > 1 and quota.possible()


def _by_its_clock(session: Session, pool: Sequence[Arrays]) -> list[float]:
    """Return the seconds of some answers by the device's own clock; none where nobody can take it."""
    if not isinstance(session, TimedOnDevice):
        return []
    return [session.device_s(pool[index % len(pool)]) for index in range(DEVICE_CALLS)]


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
