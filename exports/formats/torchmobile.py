"""TorchMobile: TorchScript compiled to the byte code of PyTorch's lite interpreter, which runs on phones.

What is lost: what TorchScript loses, and the graph itself.
Specification: https://github.com/pytorch/pytorch/blob/main/torch/csrc/jit/serialization/mobile_bytecode.fbs
(PyTorch Mobile is no longer developed; ExecuTorch is its successor.)
"""

from collections import Counter
from pathlib import Path
from typing import Any

from evaluator.core.records import Anatomy
from exports.contract import Format
from exports.formats import _pickle, _torch_archive

_PROGRAM = "bytecode.pkl"
_PICKLES = {"data.pkl": ("data",), "constants.pkl": ("constants",), _PROGRAM: ("bytecode", "constants")}
_OPERATOR_CALLS = ("OP", "OPN")


class TorchMobile(Format):
    """A file for the lite interpreter."""

    name = "torchmobile"
    title = "TorchMobile"
    path = "mobile"
    suffixes = (".ptl",)

    def recognises(self, path: Path) -> bool:
        """Look for byte code."""
        return _torch_archive.holds(path, wanted=(_PROGRAM,))

    def anatomy(self, artifact: Path) -> Anatomy:
        """Count the instructions that call an operator. The file tells neither types nor shapes of its inputs."""
        with _torch_archive.opened(artifact) as archive:
            program, _ = _pickle.read(archive.read(_PROGRAM))
            weights = _torch_archive.weights(archive, _PICKLES)
            graph_bytes = archive.size(_PROGRAM)
            return Anatomy(
                operators=_operators(program),
                version=f"byte code {program[0]}",
                weights=weights,
                graph_bytes=graph_bytes,
                metadata_bytes=artifact.stat().st_size - graph_bytes - sum(weights.values()),
            )


def _operators(program: Any) -> dict[str, int]:
    """Count the calls in (version, (method, ((table, rows), …), …), …), where operators are called by their row."""
    found: Counter[str] = Counter()
    try:
        for _, tables, *_ in program[1:]:
            table = dict(tables)
            names = [str(name) for name, *_ in table["operators"]]
            found.update(names[row] for code, row, _ in table["instructions"] if code in _OPERATOR_CALLS)
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise ValueError(f"the byte code is damaged: {error}") from error
    return dict(found)


plugin = TorchMobile()
