"""A complete run that nobody made: every step of the plan with plausible figures, and switches to break things.

Two scenarios would only say everything twice, so there is one unless more are asked for. All figures are invented and
deterministic; only relations between them (who is faster, what is missing) may be expected in tests.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import msgspec
import numpy as np

from evaluator.core import registry
from evaluator.core.catalogue import Catalogue, CataloguedExporter
from evaluator.core.outcome import Outcome
from evaluator.core.records import (
    FRAMEWORKS,
    DeviceClass,
    Figure,
    LoadPlan,
    Machine,
    Metrics,
    Profile,
    Result,
    RunRecord,
    Sampling,
    Step,
)
from evaluator.core.scorecard import Scorecard
from evaluator.core.store import cell_of
from evaluator.core.turns import Block, Blocks
from evaluator.core.upkeep import Component, Inventory, Register, Way
from evaluator.judging import choosing, decision, ranking, scoring
from evaluator.judging.evidence import RESULT, Entry, Evidence
from tests.figures import fields

FORMATS: dict[str, dict[str, tuple[str, ...]]] = {
    "pytorch": {"torchscript": ("torch_jit",), "torchmobile": ("torch_mobile",), "onnx": ("onnx_runtime",)},
    "tensorflow": {
        "savedmodel": ("tensorflow",),
        "tflite": ("ai_edge_litert", "tflite_runtime"),
        "onnx": ("onnx_runtime",),
    },
}
PATHS = {
    "torchscript": "server",
    "savedmodel": "server",
    "torchmobile": "mobile",
    "tflite": "mobile",
    "onnx": "portable",
}
EXPORTERS = {
    f"{framework}_{name}": CataloguedExporter(origin=framework, format=name, route="native", standard=True)
    for framework, formats in FORMATS.items()
    for name in formats
}
TITLES = {
    "pytorch": "PyTorch",
    "tensorflow": "TensorFlow",
    "torchscript": "TorchScript",
    "torchmobile": "TorchMobile",
    "onnx": "ONNX",
    "savedmodel": "SavedModel",
    "tflite": "TFLite",
    "torch_jit": "torch.jit",
    "torch_mobile": "PyTorch lite interpreter",
    "onnx_runtime": "ONNX Runtime",
    "ai_edge_litert": "LiteRT (ai-edge-litert)",
    "tflite_runtime": "tflite-runtime",
    "torchserve": "TorchServe",
    "tensorflow_serving": "TensorFlow Serving API",
    "process": "process on this machine",
    "embedded": "embedded reference server",
}
UNDER_LOAD: Metrics = {
    "tail": "p90",
    **{f"saturation_per_s wire={wire} batching=no": 80.0 for wire in ("rest", "grpc")},
    **{f"in_time_per_s wire={wire}": 48.0 for wire in ("rest", "grpc")},
    **{
        f"rate_per_s wire={wire} share={share / 100}": 0.8 * share
        for wire in ("rest", "grpc")
        for share in (30, 60, 90)
    },
    **{
        f"latency_s wire={wire} share={share / 100} statistic=p90": 0.001 * share
        for wire in ("rest", "grpc")
        for share in (30, 60)
    },
}
PROBED = {"hot_swap": "high", "tls": "low"}  # the catalogue's probes, and what each weighs
PROBES: Metrics = {
    **{f"{name} probe=hot_swap": told for name, told in (("outcome", "passed"), ("reason", "done"), ("risk", "high"))},
    **{f"{name} probe=tls": told for name, told in (("outcome", "passed"), ("reason", "done"), ("risk", "low"))},
}
LATENCY_S = {
    "torch_jit": 0.012,
    "torch_mobile": 0.014,
    "onnx_runtime": 0.008,
    "tensorflow": 0.018,
    "ai_edge_litert": 0.009,
    "tflite_runtime": 0.011,
}
ON_EDGE = ("torch_mobile", "onnx_runtime", "ai_edge_litert", "tflite_runtime")
# What resnet50 takes on one core of a machine, and two devices: one that it fits, one that it is too large for.
DEVICES = (
    DeviceClass(
        name="gateway", title="Gateway", isa="x86_64", ram_bytes=10**9, flash_bytes=10**10, latency_s=1.0, threads=2
    ),
    DeviceClass(
        name="sensor",
        title="Sensor",
        isa="arm64",
        ram_bytes=50_000_000,
        flash_bytes=50_000_000,
        latency_s=1.0,
        required=False,
    ),
)
TRACKS = {"latency", "throughput", "rest", "grpc", "step"}  # of samples that are measured in turns
ON_GPU = ("torch_jit", "tensorflow", "onnx_runtime")
SERVERS = {
    "pytorch": ("torchserve", "torchscript", (("container", False), ("process", True))),
    "tensorflow": ("tensorflow_serving", "savedmodel", (("container", False), ("process", False), ("embedded", True))),
}
WEIGHTS_BYTES = 94_300_000
TRAIN = {"batch_size": 8, "plan": {"examples": 80_001, "epochs": 3, "source": "made up"}}  # 30,003 steps

# Everything rests on one component, which is maintained.
WAYS = tuple(
    Way(framework=framework, exporter=f"{framework}_{form}", format=form, runtime=runtime, components=("all",))
    for framework, formats in FORMATS.items()
    for form, runtimes in formats.items()
    for runtime in runtimes
)
MAINTAINED = Component(
    id="all",
    title="All of it",
    status="active",
    quote="made up",
    source="here",
    dated="2025-12",
    checked_on="2025-12-31",
)
INVENTORY = Inventory(register=Register(components=(MAINTAINED,)), ways=WAYS)

Wanted = Callable[[Step], bool]


@cache
def complete_run(*, scenarios: tuple[str, ...] = ("resnet50",), rounds: int = 3) -> Evidence:
    """Return the evidence of a complete run on a machine without GPU and Docker."""
    return Evidence(
        run=run_record(scenarios, rounds),
        entries=(
            *(entry for name in scenarios for entry in _entries(name, rounds)),
            *(_ease(name, framework) for name in scenarios for framework in FRAMEWORKS),
        ),
        catalogue=Catalogue(titles={"format": TITLES}, paths=PATHS, exporters=EXPORTERS, probes=PROBED),
        inventories={(name, framework): INVENTORY for name in scenarios for framework in FRAMEWORKS},
    )


def really_served() -> Evidence:
    """Return the same run with the real server where the other has a stand-in."""
    return change(complete_run(), lambda step: step.launcher == "embedded", reference=False)


def empty_run() -> Evidence:
    """Return the evidence of a run of which nothing is there."""
    return dataclasses.replace(complete_run(), entries=())


def change(evidence: Evidence, wanted: Wanted, *figures: Figure, **metrics: float | str | bool) -> Evidence:
    """Overwrite metrics, and figures with the same labels, of the entries whose step is wanted."""

    def changed(entry: Entry) -> Entry:
        keys = [(figure.name, figure.labels) for figure in figures]
        kept = (figure for figure in entry.result.figures if (figure.name, figure.labels) not in keys)
        return _result(entry, metrics={**entry.result.metrics, **metrics}, figures=(*kept, *figures))

    return _edit(evidence, wanted, changed)


def resample(evidence: Evidence, wanted: Wanted, name: str, samples: tuple[float, ...]) -> Evidence:
    """Overwrite one series of samples of the entries whose step is wanted."""

    def resampled(entry: Entry) -> Entry:
        changed = {**entry.samples, name: samples}
        return dataclasses.replace(
            entry, samples=changed, blocks=_in_turns(changed) if entry.blocks.blocks else Blocks()
        )

    return _edit(evidence, wanted, resampled)


def disturb(evidence: Evidence, wanted: Wanted, turns: range, others_cores: float = 0.9) -> Evidence:
    """Let others keep a part of the machine busy in some turns of the entries whose step is wanted."""

    def disturbed(block: Block) -> Block:
        return msgspec.structs.replace(block, others_cores=others_cores, quiet=False)

    def changed(entry: Entry) -> Entry:
        blocks = tuple(disturbed(each) if each.turn in turns else each for each in entry.blocks.blocks)
        return dataclasses.replace(entry, blocks=msgspec.structs.replace(entry.blocks, blocks=blocks))

    return _edit(evidence, wanted, changed)


def one_after_the_other(evidence: Evidence) -> Evidence:
    """Return the run as it would be without turns."""
    return _edit(evidence, lambda _: True, lambda e: dataclasses.replace(e, blocks=Blocks()))


def step(stage: str, scenario: str, framework: str, **fields: Any) -> Step:
    """Return a planned step."""
    return _step(stage, scenario, framework, **fields)


def ended(step: Step, metrics: Metrics, samples: dict[str, tuple[float, ...]] | None = None, blocks: int = 15) -> Entry:
    """Return a step that has passed, with what it measured in so many blocks of each track."""
    made = _ended(step, metrics, samples)
    return dataclasses.replace(made, blocks=_in_turns(samples or {}, blocks))


def ending(entry: Entry, outcome: Outcome, reason: str) -> Entry:
    """Return an entry that ended that way, with nothing timed."""
    told = _result(entry, outcome=outcome, reason=reason, remedy="look into it")
    return dataclasses.replace(told, samples={}, blocks=Blocks())


def figured(entry: Entry, *figures: Figure) -> Entry:
    """Return an entry with more figures."""
    return _result(entry, figures=(*entry.result.figures, *figures))


def with_precisions(catalogue: Catalogue, precisions: Mapping[str, str]) -> Catalogue:
    """Return a catalogue whose training variants compute in these."""
    return msgspec.structs.replace(catalogue, precisions=dict(precisions))


def end(evidence: Evidence, wanted: Wanted, outcome: Outcome, reason: str = "told to") -> Evidence:
    """Let the entries whose step is wanted end that way, with nothing measured."""
    return _edit(
        evidence,
        wanted,
        lambda e: dataclasses.replace(
            _result(e, outcome=outcome, reason=reason, remedy="look into it", metrics={}, figures=()),
            samples={},
            blocks=Blocks(),
        ),
    )


def without(evidence: Evidence, wanted: Wanted) -> Evidence:
    """Remove evidence: the step is still planned, but it has not ended."""
    return _edit(evidence, wanted, lambda e: Entry.unfinished(e.step, e.folder))


def is_step(**fields: Any) -> Wanted:
    """Match steps by their fields."""
    return lambda step: all(getattr(step, name) == value for name, value in fields.items())


def scorecard(evidence: Evidence | None = None) -> Scorecard:
    """Return the scorecard of a run, judged by the real checks; of the complete run unless another is given."""
    evidence = evidence or complete_run()
    checks = registry.load_all("check")
    scored = scoring.assemble(
        evidence,
        [finding for check in checks for finding in check.judge(evidence)],
        [comparison for check in checks for comparison in check.compare(evidence)],
        [cell_of(entry.step, entry.result) for entry in evidence.entries],
    )
    chosen = msgspec.structs.replace(scored, rankings=ranking.rankings(evidence), paths=choosing.choices(evidence))
    return decision.decided(chosen)


def run_record(scenarios: tuple[str, ...], rounds: int) -> RunRecord:
    """Return what was asked for."""
    sampling = Sampling(min_queries=130, min_seconds=10, cap_seconds=60, warmup_queries=8, warmup_seconds=1)
    profile = Profile(
        name="quick" if rounds >= 3 else "smoke",
        summary="made up",
        sampling=sampling,
        rounds=rounds,
        train_rounds=1,
        train_samples=512,
        heldout_samples=256,
        verify_samples=64,
        highest_tail="p95",
        load=LoadPlan(saturation_s=1.5, most_clients=4, shares=(0.3, 0.6, 0.9)),
        probe_seconds=1.5,
        timeout_s=dict.fromkeys(registry.names("stage"), 600.0),
    )
    machine = Machine(
        cpu="Example CPU",
        cores=2,
        memory_bytes=24 << 30,
        system="Linux",
        python="3.11",
        gpu=None,
        java=None,
        docker=None,
        versions={"torch": "2.13.0", "tensorflow": "2.21.0"},
    )
    return RunRecord(
        id="20260101-000000",
        command=("fweval", "full"),
        created_at="2026-01-01T00:00:00+00:00",
        fweval="0.1.0",
        git_revision=None,
        seed=1,
        profile=profile,
        scenarios={
            name: {"summary": f"{name}, made up", "start_tolerance": 1e-4, "train": TRAIN} for name in scenarios
        },
        frameworks=FRAMEWORKS,
        devices=("cpu", "gpu"),
        launcher="auto",
        device_classes=DEVICES,
        only=(),
        skip=(),
        machine=machine,
    )


def _entries(scenario: str, rounds: int) -> Iterator[Entry]:
    for framework in FRAMEWORKS:
        for device in ("cpu", "gpu"):
            yield _train(scenario, framework, device)
        for name, runtimes in FORMATS[framework].items():
            yield _export(scenario, framework, name)
            for runtime in runtimes:
                yield from _in_runtime(scenario, framework, (name, runtime), rounds)
        yield from _serve(scenario, framework)
        yield _ended(_step("upkeep", scenario, framework), {"packages": 40, "licences_unknown": 1})


def _train(scenario: str, framework: str, device: str) -> Entry:
    slow = 1.3 if framework == "tensorflow" else 1.0
    loss = tuple(float(2.3 * 0.97**step) for step in range(60))
    steps = _noisy(0.2 * slow, f"{scenario} {framework} train", 60)
    metrics: Metrics = {
        "import_s": 3.0 * slow,
        "build_s": 0.5,
        "time_to_first_step_s": 2.0 * slow,
        "step_s": float(np.median(steps)),
        "train_s": sum(steps),
        "steps": 60,
        "final_loss": loss[-1],
        "heldout_accuracy": 0.9,
        "accuracy_target": 0.3,
        "peak_rss_bytes": int(1.2e9 * slow),
        "parameters": WEIGHTS_BYTES // 4,
        "weights_bytes": WEIGHTS_BYTES,
    }
    if framework == FRAMEWORKS[1]:
        metrics |= {"max_abs_diff between=frameworks": 3e-6, "max_rel_diff between=frameworks": 2e-6}
    step = _step("train", scenario, framework, device=device)
    return _ended(step, metrics, {"step": steps, "loss": loss})


def _ease(scenario: str, framework: str) -> Entry:
    """Of twenty mistakes eight are silent, six end in an exception at their line that names what is wrong."""
    metrics: Metrics = {
        "mistakes": 20,
        "mistakes_raised": 6,
        "mistakes_warned": 1,
        "mistakes_harmless": 5,
        "mistakes_silent": 8,
        "mistakes_fatal": 0,
        "mistakes_at_line": 6,
        "mistakes_named": 6,
        "import_s": 3.0,
        "imports": 6,
        "packages_installed": 30,
        "installed_bytes": 10**9,
        "warnings_shown": 1,
        "deprecations_hidden": 2,
        **{f"{name} purpose=train": 50 for name in ("logical_lines", "complexity", "api_names")},
    }
    return _ended(_step("ease", scenario, framework), metrics, {"import": (2.8, 2.9, 3.0, 3.0, 3.1, 3.2)})


def _export(scenario: str, framework: str, name: str) -> Entry:
    size = int(WEIGHTS_BYTES * (1.02 if framework == "pytorch" else 1.01))
    metrics: Metrics = {"export_s": 3.0, "size_bytes": size, "peak_rss_bytes": 10**9, "sha256": "0" * 64}
    return _ended(_step("export", scenario, framework, format=name, precision="fp32"), metrics)


def _in_runtime(scenario: str, framework: str, about: tuple[str, str], rounds: int) -> Iterator[Entry]:
    name, runtime = about
    proof: Metrics = {
        "max_abs_diff": 2e-6,
        "max_rel_diff": 1e-6,
        "cosine": 1.0,
        "top1_agreement": 1.0,
        "smallest_tolerance": 1e-6,
        "tolerance": 1e-4,
        "accuracy": 0.9,
        "origin_accuracy": 0.9,
        "cases": 64,
    }
    for device in ("cpu", "gpu") if runtime in ON_GPU else ("cpu",):
        fields: dict[str, Any] = {"format": name, "precision": "fp32", "runtime": runtime, "device": device}
        yield _ended(_step("verify", scenario, framework, **fields), proof)
        for number in range(1, rounds + 1):
            yield _run(_step("run", scenario, framework, round=number, **fields))
            if name == "torchscript" and device == "cpu":
                yield _run(_step("run", scenario, framework, round=number, control=True, **fields))
        if runtime in ON_EDGE and device == "cpu":
            yield _edge(_step("edge", scenario, framework, **fields))


def _run(step: Step) -> Entry:
    slow = 1.1 if (step.framework, step.runtime) == ("tensorflow", "onnx_runtime") else 1.0
    latency = _noisy(LATENCY_S[str(step.runtime)] * slow, step.id, 130)
    middle = float(np.median(latency))
    metrics: Metrics = {
        "load_s": 0.4,
        "first_call_s": 0.1,
        "latency_s statistic=p50": middle,
        "latency_s statistic=p90": middle * 1.1,
        "queries": len(latency),
        "throughput_per_s": 1.5 / middle,
        "throughput_batch": 8,
        "peak_rss_bytes": int(4e8 * (1 + LATENCY_S[str(step.runtime)] * 20)),
        "capped": False,
    }
    return _ended(step, metrics, {"latency": latency, "throughput": _noisy(middle * 5, step.id, 32)})


def _edge(step: Step) -> Entry:
    slow = LATENCY_S[str(step.runtime)]
    metrics: Metrics = {
        "isa": "x86_64",
        "size_bytes": WEIGHTS_BYTES,
        "runtime_bytes": 80_000_000,
        "cold_start_s": 0.5,
        "latency_s statistic=p50": 3 * slow,
        "latency_s statistic=p90": 3.1 * slow,
        "peak_rss_bytes": 320_000_000,
        "runtime_rss_bytes": 60_000_000,
        "ram_floor_bytes": 250_000_000,
        "runtime_ram_floor_bytes": 40_000_000,
        "model_ram_bytes": 212_000_000,
        "ram_floor_resolution": 0.05,
    }
    return _ended(step, metrics)


def _serve(scenario: str, framework: str) -> Iterator[Entry]:
    server, name, launchers = SERVERS[framework]
    for launcher, works in launchers:
        step = _step("serve", scenario, framework, format=name, precision="fp32", server=server, launcher=launcher)
        if not works:
            yield _unavailable(step, "no Docker engine" if launcher == "container" else "not on PATH")
            continue
        samples = {wire: _noisy(0.02, f"{step.id} {wire}", 130) for wire in ("rest", "grpc")}
        metrics: Metrics = {
            "bundle_s": 0.5,
            "ready_s": 6.0,
            "stop_s": 0.7,
            "max_rel_diff wire=rest": 1e-7,
            "max_rel_diff wire=grpc": 0.0,
            "latency_s wire=rest statistic=p50": 0.02,
            "latency_s wire=grpc statistic=p50": 0.02,
            "queries wire=rest": 130,
            "queries wire=grpc": 130,
            "peak_rss_bytes": 900_000_000,
            "leftovers": 0,
            "reference": launcher == "embedded",
        }
        yield _ended(step, metrics, samples)
    for launcher, works in launchers:
        for stage in ("load", "probe"):
            step = _step(stage, scenario, framework, format=name, precision="fp32", server=server, launcher=launcher)
            found = {"load": UNDER_LOAD, "probe": PROBES}[stage] | {"reference": launcher == "embedded"}
            taken = (
                {wire: _noisy(1 / 80, f"{step.id} {wire}", 15) for wire in ("rest", "grpc")} if stage == "load" else {}
            )
            yield _ended(step, found, taken) if works else _unavailable(step, "not here")


def _step(stage: str, scenario: str, framework: str, **fields: Any) -> Step:
    parts = (stage, scenario, framework, *(str(value) for value in fields.values()))
    return Step(id="-".join(parts), stage=stage, scenario=scenario, framework=framework, **fields)


def _ended(step: Step, metrics: Metrics, samples: dict[str, tuple[float, ...]] | None = None) -> Entry:
    if step.device == "gpu":
        return _unavailable(step, "no CUDA GPU on this machine")
    result = Result(step=step.id, outcome=Outcome.PASSED, **fields(metrics), seconds=1.0)
    return _entry(step, result, samples or {})


def _unavailable(step: Step, reason: str) -> Entry:
    result = Result(step=step.id, outcome=Outcome.UNAVAILABLE, reason=reason, remedy="get one")
    return _entry(step, result, {})


def _entry(step: Step, result: Result, samples: dict[str, tuple[float, ...]]) -> Entry:
    return Entry(
        step=step,
        result=result,
        folder=f"steps/{step.id}",
        samples=samples,
        blocks=_in_turns(samples),
        digests={RESULT: "a" * 64},
    )


def _in_turns(samples: Mapping[str, tuple[float, ...]], most: int = 15) -> Blocks:
    """Return what was timed as blocks: fifteen of each track, or one for each call where there are fewer."""
    blocks: list[Block] = []
    for track in sorted(TRACKS & samples.keys()):
        for turn, part in enumerate(np.array_split(samples[track], min(most, len(samples[track]) or 1))):
            block = Block(
                track=track,
                turn=turn,
                calls=len(part),
                begin_s=float(turn),
                elapsed_s=float(part.sum()),
                own_cores=1.9,
                others_cores=0.05,
                slowdown=1.0,
            )
            blocks.append(block)
    return Blocks(together=("some", "others"), begun=1, idle_cores=0.0, blocks=tuple(blocks)) if blocks else Blocks()


def _noisy(middle: float, name: str, count: int) -> tuple[float, ...]:
    """Scatter by 1 % around a value, and by 1 % from name to name; the same for the same name."""
    rng = np.random.default_rng(list(name.encode()))
    return tuple(float(x) for x in middle * rng.lognormal(sigma=0.01) * rng.lognormal(sigma=0.01, size=count))


def _edit(evidence: Evidence, wanted: Wanted, edit: Callable[[Entry], Entry]) -> Evidence:
    entries = tuple(edit(entry) if wanted(entry.step) else entry for entry in evidence.entries)
    if entries == evidence.entries:
        raise AssertionError("no entry was changed: the step that the test wants is not in the run")
    return dataclasses.replace(evidence, entries=entries)


def _result(entry: Entry, **fields: Any) -> Entry:
    return dataclasses.replace(entry, result=msgspec.structs.replace(entry.result, **fields))
