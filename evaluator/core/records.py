"""What steps leave behind: frozen, strict records that travel as JSON files between processes.

Every record is a `msgspec.Struct`: unknown keys are refused and types are checked on reading. (Plain dataclasses
would do but for that: msgspec refuses unknown keys in Structs only.) Units are in the names: `_s` seconds,
`_bytes` bytes, `_per_s` items per second.
"""

from typing import Annotated, Any, Literal

import msgspec

from evaluator.core.coordinates import Coordinates
from evaluator.core.coordinates import Record as Record  # noqa: PLC0414  # the base of all records, taken from here
from evaluator.core.outcome import Outcome

FRAMEWORKS = ("pytorch", "tensorflow")
PRECISIONS = ("fp32", "fp16", "int8_dynamic", "int8")  # of an artifact; "int8_dynamic" quantizes its weights only
Value = float | int | str | bool | tuple[int | str, ...]  # of a metric: `core.metrics` says what each name means
Metrics = dict[str, Value]
LabelValue = str | int | float | bool
# What people write has ceilings: far above all that is measured, and below what plans, JSON and clocks can hold.
Count = Annotated[int, msgspec.Meta(ge=1, le=10**9)]
Bytes = Annotated[int, msgspec.Meta(ge=1, le=10**15)]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=10**6)]  # eleven days
Epochs = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Times = Annotated[int, msgspec.Meta(ge=1, le=100)]  # how often everything is done
Share = Annotated[float, msgspec.Meta(gt=0, le=100)]
Rows = Annotated[int, msgspec.Meta(ge=1, le=10**7)]  # examples that are held in memory
# Names that begin or end the names of folders. (`$` alone would let a line end through.)
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$(?!\n)", max_length=64)]
Title = Annotated[str, msgspec.Meta(max_length=1000)]
StepId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$(?!\n)", max_length=240)]


class TensorSpec(Record, frozen=True, kw_only=True):
    """Name, dtype (numpy's name for it) and shape of one input or output; `None` stands for a free dimension."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]
    unknown: str = ""  # why the shape or the values that it takes are not known, where that is so
    optional: bool = False  # it has a value where none is given


class Signature(Record, frozen=True, kw_only=True):
    """What a model takes and gives, in order. The first dimension of every tensor is the batch."""

    name: str = ""  # of this entry, where a file has several: "serving_default"
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class Anatomy(Record, frozen=True, kw_only=True):
    """What an artifact is made of, read without executing any of it."""

    # Of the format, in its own words: "opset 18". In a file, `version` is the file's.
    version: str | None = msgspec.field(default=None, name="format_version")
    operators: dict[str, int] = msgspec.field(default_factory=dict)  # in the format's own names -> how many
    inputs: tuple[TensorSpec, ...] = ()  # empty where the file does not tell; None for a dimension that is free
    outputs: tuple[TensorSpec, ...] = ()
    signatures: tuple[Signature, ...] = ()  # all that the file names; empty where its format has none
    judged: str = ""  # the name of the one whose inputs and outputs stand above
    reaches: dict[str, int] = msgspec.field(default_factory=dict)  # operators that use files or run Python -> how many
    # What the file says of sizes that are free, by input: the shape that it is meant for, such as the image size of a
    # detector, and of each dimension the least and the most that is taken, None for no limit. Absent where it does not.
    usual: dict[str, tuple[int, ...]] = msgspec.field(default_factory=dict)
    bounds: dict[str, tuple[tuple[int, int | None], ...]] = msgspec.field(default_factory=dict)
    weights: dict[str, int] = msgspec.field(default_factory=dict)  # numpy's name of a dtype -> bytes
    graph_bytes: int = 0  # the program: operators and how they are connected
    metadata_bytes: int = 0  # all the rest


class Step(Coordinates, frozen=True, kw_only=True):
    """One isolated piece of work, as planned. Its id is a digest of all that can change its result."""

    id: StepId
    environment: str | None = None  # of tools whose pins clash with ours, which it runs in
    measures: bool = False  # a measuring step has its machine to itself
    in_turns: bool = False  # or shares it in turns with those that it is compared with
    spare: bool = False  # done only where a question is undecided without it
    column: bool = False  # measured again on another kind of machine: shown beside, in no finding
    needs: dict[str, str] = msgspec.field(default_factory=dict)  # role -> id of the step that must have passed
    settings: dict[str, Any] = msgspec.field(default_factory=dict)
    timeout_s: float = 600.0
    memory_bytes: int = 8 << 30


class Figure(Record, frozen=True, kw_only=True):
    """A metric of which a step has several, told apart by labels: a latency over one wire, at one rate."""

    name: str
    value: Value
    labels: dict[str, LabelValue] = msgspec.field(default_factory=dict)
    low: float | None = None  # the ends of its 95 % interval, where there is one
    high: float | None = None


class Measured(Record, frozen=True, kw_only=True):
    """What the work of a step gives back to its worker: figures, evidence files, and how it went."""

    outcome: Outcome = Outcome.PASSED
    reason: str | None = None
    remedy: str | None = None
    metrics: Metrics = msgspec.field(default_factory=dict)
    figures: tuple[Figure, ...] = ()
    files: dict[str, str] = msgspec.field(default_factory=dict)


class Result(Record, frozen=True, kw_only=True):
    """How one step ended. `files` names its evidence, relative to the step's folder."""

    step: str
    outcome: Outcome
    reason: str | None = None
    remedy: str | None = None
    metrics: Metrics = msgspec.field(default_factory=dict)
    figures: tuple[Figure, ...] = ()
    files: dict[str, str] = msgspec.field(default_factory=dict)
    started_at: str = ""  # ISO 8601, UTC
    seconds: float = 0.0
    node: str = ""  # the machine of a cluster that it ran on; empty for the one that fweval ran on


