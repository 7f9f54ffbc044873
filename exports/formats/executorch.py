"""ExecuTorch program: PyTorch for phones and smaller, compiled ahead of time for a backend; successor of TorchMobile.

What is lost: everything but the forward pass. Memory is planned ahead, so free dimensions have an upper bound.
Specification: https://docs.pytorch.org/executorch/stable/pte-file-format.html
"""

from exports.contract import Format


class ExecuTorch(Format):
    """A flat buffer with the method `forward`; its inputs are positional, in the signature's order."""

    name = "executorch"
    title = "ExecuTorch"
    path = "mobile"
    suffixes = (".pte",)


plugin = ExecuTorch()
