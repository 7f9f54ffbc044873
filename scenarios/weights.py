"""Weights that travel between the frameworks under PyTorch's names and layouts.

Every Keras layer with weights is named exactly like the PyTorch module it stands for ("layer1.0.conv2"), so one rule
per kind of variable serves every model. Sources of the layouts: Keras stores convolution kernels as (height, width,
in, out) and dense kernels as (in, out); PyTorch stores (out, in, height, width) and (out, in).
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from evaluator.core.errors import FwevalError
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


class WeightsMismatch(FwevalError):
    """The two networks do not have the same weights: names the first one without a partner."""


def write_weights(path: Path, weights: Mapping[str, Array]) -> None:
    """Write weights to a safetensors file; it appears whole or not at all."""
    part = path.with_name(path.name + ".part")
    save_file({name: np.ascontiguousarray(array) for name, array in weights.items()}, part)
    part.replace(path)


def read_weights(path: Path) -> Arrays:
    """Read weights from a safetensors file (no code can hide in one)."""
    return dict(load_file(path))


def require_same(given: Mapping[str, Array], wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Raise `WeightsMismatch` unless both have the same names and shapes."""
    _require_names(given, wanted)
    for name, shape in wanted.items():
        if given[name].shape != shape:
            raise WeightsMismatch(f"weight '{name}' has shape {given[name].shape}, the network's is {shape}")


def to_keras(network: Any, weights: Mapping[str, Array]) -> None:
    """Overwrite all weights of a Keras model with `{PyTorch name: array}`; `WeightsMismatch` unless they fit."""
    variables = dict(_variables(network))
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
    """Return all weights of a Keras model under PyTorch's names and layouts."""
    return {
        name: np.ascontiguousarray(_transposed(name, variable, variable.numpy(), _TO_TORCH))
        for name, variable in _variables(network)
    }


def _variables(network: Any) -> Iterable[tuple[str, Any]]:
    """Pair every weight of a Keras model with its PyTorch name."""
    for layer in network.layers:
        for variable in layer.weights:
            if variable.name not in _VARIABLES:
                raise WeightsMismatch(f"'{layer.name}' has a variable '{variable.name}' that no rule maps to PyTorch")
            yield f"{layer.name}.{_VARIABLES[variable.name]}", variable


def _transposed(name: str, variable: Any, array: Array, axes: Mapping[int, tuple[int, ...]]) -> Array:
    """Bring a kernel into the other layout; everything else has the same layout in both."""
    if variable.name != "kernel":
        return array
    if array.ndim not in axes:
        raise WeightsMismatch(f"kernel '{name}' has {array.ndim} dimensions; only 2 and 4 can be mapped")
    return array.transpose(axes[array.ndim])


def _require_names(given: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for name in wanted:
        if name not in given:
            raise WeightsMismatch(f"the network's weight '{name}' is not among the {len(given)} weights given")
    for name in given:
        if name not in wanted:
            raise WeightsMismatch(f"weight '{name}' has no partner in the network")
