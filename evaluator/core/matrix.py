"""The export matrix's records: every exporter at every precision, proven or explained. Part of the scorecard."""

from typing import Literal

import msgspec

from evaluator.core.outcome import Outcome
from evaluator.core.quality import Quality
from evaluator.core.records import Record

State = Literal["passed", "passed in part", "failed", "unsupported", "unavailable", "not run"]
Kind = Literal[
    "unsupported operator",
    "unsupported code",
    "unsupported size",
    "unsupported precision",
    "version mismatch",
    "missing build option",
    "missing on this machine",
    "resource",
    "wrong result",
    "accuracy loss",
    "silent weight loss",
    "precision without effect",
    "damaged artifact",
    "raised by the model",
    "unknown cause",
    "tool bug",
    "bug in fweval",
]


class Diagnosis(Record, frozen=True, kw_only=True):
    """Why something did not pass: the class of the failure, what it hangs on, and a way out."""

    kind: Kind
    said: str  # the tool's own message, on one line
    culprit: str | None = None  # the operator, source line, option or layer
    remedy: str | None = None


class Proof(Record, frozen=True, kw_only=True):
    """How an artifact did in one runtime on one device."""

    runtime: str
    device: str
    title: str = ""  # of both, as people write them: "ONNX Runtime on ARM64"; files of old have none
    outcome: Outcome
    reason: str | None
    evidence: str  # the step's folder, relative to the run's
    seconds: float = 0.0
    batch_sizes: tuple[int, ...] = ()  # that it takes
    refusals: dict[int, str] = msgspec.field(default_factory=dict)  # batch size -> with what it was refused
    other_size: str | None = None  # how it does with inputs of another size
    accuracy: float | None = None
    origin_accuracy: float | None = None
    quality: Quality | None = None  # by the measure of whoever brought the model
    max_rel_diff: float | None = None
    smallest_tolerance: float | None = None  # at which it would pass
    placement: dict[str, int] = msgspec.field(default_factory=dict)  # what computes -> how many of its operators
    emulated: bool = False
    stands_for: str | None = None  # the runtime that could not be had, and for which fweval's own reference computed
    diagnosis: Diagnosis | None = None
    tried: tuple[str, ...] = ()


class MatrixCell(Record, frozen=True, kw_only=True):
    """What became of one exporter at one precision, from the trained model to all runtimes that read the artifact."""

    scenario: str
    origin: str  # the framework that trained the model
    exporter: str
    title: str  # of the exporter, as people write it
    route: str  # "native" or "crossing"
    format: str
    format_title: str
    precision: str
    standard: bool  # run and served in every profile
    state: State
    evidence: str  # the export step's folder, relative to the run's
    outcome: Outcome  # of the export
    reason: str | None = None  # of the export, when it did not pass
    diagnosis: Diagnosis | None = None  # of the export
    tried: tuple[str, ...] = ()  # what became of other ways to the same format: a remedy that was tried
    proofs: tuple[Proof, ...] = ()
    export_s: float | None = None
    peak_rss_bytes: float | None = None
    size_bytes: float | None = None
    compressed_bytes: float | None = None
    weights_bytes: float | None = None
    graph_bytes: float | None = None
    metadata_bytes: float | None = None
    trained_weights_bytes: float | None = None  # of the origin, as 32-bit floats
    lowered_share: float | None = None  # of the artifact's weights, in elements: those at the precision
    version: str | None = None  # of the format, in its own words
    operators: dict[str, int] = msgspec.field(default_factory=dict)
