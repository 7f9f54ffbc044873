"""torch.jit: PyTorch's own TorchScript interpreter, the one behind TorchServe and libtorch.

The first calls with a new batch size record and optimise the graph: they belong to the warm-up.
Documentation: https://docs.pytorch.org/docs/stable/jit.html
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evaluator.core import registry
from evaluator.core.errors import Unavailable
from evaluator.core.records import Signature
from exports.contract import Runtime, Session
from exports.formats.torchmobile import Argument
from exports.runtimes import _torch, _torch_values
from exports.signatures import FORWARD


class TorchJit(Runtime):
    """Loads TorchScript on the CPU or on the first CUDA device."""

    name = "torch_jit"
    title = "torch.jit"
    formats = ("torchscript",)
    devices = ("cpu", "gpu")
    distributions = ("torch",)
    module = "torch"
    openmp = True

    @contextmanager
    def load(self, artifact: Path, signature: Signature, *, device: str, threads: int) -> Iterator[Session]:
        """Load with `torch.jit.load`; on the GPU 32-bit floats are computed as such, not as TensorFloat-32.

        Raises `Unavailable` without a CUDA device, `Unsupported` for a missing operator, `ValueError` for a file that
        cannot be read.
        """
        import torch

        cuda: bool = registry.load("device", device).cuda
        if cuda and not torch.cuda.is_available():
            raise Unavailable(
                "PyTorch sees no CUDA device",
                remedy="install an NVIDIA driver and a CUDA build of torch: https://pytorch.org/get-started/locally/",
            )
        place = "cuda" if cuda else "cpu"
        with _torch.using_threads(threads), _ieee_convolutions():
            module = _torch.read(torch.jit.load, artifact, place)
            name = signature.name or FORWARD
            # No public name leads to a method that is called like one of Module's own.
            method = module._c._get_method(name)  # noqa: SLF001
            arguments = [
                Argument(each.name, each.type.annotation_str, each.default_value)
                for each in method.schema.arguments[1:]  # the first is the module
            ]
            gives = _torch_values.binding(arguments, [spec.name for spec in signature.inputs], place)
            yield _torch.session(module if name == FORWARD else method, signature, place, gives)
        if cuda:
            torch.cuda.empty_cache()


@contextmanager
def _ieee_convolutions() -> Iterator[None]:
    """Switch off TensorFloat-32, which cuDNN's convolutions use unasked: its 10-bit mantissa fails fp32 parity."""
    import torch

    before = torch.backends.cudnn.conv.fp32_precision
    torch.backends.cudnn.conv.fp32_precision = "ieee"
    try:
        yield
    finally:
        torch.backends.cudnn.conv.fp32_precision = before


plugin = TorchJit()
