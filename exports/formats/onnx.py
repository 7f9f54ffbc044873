"""ONNX: an open graph format that both frameworks can be exported to and that many runtimes execute.

What is lost: everything but the forward pass. Weights stay bit for bit, operators are re-expressed in ONNX's own set
(exporters fuse and reorder some), so results differ by rounding. One self-contained file, which limits it to 2 GB.
Specification: https://github.com/onnx/onnx/blob/main/docs/IR.md
"""

from exports.contract import Format


class Onnx(Format):
    """A file whose inputs and outputs carry the signature's names, with a free batch dimension."""

    name = "onnx"
    title = "ONNX"
    path = "portable"
    suffixes = (".onnx",)


plugin = Onnx()
