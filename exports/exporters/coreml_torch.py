"""coremltools from PyTorch: from a program of torch.export, or from a trace where it knows no way from that.

The first has every size that is free as such, and no assignments; of recurrent layers coremltools knows the traced ones
only. Group normalization and adaptive pooling are written out, which it knows for a fixed batch only.
Documentation: https://apple.github.io/coremltools/docs-guides/source/convert-pytorch-workflow.html
"""

import inspect
import logging
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from evaluator.children.work import attempt
from evaluator.core.errors import Unsupported
from exports.contract import Exporter, Origin
from exports.exporters import _coreml, _pytorch

_log = logging.getLogger(__name__)


class CoreMLTorch(Exporter):
    """A package `model.mlpackage` whose batch dimension is free up to a bound."""

    name = "coreml_torch"
    title = "coremltools (PyTorch)"
    origin = "pytorch"
    format = "coreml"
    route = "crossing"
    layout = "pytorch"
    cannot: ClassVar = _coreml.CANNOT
    distributions: ClassVar = ("torch",)
    environment = "coreml"

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Capture, convert, and write; raises `Unsupported` for types that Core ML has no arrays of.

        When neither way is one, what the second raises is raised, with the first as its cause.
        """
        with _coreml.converter(without="tensorflow") as tools:
            converted = attempt(partial(_from_program, tools, origin, precision))
            if isinstance(converted, Unsupported):
                raise converted
            if isinstance(converted, Exception):
                _log.info("not from torch.export: %s", converted)
                traced = attempt(partial(_from_trace, tools, origin, precision))
                if isinstance(traced, Exception):
                    raise traced from converted
                converted = traced
            return _coreml.write(tools, converted, origin, precision, folder)


def _from_program(tools: Any, origin: Origin, precision: str) -> Any:
    import torch

    sizes = {
        name: torch.export.Dim(name, min=1, max=most)
        for axes in _coreml.free_sizes(origin).values()
        for name, _, most in axes.values()
    }
    free = tuple({axis: sizes[each[0]] for axis, each in axes.items()} for axes in _coreml.free_sizes(origin).values())
    # With this back end on, the trace of a convolution guards on "fewer than 16 rows".
    with torch.no_grad(), torch.backends.mkldnn.flags(enabled=False):
        program = torch.export.export(_ordered(origin), _pytorch.example_tensors(origin), dynamic_shapes=free)
        written_out = {
            torch.ops.aten.group_norm.default: _group_norm,
            torch.ops.aten.adaptive_avg_pool2d.default: _mean_of_blocks,
        }
        program = program.run_decompositions(written_out)
    outputs = _coreml.output_types(tools, origin, _coreml.plain(origin.signature.outputs, "output"))
    return tools.convert(program, outputs=outputs, **_coreml.settings(tools, precision))


def _from_trace(tools: Any, origin: Origin, precision: str) -> Any:
    import torch

    with torch.no_grad():
        traced = torch.jit.trace(_ordered(origin), _pytorch.example_tensors(origin), check_tolerance=1e-4)
    return tools.convert(
        traced,
        inputs=_coreml.input_types(tools, origin, _coreml.plain(origin.signature.inputs, "input")),
        outputs=_coreml.output_types(tools, origin, _coreml.plain(origin.signature.outputs, "output")),
        **_coreml.settings(tools, precision),
    )


def _ordered(origin: Origin) -> Any:
    """Return a module that takes and gives tensors in the signature's order, its inputs named as there."""
    import torch

    network, gives = origin.model, [spec.name for spec in origin.signature.outputs]

    class Ordered(torch.nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *inputs: Any) -> Any:
            outputs = self.network(*inputs)
            if isinstance(outputs, dict):
                outputs = [outputs[name] for name in gives]
            return outputs if isinstance(outputs, torch.Tensor) else tuple(outputs)

    # torch.export names the inputs and matches their free dimensions by what the forward says it takes.
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    takes = ["self", *_coreml.plain(origin.signature.inputs, "input")]
    Ordered.forward.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, kind) for name in takes]
    )
    # The fused path of nn.TransformerEncoder is chosen by conditions that no graph can hold.
    torch.backends.mha.set_fastpath_enabled(False)
    return Ordered().eval()


def _group_norm(x: Any, groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5, _: bool = True) -> Any:  # noqa: FBT001, FBT002  # the operator's own arguments
    """Return what group normalization is by definition."""
    grouped = x.reshape(x.shape[0], groups, -1)
    away = grouped - grouped.mean(-1, keepdim=True)
    normal = (away * ((away * away).mean(-1, keepdim=True) + eps).rsqrt()).reshape(x.shape)
    sizes = (1, -1, *[1] * (x.ndim - 2))
    scaled = normal if weight is None else normal * weight.reshape(sizes)
    return scaled if bias is None else scaled + bias.reshape(sizes)


def _mean_of_blocks(x: Any, sizes: tuple[int, int]) -> Any:
    """Return means over blocks of an image, where they are of one size."""
    import torch

    (height, width), (rows, columns) = x.shape[-2:], sizes
    if height % rows or width % columns:
        return NotImplemented
    if rows == columns == 1:
        return x.mean((-2, -1), keepdim=True)
    return torch.nn.functional.avg_pool2d(x, (height // rows, width // columns))


plugin = CoreMLTorch()
