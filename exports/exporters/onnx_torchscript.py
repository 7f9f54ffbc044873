"""PyTorch's older ONNX exporter, on top of torch.jit.trace (`dynamo=False`).

Deprecated, and faster: on ResNet-50 (two cores, idle) it took 1.5 s, the one on torch.export 9 s.
Documentation: https://docs.pytorch.org/docs/stable/onnx_torchscript.html
"""

from pathlib import Path
from typing import ClassVar

from exports.contract import Exporter, Origin
from exports.exporters import _onnx, _pytorch


class OnnxTorchScript(Exporter):
    """A file `model.onnx` whose inputs and outputs carry the signature's names, with a free batch dimension."""

    name = "onnx_torchscript"
    title = "torch.onnx (TorchScript)"
    origin = "pytorch"
    format = "onnx"
    route = "native"
    layout = "pytorch"
    distributions: ClassVar = ("torch", "onnx")

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Trace the module and translate it."""
        import torch

        path = folder / "model.onnx"
        taken = {spec.name: dict(origin.free_axes(spec.name)) for spec in origin.signature.inputs}
        given = {
            spec.name: {
                axis: f"{spec.name}_{axis}" if axis else "batch" for axis, size in enumerate(spec.shape) if size is None
            }
            for spec in origin.signature.outputs
        }
        torch.backends.mha.set_fastpath_enabled(False)
        torch.onnx.export(
            origin.model,
            _pytorch.example_tensors(origin),
            str(path),
            dynamo=False,
            input_names=[spec.name for spec in origin.signature.inputs],
            output_names=[spec.name for spec in origin.signature.outputs],
            dynamic_axes={**taken, **given},
        )
        _onnx.finish(path, origin, precision)
        return path


plugin = OnnxTorchScript()
