"""What a format, an exporter, a runtime, a device and a variant are: the five contracts of this package.

A *format* is a kind of artifact; an *exporter* turns a trained model into one; a *runtime* loads one and computes with
it on a *device*, with its defaults or as a *variant* has it. Each lives in one file that imports no framework at its
top, and each is asked the same questions by tests/contract.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from evaluator.core.energy import Meter, Unmetered
from evaluator.core.errors import Unsupported
from evaluator.core.metrics import Metric
from evaluator.core.records import Anatomy, Machine, Metrics, Signature
from evaluator.core.tensors import Array, Arrays
from exports.sizes import files_below


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A trained model, alive in the child that exports it.

    `model` is a `torch.nn.Module` in eval mode on the CPU, or a `keras.Model`. `example` holds one batch of real
    inputs (two rows, in the signature's order and layout) for exporters that trace; `calibration` holds more rows, real
    and held out, that no verification uses, for those that quantize. `counterpart` builds the same network with the
    same weights in the other framework, in that framework's layout, for paths that cross by way of the weights.
    `free` names the dimensions that are free, by input and axis: those of one name have one size. The signature has
    None in their places.
    """

    framework: str
    model: Any
    signature: Signature
    example: Mapping[str, Array]
    calibration: Mapping[str, Array]
    counterpart: Callable[[], "Origin"]
    free: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    def free_axes(self, name: str) -> Mapping[int, str]:
        """Return the free dimensions of an input, axis -> name: the batch where nothing else is said."""
        return self.free.get(name, {0: "batch"} if not self.free else {})


class NotReadError(ValueError):
    """Something in a file that may be sound, and that fweval does not read: its limit, and no damage."""


class Format(ABC):
    """A kind of artifact: a file or a folder that runtimes load."""

    name: ClassVar[str]
    title: ClassVar[str]  # as people write it: "TorchScript"
    path: ClassVar[str]  # the deployment path that it is for: "server", "mobile", "portable" or "web"
    suffixes: ClassVar[tuple[str, ...]]  # how the names of its files end: (".onnx",); a folder's: ("",)
    # What is said, and the remedy, where an artifact has nothing that could be asked for.
    untold: ClassVar[tuple[str, str]] = (
        "the file does not say what it takes",
        "give it: --inputs FILE.npz, with one array for each input, in their order",
    )
    inert: ClassVar[bool] = False  # nothing in a file of it can reach other files or the network when it is run

    @abstractmethod
    def recognises(self, path: Path) -> bool:
        """Tell from its bytes whether a file or folder is of this format; reads little and executes nothing."""

    @abstractmethod
    def anatomy(self, artifact: Path) -> Anatomy:
        """Take an artifact apart without executing any of it: an untrusted file does no harm.

        Of several signatures the one that `exports.signatures` says is judged.
        Raises `ValueError` for one that is truncated, damaged, or no artifact of this format, and the kind
        `NotReadError` of it for what may be sound.
        """

    def files(self, artifact: Path) -> list[Path]:
        """Return all files that an artifact consists of: what is copied, weighed and digested is the whole of it.

        Raises `ValueError` where the artifact names a file that is not there, or that is none of its own.
        """
        return files_below(artifact)


class Exporter(ABC):
    """One way from a trained model to an artifact: a tool, and how it is used."""

    name: ClassVar[str]
    title: ClassVar[str]  # as people write it: "tf2onnx"
    origin: ClassVar[str]  # the framework that it exports from
    format: ClassVar[str]  # the format that it writes
    route: ClassVar[Literal["native", "crossing"]]  # within the origin's ecosystem, or out of it
    layout: ClassVar[str]  # the framework whose layout of inputs the artifact takes: images as NCHW or NHWC
    standard: ClassVar[bool] = False  # in fp32 it is exported in every profile; what is run and served comes from it
    rebuilds: ClassVar[bool] = False  # it asks for the network's definition in the other framework: `counterpart`
    cannot: ClassVar[dict[str, str]] = {}  # precision -> why the tool has no way to it; all others are tried
    distributions: ClassVar[tuple[str, ...]]  # pip distributions that the export needs
    environment: ClassVar[str | None] = None  # of exports/environments, for tools whose pins clash with ours

    @abstractmethod
    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Write the artifact (a file or a folder) into the empty `folder` and return its path.

        `precision` is one of `PRECISIONS` that is not in `cannot`. Inputs and outputs stay 32-bit floats (and
        integers) at every precision, so that one signature holds for all.
        Raises `Unsupported` when the format cannot express the model; anything else the exporter raises is a failure.
        """


class Session(Protocol):
    """An artifact, loaded and ready to compute."""

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """Compute one batch: arrays by the signature's names, of the signature's dtypes; any batch size."""
        ...


@runtime_checkable
class TimedWithin(Protocol):
    """A session whose runtime lies in another process, or another language, and takes the time there itself."""

    inner_seconds: list[float]  # of each call, without the way there and back


@runtime_checkable
class TimedOnDevice(Protocol):
    """A session that can take the time of a call by its device's own clock as well, without the way there and back."""

    def device_s(self, inputs: Mapping[str, Array]) -> float:
        """Compute one batch, and return the seconds between the first and the last that the device did for it."""
        ...


@runtime_checkable
class Telling(Protocol):
    """A session that has something to say for the record, such as that its processor is emulated."""

    facts: Metrics