class Cell(Coordinates, frozen=True, kw_only=True):
    """One row of `fweval cells`: a step and how it ended, flat."""

    outcome: Outcome
    reason: str | None
    remedy: str | None
    evidence: str  # the step's folder, relative to the run's
    metrics: Metrics
    figures: tuple[Figure, ...] = ()
    node: str = ""  # the machine of a cluster that it ran on; empty for the one that fweval ran on


class Machine(Record, frozen=True, kw_only=True):
    """The machine that a run was made on: what a reader needs to judge its figures."""

    cpu: str
    cores: int
    memory_bytes: int
    system: str
    python: str
    gpu: str | None
    java: str | None
    docker: str | None
    versions: dict[str, str]
    cpu_quota_cores: float | None = None  # the time of so many cores is all that a container's limit allows
    threads_wished: int | None = None  # what the person had set OMP_NUM_THREADS to; more than the cores are not given

    @property
    def processor(self) -> str:
        """The processor, and how much of it may be used."""
        cores = f"{self.cpu}, {self.cores} core{'' if self.cores == 1 else 's'}"
        quota, threads = self.cpu_quota_cores, self.threads_wished
        limits = () if quota is None else (f"a limit allows the time of {quota:.3g}",)
        if threads is not None and threads < self.cores:
            limits = (*limits, f"{threads} thread{'' if threads == 1 else 's'}, by OMP_NUM_THREADS")
        return f"{cores} ({'; '.join(limits)})" if limits else cores


class Node(Record, frozen=True, kw_only=True):
    """One machine of a cluster, as a run found it."""

    name: str
    kind: str  # of machine: those that are alike in all that decides figures; steps bear it, as `machine`
    address: str = ""
    host: str = ""  # what nodes have in common that are one machine in truth
    isa: str = ""  # as `platform.machine()` has it
    machine: Machine | None = None  # None: it could not be asked
    refused: str | None = None  # why nothing is run there
    remedy: str | None = None


class Sampling(Record, frozen=True, kw_only=True):
    """How long to measure (rigour.md: both minima must hold, the cap ends a cell that cannot meet them)."""

    min_queries: Rows
    min_seconds: Seconds
    cap_seconds: Seconds
    warmup_queries: Rows
    warmup_seconds: Seconds


class LoadPlan(Record, frozen=True, kw_only=True):
    """How servers are loaded: saturated in closed loops first, in turns, then open-loop at shares of what they sustain.

    Each rate is sampled by the profile's minima and cap.
    """

    saturation_s: Seconds  # of closed loops, at least, over each wire, without and with batching
    most_clients: Annotated[int, msgspec.Meta(ge=1, le=4096)]
    # Of the saturation rate, growing; above 1 is more than the server can take.
    shares: Annotated[tuple[Share, ...], msgspec.Meta(min_length=1, max_length=100)]


