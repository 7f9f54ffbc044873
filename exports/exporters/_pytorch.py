"""What the exporters of PyTorch models share."""

import copy
import inspect
from collections.abc import Mapping
from typing import Any

from evaluator.core.tensors import Array
from exports.contract import Origin
from exports.runtimes._torch import tensor


def example_tensors(origin: Origin) -> tuple[Any, ...]:
    """Return the example as tensors in the signature's order, the way the module is called."""
    return _tensors(origin, origin.example)


def calibration_tensors(origin: Origin) -> tuple[Any, ...]:
    """Return the rows for calibration in the same way."""
    return _tensors(origin, origin.calibration)


def _tensors(origin: Origin, arrays: Mapping[str, Array]) -> tuple[Any, ...]:
    return tuple(tensor(arrays[spec.name]) for spec in origin.signature.inputs)


def free_dimensions(origin: Origin, *, largest_batch: int | None = None) -> tuple[dict[int, Any], ...]:
    """Return what torch.export is told of each input, in order: axis -> dimension; those of one name are one.

    With a largest batch, for which memory is planned, nothing but the batch is free.
    """
    import torch

    known: dict[str, Any] = {}
    bounds = {} if largest_batch is None else {"min": 1, "max": largest_batch}

    def dimensions(name: str) -> dict[int, Any]:
        axes = origin.free_axes(name)
        wanted = {axis: free for axis, free in axes.items() if largest_batch is None or axis == 0}
        return {axis: known.setdefault(free, torch.export.Dim(free, **bounds)) for axis, free in wanted.items()}

    return tuple(dimensions(spec.name) for spec in origin.signature.inputs)


def trace(origin: Origin, precision: str) -> Any:
    """Record the operators that the module runs at that precision on the example, as a `torch.jit.ScriptModule`.

    The trace is checked by running it against the module; a disagreement raises `torch.jit.TracingCheckError`.
    """
    import torch

    # The fused path of nn.TransformerEncoder is chosen by conditions that a trace cannot hold; its check then fails.
    torch.backends.mha.set_fastpath_enabled(False)
    with torch.no_grad():
        return torch.jit.trace(at_precision(origin, precision), example_tensors(origin), check_tolerance=1e-4)


def at_precision(origin: Origin, precision: str) -> Any:
    """Return the module at a precision, by the means that TorchScript can hold; float inputs and outputs stay fp32.

    "fp16": weights and arithmetic in half precision. "int8_dynamic": dense layers with 8-bit weights, activations
    quantized as they come. "int8": all that PyTorch's quantizer for x86 knows, calibrated on real inputs. The last two
    are what PyTorch Mobile was made with (torch.ao.quantization; deprecated in favour of torchao, which makes no
    TorchScript).
    """
    if precision == "fp32":
        return origin.model
    return {"fp16": _half, "int8_dynamic": _dynamic, "int8": _static}[precision](origin)


def wrapped(origin: Origin, network: Any, *, half: bool = False) -> Any:
    """Put a module around a network, which takes what the origin's model takes; with casts around half precision."""
    import torch

    class Wrapped(torch.nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *inputs: Any) -> Any:
            if not half:
                return self.network(*inputs)
            halves = [each.half() if each.dtype == torch.float32 else each for each in inputs]
            result = self.network(*halves)
            return tuple(_full(each) for each in result) if isinstance(result, tuple) else _full(result)

    # torch.export names the inputs and matches their free dimensions by what the forward says it takes.
    Wrapped.forward.__signature__ = inspect.signature(type(origin.model).forward)  # type: ignore[attr-defined]
    return Wrapped().eval()


def _full(tensor_: Any) -> Any:
    """Return a half-precision tensor as 32-bit floats, any other as it is."""
    import torch

    return tensor_.float() if tensor_.dtype == torch.float16 else tensor_


def _half(origin: Origin) -> Any:
    return wrapped(origin, copy.deepcopy(origin.model).half(), half=True)


def _dynamic(origin: Origin) -> Any:
    import torch

    return torch.ao.quantization.quantize_dynamic(copy.deepcopy(origin.model), {torch.nn.Linear}, dtype=torch.qint8)


def _static(origin: Origin) -> Any:
    import torch
    from torch.ao.quantization import get_default_qconfig_mapping, quantize_fx

    torch.backends.quantized.engine = "x86"
    example = example_tensors(origin)
    prepared = quantize_fx.prepare_fx(copy.deepcopy(origin.model), get_default_qconfig_mapping("x86"), example)
    with torch.no_grad():
        prepared(*calibration_tensors(origin))
    return quantize_fx.convert_fx(prepared)
