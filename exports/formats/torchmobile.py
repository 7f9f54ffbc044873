"""TorchMobile: TorchScript compiled to the byte code of PyTorch's lite interpreter, which runs on phones.

What is lost: what TorchScript loses, and the graph itself.
Specification: https://github.com/pytorch/pytorch/blob/main/torch/csrc/jit/serialization/mobile_bytecode.fbs
(PyTorch Mobile is no longer developed; ExecuTorch is its successor.)
"""

from exports.contract import Format


class TorchMobile(Format):
    """A file for the lite interpreter."""

    name = "torchmobile"
    title = "TorchMobile"
    path = "mobile"
    suffixes = (".ptl",)


plugin = TorchMobile()
