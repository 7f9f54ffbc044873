"""A model of somebody's own: whatever a function returns or a file holds, in one framework or both.

What it takes and gives was found by a first look (scenarios/own/look.py), which the run's record keeps. Nothing is
trained unless a step of training is given, too; both frameworks have one layout of inputs: their own.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from evaluator.core.errors import UsageError
from evaluator.core.records import FRAMEWORKS, Record, Signature
from evaluator.core.tensors import Array, Arrays
from scenarios.contract import Data, DataPackage, Model
from scenarios.own.form import Own


class OwnModel(Model):
    """The model that a scenario's settings describe."""

    name: ClassVar[str] = "own"
    title: ClassVar[str] = "A model of one's own"
    Settings: ClassVar[type[Record]] = Own
    brought: ClassVar[bool] = True

    def packages(self, settings: Own) -> tuple[DataPackage, ...]:
        """Need none: examples are the person's."""
        return ()

    def frameworks(self, settings: Own) -> tuple[str, ...]:
        """Name the frameworks that it was given in."""
        return settings.frameworks or FRAMEWORKS

    def data(self, settings: Own, packages: Mapping[str, Path], *, train: int, heldout: int, seed: int) -> Data:
        """Have none that is split by us: the examples of one's own are held out by whoever brings them."""
        raise UsageError("a model of one's own has no data to be split", remedy="name train_inputs and train_labels")

    def build_torch(self, settings: Own) -> Any:
        """Build what was given for PyTorch."""
        return _network(settings, "pytorch")

    def build_tensorflow(self, settings: Own) -> Any:
        """Build what was given for TensorFlow."""
        return _network(settings, "tensorflow")

    def signature(self, settings: Own, framework: str) -> Signature:
        """Return what the first look found; artifacts keep the layout of the network that they come from."""
        found = settings.found.get(framework) or next(iter(settings.found.values()))
        return found.signature

    def free(self, settings: Own, framework: str) -> Mapping[str, Mapping[int, str]]:
        """Return the dimensions that are free, as they were declared or found."""
        found = settings.found[framework]
        return {name: found.free_axes(name) for name in found.free}

    def edge_cases(self, settings: Own, inputs: Mapping[str, Array]) -> dict[str, Arrays]:
        """Return none: what is at the edges of what a stranger's model may be asked is not known."""
        return {}


def _network(settings: Own, framework: str) -> Any:
    from scenarios.own import origins  # here: it reads users' files, which plans need not

    if settings.source(framework) is None:
        raise NotImplementedError
    return origins.network(settings, framework)


plugin = OwnModel()