class Profile(Record, frozen=True, kw_only=True):
    """How thorough a run is: one TOML file in scenarios/profiles/."""

    name: Name
    summary: Title
    sampling: Sampling
    rounds: Times
    most_rounds: Times | None = None  # that runtimes take where a question is undecided without; None: no more
    train_rounds: Times
    # How long training variants may take to start: 0 for those that do so in seconds, 1 for those that compile, 2 for
    # those that try kernels for minutes.
    variant_effort: Annotated[int, msgspec.Meta(ge=0, le=2)] = 0
    seeds: Times = 1  # orders of the data in which is trained until the held-out target is reached
    train_samples: Rows
    heldout_samples: Rows
    verify_samples: Rows
    highest_tail: Literal["p50", "p90", "p95", "p97", "p99", "p99.9"]  # the highest that this profile may print
    load: LoadPlan
    exports: Literal["standard", "all"] = "standard"  # "all": every exporter at every precision, the export matrix
    probe_seconds: Seconds  # how long a server is under load while something is done to it
    timeout_s: dict[str, Seconds] = msgspec.field(default_factory=dict)  # stage -> seconds, in place of its own limit


class TrainPlan(Record, frozen=True, kw_only=True):
    """The training that somebody plans, of which a run measures the cost: `[train.plan]` of a scenario file."""

    examples: Count  # that the training set has
    epochs: Epochs  # how often each is seen
    source: Title = "as the scenario declares"  # where these two come from
    # Framework -> seconds that somebody claims for all of it, without saying of how many steps; and who does.
    claimed: dict[Literal["pytorch", "tensorflow"], Seconds] = msgspec.field(default_factory=dict)
    claimed_by: Title = "somebody"

    def steps(self, batch_size: int) -> int:
        """Return how many steps that is: the last batch of an epoch may be smaller than the others."""
        return -(-self.examples // batch_size) * self.epochs


# Of a scenario that declares none, and of runs from before there were plans.
NO_PLAN = TrainPlan(examples=100_000, epochs=10, source="the default: the scenario declares no plan")


class DeviceClass(Record, frozen=True, kw_only=True):
    """A kind of device and what an application may take of it: one table of scenarios/devices.toml."""

    name: Name
    title: Title
    isa: Title  # instruction set, as `uname -m` has it: "x86_64", "arm64"
    ram_bytes: Bytes
    flash_bytes: Bytes
    latency_s: Seconds  # that one answer may take
    threads: Annotated[int, msgspec.Meta(ge=1, le=4096)] = 1
    # One of its cores takes so many times as long as one core of the machine that fweval runs on, at best and at worst.
    # Without it, a device of the same instruction set is taken to be as fast; of another one nothing is known.
    slower: tuple[Seconds, Seconds] | None = None
    bare_metal: bool = False  # no operating system: the runtimes that are measured here do not run there
    required: bool = True  # whether it counts in the scores that a model fits
    source: Title = ""  # where the figures come from


class Plugin(Record, frozen=True, kw_only=True):
    """A plug-in that did not come with fweval: where it is from, and exactly which one it was."""

    kind: str  # "exporter", "check", …
    name: str
    origin: str  # a distribution, or the folder that was named
    version: str = ""  # the distribution's; a folder has none
    folder: str = ""  # where it lay
    sha256: str  # of its file and of what lies beside it


class RunRecord(Record, frozen=True, kw_only=True):
    """`run.json`: what was asked for, on which machine, with which versions and seeds."""

    id: str
    command: tuple[str, ...]
    created_at: str
    fweval: str
    git_revision: str | None
    seed: int
    profile: Profile
    scenarios: dict[str, dict[str, Any]]  # name -> the scenario as read, every default filled in
    frameworks: tuple[str, ...]
    devices: tuple[str, ...]
    only: tuple[str, ...]
    skip: tuple[str, ...]
    launcher: str
    device_classes: tuple[DeviceClass, ...] = ()  # that artifacts are to fit
    machine: Machine
    plugins: tuple[Plugin, ...] = ()  # from outside, as they were when it began
    packages: dict[str, str] = msgspec.field(default_factory=dict)  # all that was installed; none in older runs
    # Files that people gave to it (criteria, prices, …), as they were before the first step: their name in the run
    # folder -> SHA-256. None in older runs. Read them by `core.given_files`.
    inputs: dict[str, str] = msgspec.field(default_factory=dict)
    time_factor: float = 1.0  # the limits that fweval itself sets were multiplied by, when the run began
    cluster: str = ""  # where its steps ran, as `--on` had it; empty: on this machine
    kind: str = ""  # of machine, in a cluster, that it is judged by, which steps bear as "local"

    def __post_init__(self) -> None:
        """Refuse two classes of devices of one name: verdicts are told apart by it."""
        if len({device.name for device in self.device_classes}) < len(self.device_classes):
            raise ValueError("two classes of devices have one name")
