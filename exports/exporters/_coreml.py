"""What the exporters to Core ML share: the converter without what it does not need, free sizes, names, 8-bit weights.

Guide: https://apple.github.io/coremltools/docs-guides/
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core.errors import Unsupported
from evaluator.core.records import TensorSpec
from exports.contract import Origin

CANNOT = {"int8": "calibration computes the model, which coremltools does on macOS only"}
LARGEST_BATCH = 64
_GROWTH = 2  # how many times as large as in the example another free size may be
_INTEGERS = ("int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "bool")  # Core ML takes 32-bit ones


@contextmanager
def converter(without: str) -> Iterator[Any]:
    """Import coremltools, without a framework that it would import just to see which version that is.

    That costs half a minute and a gigabyte. It must not see it later, either: what it found is kept.
    """
    absent = without not in sys.modules
    if absent:
        sys.modules[without] = None  # type: ignore[assignment]  # so that importing it is an ImportError
    try:
        import coremltools

        yield coremltools
    finally:
        if absent:
            del sys.modules[without]


def free_sizes(origin: Origin) -> dict[str, dict[int, tuple[str, int, int]]]:
    """Return of each input its free dimensions: what a size is called, what is usual, and the most of it.

    The first is the batch. Others that are equal in the example are taken to be one size: a length of words and marks.
    """
    found: dict[str, dict[int, tuple[str, int, int]]] = {}
    for spec in origin.signature.inputs:
        seen = origin.example[spec.name].shape
        found[spec.name] = {
            axis: ("batch", 1, LARGEST_BATCH)
            if axis == 0
            else (f"size_{seen[axis]}", seen[axis], max(LARGEST_BATCH, _GROWTH * seen[axis]))
            for axis, size in enumerate(spec.shape)
            if size is None
        }
    return found


def input_types(tools: Any, origin: Origin, names: Sequence[str]) -> list[Any]:
    """Return what the converter is told of the inputs."""
    free = free_sizes(origin)
    sizes: dict[str, Any] = {}
    for name, usual, most in (each for axes in free.values() for each in axes.values()):
        sizes.setdefault(name, tools.RangeDim(1, most, default=usual))
    return [
        tools.TensorType(
            name=name,
            shape=tuple(
                sizes[free[spec.name][axis][0]] if size is None else size for axis, size in enumerate(spec.shape)
            ),
            dtype=_type(spec),
        )
        for name, spec in zip(names, origin.signature.inputs, strict=True)
    ]


def output_types(tools: Any, origin: Origin, names: Sequence[str]) -> list[Any]:
    """Return what the converter is told of the outputs: their names, and that floats have 32 bits."""
    specs = origin.signature.outputs
    return [tools.TensorType(name=name, dtype=_type(spec)) for name, spec in zip(names, specs, strict=True)]


def _type(spec: TensorSpec) -> Any:
    if spec.dtype in _INTEGERS:
        return np.int32
    if spec.dtype.startswith("float"):
        return np.float32
    raise Unsupported(f"Core ML has no arrays of type {spec.dtype}: '{spec.name}'")


def plain(specs: Sequence[TensorSpec], kind: str) -> list[str]:
    """Return a name for each tensor that code may have, its own where it is one."""
    return [spec.name if spec.name.isidentifier() else f"{kind}_{index}" for index, spec in enumerate(specs)]


def settings(tools: Any, precision: str) -> Mapping[str, Any]:
    """Return what is asked of the converter at a precision; weights of 8 bits are made afterwards."""
    half = precision == "fp16"
    return {
        "convert_to": "mlprogram",
        "compute_precision": tools.precision.FLOAT16 if half else tools.precision.FLOAT32,
        "minimum_deployment_target": tools.target.iOS17,
        "skip_model_load": True,
    }


def write(tools: Any, model: Any, origin: Origin, precision: str, folder: Path) -> Path:
    """Write the package, with weights of 8 bits where they are asked for, and tensors named as the signature has it."""
    if precision == "int8_dynamic":
        from coremltools.optimize import coreml as optimize

        how = optimize.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=0)
        model = optimize.linear_quantize_weights(model, config=optimize.OptimizationConfig(global_config=how))
    path = folder / "model.mlpackage"
    _renamed(tools, model, origin).save(str(path))
    return path


def _renamed(tools: Any, model: Any, origin: Origin) -> Any:
    """Return the model with the signature's names; the converter keeps the order, and not every name."""
    described = model.get_spec().description
    there = [each.name for each in (*described.input, *described.output)]
    wanted = [spec.name for spec in (*origin.signature.inputs, *origin.signature.outputs)]
    if len(there) != len(wanted):
        raise ValueError(f"the converter made a model with {', '.join(there)} of one with {', '.join(wanted)}")
    if there == wanted:
        return model
    spec = model.get_spec()
    pairs = [(old, new) for old, new in zip(there, wanted, strict=True) if old != new]
    for index, (old, _) in enumerate(pairs):  # by way of others, for two may have changed their names
        tools.utils.rename_feature(spec, old, f"fweval_{index}")
    for index, (_, new) in enumerate(pairs):
        tools.utils.rename_feature(spec, f"fweval_{index}", new)
    return tools.models.MLModel(spec, weights_dir=model.weights_dir, skip_model_load=True)
