"""TorchScript: a PyTorch model as a graph of ATen operators plus its weights, in one zip file that needs no Python.

What is lost: training is not meant to continue from it. It is what TorchServe and libtorch load.
Specification: https://docs.pytorch.org/docs/stable/jit.html (PyTorch itself marks TorchScript as deprecated).
"""

from exports.contract import Format


class TorchScript(Format):
    """A file whose inputs are positional, in the signature's order."""

    name = "torchscript"
    title = "TorchScript"
    path = "server"
    suffixes = (".pt", ".pth")


plugin = TorchScript()
