"""PT2: a PyTorch program captured by torch.export, with its weights, in one archive; the successor of TorchScript.

What is lost: control flow that depends on the data. It needs Python and PyTorch to run, or one more compilation.
Specification: https://docs.pytorch.org/docs/stable/export/pt2_archive.html
"""

from exports.contract import Format


class Pt2(Format):
    """A zip file with the program as JSON; its inputs are positional, in the signature's order."""

    name = "pt2"
    title = "PT2"
    path = "server"
    suffixes = (".pt2",)


plugin = Pt2()
