"""Core ML's programs computed by fweval itself, on numpy: that graph and weights are right, without Apple's systems.

Core ML computes on Apple's systems only. This says nothing of its speed and its memory, nor of what its compiler and
its processors round differently; it holds inputs against the bounds of their sizes, as Core ML does. Its threads are
those of numpy.
What it stands for: https://developer.apple.com/documentation/coreml
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from evaluator.core.errors import Unsupported
from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays
from exports.contract import NotReadError, Runtime, Session
from exports.mil import program
from exports.mil.call import LIMIT
from exports.mil.evaluator import Evaluator
from exports.mil.program import Feature


class CoreMLReference(Runtime):
    """Loads packages with fweval's own reader and evaluator."""

    name = "coreml_reference"
    title = "Core ML reference (not Core ML)"
    formats = ("coreml",)
    devices = ("cpu",)
    distributions = ()
    module = "exports.mil.evaluator"
    standard = False
    stands_for = "Core ML"

    @contextmanager
    def load(self, artifact: Path, signature: Signature, *, device: str, threads: int) -> Iterator[Session]:
        """Read a package and unpack its constants; `Unsupported` for what the evaluator does not know."""
        try:
            model = program.read(artifact)
            entry, function = model.entry(signature.name)
            if entry.states:
                raise Unsupported(f"it keeps a state between calls: {LIMIT}")
            evaluator = Evaluator(function, model.weights)
        except NotReadError as error:
            raise Unsupported(f"{error}: {LIMIT}") from error
        features = {each.name: each for each in entry.inputs}
        makes = function.block.outputs
        missing = [each.name for each in signature.outputs if each.name not in makes]
        missing += [name for name, _ in function.inputs if name not in {each.name for each in signature.inputs}]
        if missing:
            raise ValueError(f"{artifact.name} and the signature differ in {', '.join(missing)}")
        gives = [(each.name, each.dtype) for each in signature.outputs]

        def call(inputs: Mapping[str, Array]) -> Arrays:
            for name, array in inputs.items():
                _within(features[name], array)
            outputs = evaluator(inputs)
            return {name: outputs[name].astype(np.dtype(dtype), copy=False) for name, dtype in gives}

        yield call


def _within(feature: Feature, array: Array) -> None:
    """Refuse sizes that the package does not allow."""
    allowed = feature.bounds or tuple((size, size) for size in feature.shape)
    if not allowed:
        return
    fits = len(allowed) == array.ndim and all(
        low <= size and (high is None or size <= high) for (low, high), size in zip(allowed, array.shape, strict=True)
    )
    if not fits:
        ranges = " by ".join(f"{low}" if low == high else f"{low} to {high or 'any'}" for low, high in allowed)
        sizes = " by ".join(map(str, array.shape))
        raise ValueError(f"the package takes '{feature.name}' of {ranges}, not {sizes}")


plugin = CoreMLReference()
