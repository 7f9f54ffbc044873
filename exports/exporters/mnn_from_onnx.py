"""MNN's converter, from the ONNX file that PyTorch's own exporter writes.

It is called by its library: the command line of the package (MNN.tools) installs other packages when it is started, and
reports what it converts. Documentation: https://mnn-docs.readthedocs.io/en/latest/tools/convert.html
"""

import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from evaluator.children.processes import die_with_parent
from evaluator.core.errors import Unsupported
from exports.contract import Exporter, Origin
from exports.exporters import onnx_torch_export

_CONVERT = "import sys, _tools; _tools.mnnconvert(sys.argv)"
# How weights are stored; what is computed stays in floats.
_STORED: dict[str, tuple[str, ...]] = {"fp32": (), "fp16": ("--fp16",), "int8_dynamic": ("--weightQuantBits", "8")}
_LACKING = re.compile(r"These Op Not Support: *(.+)")
_LONGEST = 300  # characters of what the tool said last


class MnnFromOnnx(Exporter):
    """A file `model.mnn` with the signature's names and a free batch."""

    name = "mnn_from_onnx"
    title = "MNN's converter"
    origin = "pytorch"
    format = "mnn"
    route = "crossing"
    layout = "pytorch"
    cannot: ClassVar = {
        "int8": "MNN calibrates by a command (mnnquant) that installs packages and reports its use: it is not started"
    }
    distributions: ClassVar = ("torch", "onnx", "onnxscript")
    environment = "mnn"

    def export(self, origin: Origin, precision: str, folder: Path) -> Path:
        """Export to ONNX and convert that; raises `Unsupported` for an operator that either of them lacks."""
        path = folder / "model.mnn"
        with TemporaryDirectory(dir=folder) as scratch:
            source = onnx_torch_export.plugin.export(origin, "fp32", Path(scratch))
            arguments = ("-f", "ONNX", "--modelFile", source.name, "--MNNModel", path.name, "--bizCode", "fweval")
            done = subprocess.run(
                [sys.executable, "-c", _CONVERT, *arguments, *_STORED[precision]],
                cwd=scratch,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                preexec_fn=die_with_parent,
            )
            made = source.with_name(path.name)
            if not made.is_file():  # it says nothing by its exit code
                raise failure(done.stdout + done.stderr)
            made.replace(path)
        return path


def failure(said: str) -> Exception:
    """Return what is to be raised when the converter has written nothing."""
    lacking = _LACKING.search(said)
    if lacking:
        return Unsupported(f"MNN has no operator for {', '.join(lacking[1].replace('ONNX::', '').split())}")
    return RuntimeError(f"MNN's converter wrote nothing: {' '.join(said.split())[-_LONGEST:]}")


plugin = MnnFromOnnx()
