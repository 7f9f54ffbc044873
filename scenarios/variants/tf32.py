"""PyTorch on a GPU with products of 32-bit floats as TensorFloat-32: 10 bits of the mantissa's 23, in tensor cores.

Documentation: https://docs.pytorch.org/docs/stable/notes/cuda.html (TensorFloat-32)
"""

from typing import ClassVar

from evaluator.core.records import Signature
from scenarios.contract import TrainingVariant
from scenarios.variants._processor import without_tensor_cores


class Tf32(TrainingVariant):
    """`torch.set_float32_matmul_precision("high")`, and the same for convolutions."""

    name = "tf32"
    title = "TensorFloat-32"
    summary = 'torch.set_float32_matmul_precision("high"), and torch.backends.cudnn.allow_tf32 is on'
    framework = "pytorch"
    options: ClassVar = {"tf32": True}
    precision = "tf32"
    effort = 0

    def applies(self, signature: Signature, *, cuda: bool) -> bool:
        """Look for a GPU."""
        return cuda

    def lacking(self, *, cuda: bool) -> tuple[str, str] | None:
        """Look for tensor cores that have it."""
        return without_tensor_cores("TensorFloat-32")


plugin = Tf32()
