"""TorchScript: a PyTorch model as a graph of ATen operators plus its weights, in one zip file that needs no Python.

What is lost: training is not meant to continue from it. It is what TorchServe and libtorch load.
Specification: https://docs.pytorch.org/docs/stable/jit.html (PyTorch itself marks TorchScript as deprecated).
"""

import re
from collections import Counter
from pathlib import Path

from evaluator.core.records import Anatomy
from exports.contract import Format
from exports.formats import _torch_archive
from exports.formats._torch_archive import Archive

_CALL = re.compile(r"\b(?:torch|ops\.(\w+))\.(\w+)\(")  # torch.conv2d(…, ops.quantized.linear(…
_FUNCTION = re.compile(r"^\s*def ", re.MULTILINE)
_NOT_RUN = ("__getstate__", "__setstate__", "_weight_bias", "set_weight_bias")  # when saving and loading only
_PICKLES = {"data.pkl": ("data",), "constants.pkl": ("constants",)}


class TorchScript(Format):
    """A file whose inputs are positional, in the signature's order."""

    name = "torchscript"
    title = "TorchScript"
    path = "server"
    suffixes = (".pt", ".pth")

    def recognises(self, path: Path) -> bool:
        """Look for code beside the pickles, and none of the lite interpreter's: a saved `state_dict` has no code."""
        return _torch_archive.holds(path, wanted=("code/", "data.pkl", "constants.pkl"), unwanted=("bytecode.pkl",))

    def anatomy(self, artifact: Path) -> Anatomy:
        """Count operators as they are written in the code; one in a function that is called twice counts once.

        The file tells neither types nor shapes of its inputs.
        """
        with _torch_archive.opened(artifact) as archive:
            code = archive.names("code/", ".py")
            weights = _torch_archive.weights(archive, _PICKLES)
            graph_bytes = sum(archive.size(name) for name in code)
            version = "version" if archive.names("version") else ".data/version"
            return Anatomy(
                version=f"file format {archive.read(version).decode().strip()}",
                operators=_operators(archive, code),
                weights=weights,
                graph_bytes=graph_bytes,
                metadata_bytes=artifact.stat().st_size - graph_bytes - sum(weights.values()),
            )


def _operators(archive: Archive, code: tuple[str, ...]) -> dict[str, int]:
    """Find the calls of operators in TorchScript's own print-out of the program, but for what packs weights."""
    found: Counter[str] = Counter()
    for name in code:
        for function in _FUNCTION.split(archive.read(name).decode()):
            if not function.startswith(_NOT_RUN):
                found.update(f"{call[1] or 'aten'}::{call[2]}" for call in _CALL.finditer(function))
    return dict(found)


plugin = TorchScript()