class Runtime(ABC):
    """Something that loads artifacts in a process and computes with them."""

    name: ClassVar[str]
    title: ClassVar[str]
    formats: ClassVar[tuple[str, ...]]
    devices: ClassVar[tuple[str, ...]]  # that it computes on, by their names in exports/devices
    distributions: ClassVar[tuple[str, ...]]
    module: ClassVar[str]  # what `load` imports; importing it is timed on its own
    environment: ClassVar[str | None] = None  # of exports/environments
    standard: ClassVar[bool] = True  # what every profile exports is proven and timed in it, and not in the matrix only
    openmp: ClassVar[bool] = False  # its threads are OpenMP's, which reads environment variables of its own
    in_turns: ClassVar[bool] = True  # False: it is in a process of its own, and its time is glanced at by the proof
    edge: ClassVar[bool] = False  # made for phones and small computers: its artifacts get an edge verdict
    baseline: ClassVar[bool] = (
        False  # it computes with the origin itself, as it is: what every path is measured against
    )
    browser: ClassVar[bool] = False  # made for browsers, also where another host of JavaScript computes it
    carried: ClassVar[str | None] = None  # its size in applications, as published: how much, of which version, where
    # A numeric reference of fweval's own that stands for a runtime which this machine cannot have: it proves artifacts,
    # and is never timed, ranked or scored as that runtime.
    stands_for: ClassVar[str | None] = None
    own_metrics: ClassVar[tuple[Metric, ...]] = ()  # of its sessions' facts, those that `core.metrics` does not have

    @abstractmethod
    def load(
        self, artifact: Path, signature: Signature, *, device: str, threads: int
    ) -> AbstractContextManager[Session]:
        """Load an artifact, using that many threads; leaving the context frees it.

        The signature's name says which entry of the artifact is run, where it has several.
        Raises `Unsupported` with the runtime's own words when it refuses the artifact.
        """

    def placement(self, artifact: Path) -> Mapping[str, int]:
        """Return where the operators of an artifact run: "XNNPACK" -> 12; empty where the runtime does not tell."""
        return {}


class Baseline(Runtime):
    """The framework that a model comes from, computing with the model itself: no artifact is loaded."""

    formats = ()
    baseline: ClassVar[bool] = True
    standard: ClassVar[bool] = False
    origin: ClassVar[str]  # the framework

    def load(
        self, artifact: Path, signature: Signature, *, device: str, threads: int
    ) -> AbstractContextManager[Session]:
        """Refuse: there is no file of it."""
        raise Unsupported(f"{self.title} computes with the model itself, and reads no artifact")

    @abstractmethod
    def session(
        self, network: Any, signature: Signature, *, device: str, threads: int
    ) -> AbstractContextManager[Session]:
        """Return the call of a network, which its framework has built in this process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceState:
    """How a device with a memory of its own stands at a moment. None: its driver does not tell, `unknown` says why."""

    free_bytes: int | None = None
    own_bytes: int | None = None  # that this process and what it started hold
    others: tuple[str, ...] | None = None  # processes of others that compute on it, for people: "python [812], 2.1 GB"
    busy: float | None = None  # share of the last second or less in which anything computed on it
    unknown: tuple[str, ...] = ()


class Device(ABC):
    """What networks and artifacts compute on. Nothing but its own file knows a device by its name."""

    name: ClassVar[str]
    title: ClassVar[str]  # as people write it: "GPU"
    cuda: ClassVar[bool] = False  # it is the first CUDA device that the child sees
    # The device beside which it is planned, in the export matrix only: artifacts are proven on it, nothing is timed.
    # None: people ask for it by name, and everything is done on it.
    beside: ClassVar[str | None] = None
    environment: ClassVar[str | None] = None  # of exports/environments: its builds of runtimes, in place of ours
    slow: ClassVar[bool] = False  # an emulator may compute it: a few examples must do, and are the same without one
    time_factor: ClassVar[float] = 1.0  # times the time limit of a step

    @property
    @abstractmethod
    def variables(self) -> Mapping[str, str]:
        """What the environment of a child that computes on it must say."""

    @abstractmethod
    def lacking(self) -> tuple[str, str] | None:
        """Say why the machine that this process runs on has none, as (reason, remedy)."""

    @abstractmethod
    def describe(self, machine: Machine) -> str:
        """Say what it is on a machine that has one."""

    def state(self) -> DeviceState | None:
        """Return how it stands now; None where it is the machine itself, which is watched as such."""
        return None

    def meter(self) -> Meter | Unmetered:
        """Return what counts the energy that it takes, or why nothing does."""
        return Unmetered(f"no energy counter of this device ({self.title}) is known to fweval")

    def load(
        self, runtime: Runtime, artifact: Path, signature: Signature, *, threads: int
    ) -> AbstractContextManager[Session]:
        """Load an artifact in a runtime that lists this device; raises what `Runtime.load` does."""
        return runtime.load(artifact, signature, device=self.name, threads=threads)

    def placement(self, runtime: Runtime, artifact: Path) -> Mapping[str, int]:
        """Return where the operators of an artifact run on it; empty where that is not known."""
        return {}


class Variant(ABC):
    """A way to set runtimes up that is not their default; it is measured in turns with the default, beside it."""

    name: ClassVar[str]
    title: ClassVar[str]  # as people write it, behind what it is a variant of: "passive waiting"
    summary: ClassVar[str]  # what is set, in half a sentence that a remedy may end with
    variables: ClassVar[Mapping[str, str]] = {}  # added to the environment of the child

    def threads(self, cores: int) -> int:
        """Return how many threads the runtime is given on a machine with so many cores."""
        return cores

    @abstractmethod
    def applies(self, runtime: Runtime, cores: int) -> bool:
        """Tell whether it changes anything for a runtime on a machine with so many cores."""
