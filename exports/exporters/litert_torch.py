"""litert-torch: from PyTorch to TFLite without TensorFlow in between; quantized by ai-edge-quantizer.

Inputs keep PyTorch's layout. The file's tensors are renamed to the signature's names.
Documentation: https://github.com/google-ai-edge/litert-torch
"""

import inspect
import re
from pathlib import Path
from typing import Any, ClassVar

from evaluator.core.errors import Unsupported
from evaluator.core.tensors import rows
from exports.contract import Exporter, Origin
from exports.exporters import _pytorch

_LARGEST_BATCH = 64
_FREE = str(-(1 << 63))  # how MLIR writes a free dimension; JAX, which lowers most operators, knows no such size
_COMPUTED = "Shapes must be 1D sequences of concrete values"  # how JAX says that a size must be a number
_CALIBRATED = 16  # rows at once: extremes are averaged over the batches, so that those of single rows would be cut off
_SIGNATURE = "serving_default"
_WITH_WEIGHTS = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "EMBEDDING_LOOKUP")


class LitertTorch(Exporter):
    """A file `model.tflite` with the signature `serving_default`."""

    name = "litert_torch"
    title = "litert-torch"
    origin = "pytorch"
    format = "tflite"
    route = "crossing"
    layout = "pytorch"
    distributions: ClassVar = ("torch", "tensorflow")
    environment = "litert_torch"

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Capture, convert, and quantize the file where a precision asks for it.

        Raises `Unsupported` for a network with an operator that litert-torch lowers for fixed sizes only.
        """
        import litert_torch

        takes = [spec.name for spec in origin.signature.inputs]
        example = dict(zip(takes, _pytorch.example_tensors(origin), strict=True))
        free = _pytorch.free_dimensions(origin, largest_batch=_LARGEST_BATCH)
        path = folder / "model.tflite"
        try:
            converted = litert_torch.convert(
                _named(origin, takes), sample_kwargs=example, dynamic_shapes=dict(zip(takes, free, strict=True))
            )
        except (AssertionError, TypeError) as error:
            refused = fixed_only(str(error))
            if refused is None:
                raise
            raise refused from error
        converted.export(str(path))
        if precision != "fp32":
            _quantize(path, origin, precision)
        return path


def fixed_only(said: str) -> Unsupported | None:
    """Return what is to be told where litert-torch lowers an operator for fixed sizes only; None for other errors.

    JAX knows no shape that is computed: `x.view(x.size(0), -1)` and `x.flatten(1)` have one, `x.view(-1, 1152)` has
    not.
    """
    if _FREE not in said and _COMPUTED not in said:
        return None
    found = re.search(r"target=([\w.]+)", said)
    operator = found[1].removeprefix("torch.ops.") if found else "an operator"
    if _COMPUTED in said:
        remedy = "write x.view(-1, 1152), with the size in numbers, for x.flatten(1); or take onnx2tf's way to TFLite"
    else:
        remedy = "onnx2tf has another way to TFLite"
    return Unsupported(
        f"litert-torch cannot keep the batch dimension free: it does not lower {operator}", remedy=remedy
    )


def _named(origin: Origin, takes: list[str]) -> Any:
    """Return the module with inputs and outputs by the signature's names."""
    import torch

    gives = [spec.name for spec in origin.signature.outputs]

    class Named(torch.nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.network = origin.model

        def forward(self, **inputs: Any) -> dict[str, Any]:
            outputs = self.network(*(inputs[name] for name in takes))
            return dict(zip(gives, outputs if isinstance(outputs, tuple) else (outputs,), strict=True))

    # torch.export matches the free dimensions by what the forward says it takes.
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(name, kind) for name in ("self", *takes)]
    Named.forward.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return Named().eval()


def _quantize(path: Path, origin: Origin, precision: str) -> None:
    """Quantize a file with ai-edge-quantizer; inputs and outputs stay 32-bit floats."""
    from ai_edge_quantizer import quantizer

    made = quantizer.Quantizer(str(path), _recipe(precision))
    calibration = None
    if precision == "int8":
        count = len(next(iter(origin.calibration.values())))
        batches = [rows(origin.calibration, start, start + _CALIBRATED) for start in range(0, count, _CALIBRATED)]
        calibration = made.calibrate({_SIGNATURE: batches})
    made.quantize(calibration).export_model(str(path), overwrite=True)


def _recipe(precision: str) -> Any:
    from ai_edge_quantizer import recipe
    from ai_edge_quantizer.algorithm_manager import AlgorithmName
    from ai_edge_quantizer.qtyping import (
        ComputePrecision,
        OpQuantizationConfig,
        TensorDataType,
        TensorQuantizationConfig,
        TFLOperationName,
    )
    from ai_edge_quantizer.recipe_manager import RecipeManager

    if precision == "int8_dynamic":
        return recipe.dynamic_wi8_afp32()
    manager = RecipeManager()
    everything = ".*"
    if precision == "int8":
        manager.load_quantization_recipe(recipe.static_wi8_ai8())
        for each in (TFLOperationName.INPUT, TFLOperationName.OUTPUT):
            manager.add_quantization_config(everything, each, algorithm_key=AlgorithmName.NO_QUANTIZE)
    else:
        half = OpQuantizationConfig(
            weight_tensor_config=TensorQuantizationConfig(num_bits=16, dtype=TensorDataType.FLOAT),
            compute_precision=ComputePrecision.FLOAT,
        )
        for name in _WITH_WEIGHTS:
            each = TFLOperationName[name]
            manager.add_quantization_config(everything, each, half, algorithm_key=AlgorithmName.FLOAT_CASTING)
    return manager.get_quantization_recipe()


plugin = LitertTorch()
