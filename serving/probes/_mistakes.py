"""The mistakes that callers make: inputs that the signature does not allow.

An input too many is none of these: a tolerant reader ignores it.
"""

from collections.abc import Mapping

import numpy as np

from evaluator.core.records import Signature, TensorSpec
from evaluator.core.tensors import Array, Arrays


def wrong_inputs(signature: Signature, inputs: Mapping[str, Array]) -> dict[str, Arrays]:
    """Return what is wrong → inputs; each has one mistake. The first is the gravest."""
    spec = signature.inputs[0]
    name, good = spec.name, inputs[spec.name]
    others = {key: array for key, array in inputs.items() if key != name}
    found = {
        "wrong rank": {**inputs, name: good[..., np.newaxis]},
        "wrong dtype": {**inputs, name: good.astype(np.float32 if good.dtype.kind == "b" else np.bool_)},
        "wrong name": {**others, f"not_{name}": good},
        "missing input": others,
    }
    axis = _fixed_axis(spec)
    if axis is not None:
        found["wrong shape"] = {**inputs, name: np.concatenate([good, good.take([0], axis)], axis=axis)}
    return found


def _fixed_axis(spec: TensorSpec) -> int | None:
    """Return a dimension beside the batch whose size is fixed; None where all are free.

    Of several the smallest: weights are laid out for so many channels, while many networks compute pictures of other
    sizes than a signature states, and servers that leave it to the network are not mistaken. (One more is given, not
    twice as many: TensorFlow takes those for two groups of channels.)
    """
    fixed = {axis: size for axis, size in enumerate(spec.shape) if axis > 0 and size is not None}
    return min(fixed, key=lambda axis: fixed[axis], default=None)
