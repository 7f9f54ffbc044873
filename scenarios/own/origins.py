"""The networks of one's own, by framework: what is done with them beyond what the frameworks differ in."""

from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core.errors import UsageError
from evaluator.core.records import TensorSpec
from evaluator.core.tensors import Arrays
from scenarios.own import examples, keras_origin, sources, torch_origin
from scenarios.own.form import RANDOM, Described, Drawn, Own
from scenarios.own.given import refuse_changed

_HERE = Path("/")


def network(own: Own, framework: str) -> Any:
    """Build the network in a framework, in the form that exporters take; a child of its own does this.

    Raises `IncompleteEvidence` when a file of the person's is not the one that the run began with.
    """
    refuse_changed(own)
    described = own.found[framework]
    source = sources.read(str(own.source(framework)), _HERE)
    if framework == "pytorch":
        return torch_origin.wrapped(torch_origin.load(source), described)
    return keras_origin.wrapped(keras_origin.load(source), described, _like(described))


def given(network: Any, framework: str) -> Any:
    """Return what the person's function returned, of a network that `network` built: it shares its weights."""
    return (torch_origin if framework == "pytorch" else keras_origin).unwrapped(network)


def read(own: Own, framework: str, seed: int) -> Arrays:
    """Return all examples for a framework: by the network's names, in its types."""
    spec = own.examples(framework)
    described = own.found.get(framework)
    drawn = own.signature
    if spec == RANDOM and not drawn and described is not None:
        return examples.made_up(_drawn(described), seed)
    arrays = examples.made_up(drawn, seed) if spec == RANDOM else examples.read(spec)
    if described is None:
        return arrays
    return {
        each.name: np.ascontiguousarray(arrays[described.keys[each.name]].astype(each.dtype, copy=False))
        for each in described.signature.inputs
    }


def labels(own: Own, count: int) -> Arrays | None:
    """Return the labels, None where there are none; `UsageError` unless there is one for each of so many rows."""
    if own.labels is None:
        return None
    found = examples.read(own.labels, "labels")
    given = len(next(iter(found.values())))
    if given != count:
        remedy = "give one label for each row of the inputs, in their order"
        raise UsageError(f"labels {Path(own.labels).name}: {given} rows for {count} examples", remedy=remedy)
    return found


def resized(own: Own, framework: str, inputs: Arrays) -> Arrays | None:
    """Cut every free dimension but the batch to half; None where there is none, or nothing to cut."""
    return halved(own.found[framework], inputs)


def halved(found: Described, inputs: Arrays) -> Arrays | None:
    """Cut what is free of inputs to half, but the batch; None where there is nothing to cut."""
    cut = dict(inputs)
    changed = False
    for name in found.free:
        for axis in (each for each in found.free_axes(name) if each and name in cut and cut[name].shape[each] > 1):
            half = cut[name].shape[axis] // 2
            cut[name] = np.ascontiguousarray(np.take(cut[name], range(half), axis=axis))
            changed = True
    return cut if changed else None


def _like(described: Described) -> Arrays:
    """Return one row of zeros for each input, for a model that does not know itself what it takes."""
    return {
        spec.name: np.zeros([1, *(size or 1 for size in spec.shape[1:])], spec.dtype)
        for spec in described.signature.inputs
    }


def _drawn(described: Described) -> dict[str, Drawn]:
    return {spec.name: Drawn(dtype=spec.dtype, shape=_sizes(spec)) for spec in described.signature.inputs}


def _sizes(spec: TensorSpec) -> tuple[int, ...]:
    """Return the sizes of one example; `UsageError` for one that the file leaves open."""
    sizes = spec.shape[1:]
    if None in sizes:
        raise UsageError(
            f"input '{spec.name}': a dimension beside the batch is free, and nothing says how large it usually is",
            remedy=f"give examples with --inputs FILE.npz, or a table [signature.{spec.name}] with shape = […]",
        )
    return tuple(size for size in sizes if size is not None)
