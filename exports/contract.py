"""What a format and a runtime are: the two contracts of this package.

A *format* turns a trained model into an artifact; a *runtime* loads an artifact and computes with it. Each lives in one
file that imports no framework at its top, and each is asked the same questions by tests/contract.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A trained model, alive in the child that exports it.

    `model` is a `torch.nn.Module` in eval mode on the CPU, or a `keras.Model`. `example` holds one batch of real
    inputs (two rows, in the signature's order and layout) for exporters that trace.
    """

    framework: str
    model: Any
    signature: Signature
    example: Mapping[str, Array]


class Format(ABC):
    """A kind of file that a model is exported to."""

    name: ClassVar[str]
    title: ClassVar[str]  # as people write it: "TorchScript"
    path: ClassVar[str]  # the deployment path that it is for: "server", "mobile" or "portable"
    origins: ClassVar[tuple[str, ...]]  # frameworks that it can be exported from
    distributions: ClassVar[dict[str, tuple[str, ...]]]  # framework -> pip distributions that the export needs

    @abstractmethod
    def export(self, origin: Origin, folder: Path) -> Path:
        """Write the artifact (a file or a folder) into the empty `folder` and return its path.

        Raises `Unsupported` when the format cannot express the model; anything else the exporter raises is a failure.
        """


class Session(Protocol):
    """An artifact, loaded and ready to compute."""

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """Compute one batch: arrays by the signature's names, of the signature's dtypes; any batch size."""
        ...


class Runtime(ABC):
    """Something that loads artifacts in a process and computes with them."""

    name: ClassVar[str]
    title: ClassVar[str]
    formats: ClassVar[tuple[str, ...]]
    devices: ClassVar[tuple[str, ...]]  # "cpu", "gpu"
    distributions: ClassVar[tuple[str, ...]]
    module: ClassVar[str]  # what `load` imports; importing it is timed on its own

    @abstractmethod
    def load(
        self, artifact: Path, signature: Signature, *, device: str, threads: int
    ) -> AbstractContextManager[Session]:
        """Load an artifact, using that many threads; leaving the context frees it.

        Raises `Unsupported` with the runtime's own words when it refuses the artifact.
        """
