"""Weights that travel between the frameworks under PyTorch's names and layouts.

Every Keras layer with weights is named exactly like the PyTorch module it stands for ("layer1.0.conv2"; a nested
model's layers follow its name: "backbone.conv1"), so one rule per kind of variable serves every model. Sources of the
layouts: Keras stores convolution kernels as (height, width, in, out) and dense kernels as (in, out); PyTorch stores
(out, in, height, width) and (out, in).

A layer that no rule knows (recurrence, attention, separable convolutions) keeps Keras' own names and layouts: that is
all that TensorFlow alone needs. Only where PyTorch is to take its weights over, or to give them, it cannot be done.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from evaluator.core.errors import FwevalError, Unavailable
from evaluator.core.tensors import Array, Arrays

# Keras variable -> PyTorch's name for it. Batch and layer normalisation, convolution, dense and embedding.
_VARIABLES = {
    "kernel": "weight",
    "embeddings": "weight",
    "gamma": "weight",
    "beta": "bias",
    "bias": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_TO_TORCH = {2: (1, 0), 4: (3, 2, 0, 1)}  # of kernels, by their number of dimensions
_TO_KERAS = {2: (1, 0), 4: (2, 3, 1, 0)}
_OTHER_LAYOUTS = frozenset({"DepthwiseConv1D", "DepthwiseConv2D", "EinsumDense"})  # kernels with axes of their own
_OWN = "keras:"  # begins a name that is Keras' own; the variable's place in the model follows, and its path


class WeightsMismatch(FwevalError):
    """The two networks do not have the same weights: names the first one without a partner."""


class Unmapped(Unavailable):
    """A Keras layer that fweval cannot bring into PyTorch's names and layouts: neither framework's failure."""

    def __init__(self, own: str) -> None:
        """Take the own name of one of its variables."""
        path = own.split(":", 2)[2]
        super().__init__(
            f"fweval does not know how to map the Keras layer '{path.rpartition('/')[0] or path}' to PyTorch and back",
            remedy="evaluate one framework alone (--framework tensorflow), which needs no mapping",
        )


def write_weights(path: Path, weights: Mapping[str, Array]) -> None:
    """Write weights to a safetensors file; it appears whole or not at all."""
    part = path.with_name(path.name + ".part")
    save_file({name: np.ascontiguousarray(array) for name, array in weights.items()}, part)
    part.replace(path)


def read_weights(path: Path) -> Arrays:
    """Read weights from a safetensors file (no code can hide in one)."""
    return dict(load_file(path))


def require_same(given: Mapping[str, Array], wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Raise `WeightsMismatch` unless both have the same names and shapes, `Unmapped` for weights of Keras' own."""
    own = next((name for name in given if name.startswith(_OWN)), None)
    if own is not None:
        raise Unmapped(own)
    _require_names(given, wanted)
    for name, shape in wanted.items():
        if given[name].shape != shape:
            raise WeightsMismatch(f"weight '{name}' has shape {given[name].shape}, the network's is {shape}")


def to_keras(network: Any, weights: Mapping[str, Array]) -> None:
    """Overwrite all weights of a Keras model with what `from_keras` or PyTorch gave.

    Raises `WeightsMismatch` unless they fit, `Unmapped` where PyTorch's do not tell the weights of a layer.
    """
    variables = _variables(network)
    own = next((name for name in variables if name.startswith(_OWN)), None)
    if own is not None and not any(name.startswith(_OWN) for name in weights):
        raise Unmapped(own)
    _require_names(weights, variables)
    arrays = {name: _transposed(name, variables[name], weights[name], _TO_KERAS) for name in variables}
    for name, variable in variables.items():
        if arrays[name].shape != tuple(variable.shape):
            raise WeightsMismatch(
                f"weight '{name}' has shape {arrays[name].shape}, the Keras variable's is {tuple(variable.shape)}"
            )
    for name, variable in variables.items():
        variable.assign(arrays[name])


def from_keras(network: Any) -> Arrays:
    """Return all weights of a Keras model: under PyTorch's names and layouts, and the rest under Keras' own."""
    return {
        name: np.ascontiguousarray(_transposed(name, variable, _plain(variable.numpy()), _TO_TORCH))
        for name, variable in _variables(network).items()
    }


def named(network: Any, pairs: Sequence[tuple[Any, Array]]) -> Arrays:
    """Return arrays that belong to variables of a Keras model under the names and layouts of `from_keras`."""
    names = {id(variable): name for name, variable in _variables(network).items()}
    return {
        names[id(variable)]: np.ascontiguousarray(_transposed(names[id(variable)], variable, _plain(array), _TO_TORCH))
        for variable, array in pairs
    }


def _variables(network: Any) -> dict[str, Any]:
    """Give each weight of a Keras model a name that no other has: PyTorch's where there is one, else Keras' own.

    Layers share names as soon as models are nested, and layers are shared: a name that two variables would have tells
    nothing, so both keep their own.
    """
    if not network.built:
        raise FwevalError(
            "the Keras model has no weights yet: it is not built",
            remedy="make it of keras.Input (a functional model), or call it once where it is defined",
        )
    mapped: dict[int, str] = {}
    for name, variable in _mapped(network.layers):
        mapped.setdefault(id(variable), name)
    shared = Counter(mapped.values())
    named: dict[str, Any] = {}
    for index, variable in enumerate(network.weights):
        name = mapped.get(id(variable), "")
        named[name if shared[name] == 1 else f"{_OWN}{index}:{variable.path}"] = variable
    if len(named) != len(network.weights):
        raise RuntimeError(f"{len(named)} of {len(network.weights)} weights have a name of their own: {sorted(named)}")
    return named


def _mapped(layers: Any, within: str = "") -> Iterator[tuple[str, Any]]:
    """Pair the variables of all layers that the rules know with their PyTorch names, those of nested models too."""
    for layer in layers:
        if hasattr(layer, "layers"):
            yield from _mapped(layer.layers, f"{within}{layer.name}.")
            continue
        names = [_VARIABLES.get(variable.name) for variable in layer.weights]
        if None in names or len(set(names)) < len(names) or not _known_layouts(layer):
            continue
        yield from ((f"{within}{layer.name}.{name}", each) for name, each in zip(names, layer.weights, strict=True))


def _known_layouts(layer: Any) -> bool:
    """Tell whether a layer's kernels, if any, lie as the rules expect it of their number of dimensions."""
    if _OTHER_LAYOUTS & {kind.__name__ for kind in type(layer).__mro__}:
        return False
    return all(len(each.shape) in _TO_TORCH for each in layer.weights if each.name == "kernel")


def _transposed(name: str, variable: Any, array: Array, axes: Mapping[int, tuple[int, ...]]) -> Array:
    """Bring a kernel into the other layout; everything else has the same layout in both."""
    if variable.name != "kernel" or name.startswith(_OWN):
        return array
    if array.ndim not in axes:
        raise WeightsMismatch(
            f"weight '{name}' has {array.ndim} dimensions, the Keras variable has {len(variable.shape)}"
        )
    return array.transpose(axes[array.ndim])


def _plain(array: Array) -> Array:
    """Widen what numpy alone does not know (bfloat16 and narrower floats): nothing is lost, and it is cast back."""
    return array.astype(np.float32) if array.dtype.kind == "V" else array


def _require_names(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for name in wanted:
        if name not in given:
            raise WeightsMismatch(f"the network's weight '{name}' is not among the {len(given)} weights given")
    for name in given:
        if name not in wanted:
            raise WeightsMismatch(f"weight '{name}' has no partner in the network")
