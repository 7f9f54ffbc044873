"""ExecuTorch's ahead-of-time compiler, with what XNNPACK takes delegated to it.

Quantized in the PT2E flow of torchao, by the quantizer that knows XNNPACK's patterns.
Documentation: https://docs.pytorch.org/executorch/stable/using-executorch-export.html
"""

from pathlib import Path
from typing import Any, ClassVar

from exports.contract import Exporter, Origin
from exports.exporters import _pytorch

_LARGEST_BATCH = 64  # memory is planned for it


class ExecuTorch(Exporter):
    """A file `model.pte` whose batch dimension is free up to a bound."""

    name = "executorch"
    title = "ExecuTorch (XNNPACK)"
    origin = "pytorch"
    format = "executorch"
    route = "native"
    layout = "pytorch"
    distributions: ClassVar = ("torch",)
    environment = "executorch"

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Capture, quantize where asked to, lower, and write."""
        import torch
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        example = _pytorch.example_tensors(origin)
        free = _pytorch.free_dimensions(origin, largest_batch=_LARGEST_BATCH)
        if precision == "fp16":
            module = _pytorch.at_precision(origin, precision)
        else:  # it makes names of parameters into names of values, which may not begin with a digit: "0.weight"
            module = _pytorch.wrapped(origin, origin.model)
        if precision.startswith("int8"):
            module = _quantized(module, origin, free, dynamic=precision == "int8_dynamic")
        program = torch.export.export(module, example, dynamic_shapes=free)
        # With these back ends on, the trace of a convolution guards on "fewer than 16 rows", and memory is planned so.
        with torch.backends.mkldnn.flags(enabled=False), torch.backends.nnpack.flags(enabled=False):
            lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch()
        path = folder / "model.pte"
        path.write_bytes(lowered.buffer)
        return path


def _quantized(module: Any, origin: Origin, free: Any, *, dynamic: bool) -> Any:
    import torch
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    config = get_symmetric_quantization_config(is_per_channel=True, is_dynamic=dynamic)
    example = _pytorch.example_tensors(origin)
    captured = torch.export.export(module, example, dynamic_shapes=free).module()
    prepared = prepare_pt2e(captured, XNNPACKQuantizer().set_global(config))
    rows = _pytorch.calibration_tensors(origin)
    for start in range(0, len(rows[0]), _LARGEST_BATCH):
        prepared(*[each[start : start + _LARGEST_BATCH] for each in rows])
    return convert_pt2e(prepared)


plugin = ExecuTorch()
