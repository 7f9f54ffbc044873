"""Core ML package: an ML program with its weights beside it, for the processors of Apple's phones and computers.

What is lost: everything but the forward pass. There are no 64-bit numbers, and free sizes have bounds. What Apple's
compiler makes of it, and on which processor, is decided on the device.
Specification: https://apple.github.io/coremltools/mlmodel/index.html
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from evaluator.core.records import Anatomy, Signature, TensorSpec
from exports.contract import Format
from exports.mil import package, program
from exports.mil.program import CONSTANT, Entry, Feature, Function, Kind, Model, Value
from exports.signatures import judged
from exports.sizes import artifact_bytes

_NO_ARRAY = "Core ML takes something else than an array here, such as a picture"
_UNRANKED = "the file does not tell how many dimensions it has"


class CoreML(Format):
    """A folder whose inputs and outputs carry the signature's names; its signatures are its functions."""

    name = "coreml"
    title = "Core ML"
    path = "mobile"
    suffixes = (".mlpackage",)
    inert = True

    def recognises(self, path: Path) -> bool:
        """Look for a manifest that names a model of Core ML."""
        return path.is_dir() and package.is_package(path)

    def anatomy(self, artifact: Path) -> Anatomy:
        """Read description, program and the records of the weights.

        Weights that several constants share count once. Raises `NotReadError` for models of older kinds, such as
        neural networks that are no programs.
        """
        model = program.read(artifact)
        signatures = tuple(_signature(model, each) for each in model.entries if each.name in model.functions)
        if not signatures:
            raise ValueError("none of its functions is described")
        default = judged(signatures, model.default) or Signature(inputs=(), outputs=())
        opsets = sorted({function.opset for function in model.functions.values()})
        weights = _weights(model)
        graph = len(model.program)
        whole = artifact_bytes(self.files(artifact))
        return Anatomy(
            version=f"specification {model.specification} ({', '.join(opsets)})",
            operators=_operators(model),
            inputs=default.inputs,
            outputs=default.outputs,
            signatures=signatures if model.several else (),
            judged=default.name if model.several else "",
            usual=_usual(model, default.name),
            bounds={each.name: each.bounds for each in _free(model, default.name)},
            weights=dict(sorted(weights.items())),
            graph_bytes=graph,
            metadata_bytes=max(0, whole - graph - weights.total()),
        )


def _operators(model: Model) -> dict[str, int]:
    found = Counter(
        operation.kind
        for function in model.functions.values()
        for operation in function.block.all()
        if operation.kind != CONSTANT
    )
    return dict(sorted(found.items()))


def _weights(model: Model) -> Counter[str]:
    """Return how many bytes of each type the files beside the model hold; `ValueError` when they are not there."""
    places = {
        value.place: (value.kind.dtype, len(value.stored(model.weights)))
        for function in model.functions.values()
        for value in _constants(function)
        if value.place is not None
    }
    found: Counter[str] = Counter()
    for dtype, size in places.values():
        found[dtype] += size
    return found


def _constants(function: Function) -> Iterator[Value]:
    for operation in function.block.all():
        for bound in operation.inputs.values():
            yield from (each for each in bound if isinstance(each, Value))


def _signature(model: Model, entry: Entry) -> Signature:
    function = model.functions[entry.name]
    kinds = function.kinds()
    return Signature(
        name=entry.name,
        inputs=tuple(_spec(each, kinds.get(each.name)) for each in entry.inputs),
        outputs=tuple(_spec(each, kinds.get(each.name)) for each in entry.outputs),
    )


def _spec(feature: Feature, kind: Kind | None) -> TensorSpec:
    """Describe a tensor: by what the program says of it, for the description may leave sizes out."""
    bounded = tuple(low if low == high else None for low, high in feature.bounds) or feature.shape
    shape = bounded or (kind.shape if kind else ())
    if not feature.dtype:
        dtype, unknown = kind.dtype if kind and kind.dtype else "object", _NO_ARRAY
        return TensorSpec(name=feature.name, dtype=dtype, shape=kind.shape if kind else (), unknown=unknown)
    return TensorSpec(
        name=feature.name,
        dtype=feature.dtype,
        shape=shape,
        unknown="" if shape or kind else _UNRANKED,
        optional=feature.optional,
    )


def _free(model: Model, name: str) -> list[Feature]:
    """Return the inputs of an entry that have a free size."""
    inputs = (each for entry in model.entries if entry.name == name for each in entry.inputs)
    return [each for each in inputs if any(low != high for low, high in each.bounds)]


def _usual(model: Model, name: str) -> dict[str, tuple[int, ...]]:
    """Return the sizes that the package names beside their bounds."""
    return {each.name: each.shape for each in _free(model, name) if len(each.shape) == len(each.bounds)}


plugin = CoreML()
