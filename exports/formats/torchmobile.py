"""TorchMobile: TorchScript compiled to the byte code of PyTorch's lite interpreter, which runs on phones.

What is lost: what TorchScript loses, and the graph itself.
Specification: https://github.com/pytorch/pytorch/blob/main/torch/csrc/jit/serialization/mobile_bytecode.fbs
(PyTorch Mobile is no longer developed; ExecuTorch is its successor.)
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evaluator.core.records import Anatomy, Signature
from exports.contract import Format
from exports.formats import _pickle, _torch_archive
from exports.signatures import FORWARD, judged

_PROGRAM = "bytecode.pkl"
_PICKLES = {"data.pkl": ("data",), "constants.pkl": ("constants",), _PROGRAM: ("bytecode", "constants")}
_OPERATOR_CALLS = ("OP", "OPN")
_MISREAD = (TypeError, ValueError, KeyError, IndexError)  # what byte code of another shape ends in


@dataclass(frozen=True, slots=True)
class Argument:
    """What a method takes: its name, its type in TorchScript's words, and what is taken when it is not given."""

    name: str
    kind: str
    default: Any = None  # None, too, for an argument that has none


class TorchMobile(Format):
    """A file for the lite interpreter. Its signatures are the methods of the module that it holds."""

    name = "torchmobile"
    title = "TorchMobile"
    path = "mobile"
    suffixes = (".ptl",)

    def recognises(self, path: Path) -> bool:
        """Look for byte code."""
        return _torch_archive.holds(path, self.suffixes, wanted=(_PROGRAM,))

    def anatomy(self, artifact: Path) -> Anatomy:
        """Count the instructions that call an operator. The file tells neither types nor shapes of its inputs."""
        with _torch_archive.opened(artifact) as archive:
            program, _ = _pickle.read(archive.read(_PROGRAM))
            weights = _torch_archive.weights(archive, _PICKLES)
            graph_bytes = archive.size(_PROGRAM)
            root, _ = _pickle.read(archive.read("data.pkl"))
            try:
                version, operators = _version(program), _operators(program)
                signatures = _signatures(program, root)
            except _MISREAD as error:
                raise ValueError(f"the byte code is damaged: {type(error).__name__}") from error
            default = judged(signatures, FORWARD)
            return Anatomy(
                operators=operators,
                version=f"byte code {version}",
                signatures=signatures,
                judged="" if default is None else default.name,
                reaches=_torch_archive.reaching(operators),
                weights=weights,
                graph_bytes=graph_bytes,
                metadata_bytes=max(0, artifact.stat().st_size - graph_bytes - sum(weights.values())),
            )


def arguments(artifact: Path, method: str) -> list[Argument] | None:
    """Return what a method takes after the module itself; None where the file does not tell (byte code before 4).

    Raises `ValueError` for a file that is damaged.
    """
    with _torch_archive.opened(artifact) as archive:
        program, _ = _pickle.read(archive.read(_PROGRAM))
        root, _ = _pickle.read(archive.read("data.pkl"))
    try:
        whole = f"{_owner(root)}.{method}"
        described = next((each[2] for each in program[1:] if each[0] == whole and len(each) > 2), None)
        if described is None:
            return None
        listed = [_fields(fields) for fields in _fields(described)["arguments"]]
        return [Argument(_text(each["name"]), _text(each["type"]), each["default_value"]) for each in listed[1:]]
    except _MISREAD as error:
        raise ValueError(f"the byte code is damaged: {type(error).__name__}") from error


def _version(program: Any) -> int:
    if not isinstance(program[0], int):
        raise TypeError("a version that is no number")
    return int(program[0])


def _operators(program: Any) -> dict[str, int]:
    """Count the calls in (version, (method, ((table, rows), …), …), …), where operators are called by their row."""
    found: Counter[str] = Counter()
    for _, tables, *_ in program[1:]:
        table = _fields(tables)
        names = [_text(name) for name, *_ in table["operators"]]
        found.update(names[row] for code, row, _ in table["instructions"] if code in _OPERATOR_CALLS)
    return dict(found)


def _signatures(program: Any, root: Any) -> tuple[Signature, ...]:
    """Name the methods of the module that the file holds; the byte code has those of its parts, too."""
    names = [_text(name).rpartition(".") for name, *_ in program[1:]]
    own = [name for place, _, name in names if place == _owner(root) and not name.startswith("_")]
    return tuple(Signature(name=name, inputs=(), outputs=()) for name in dict.fromkeys(own))


def _owner(root: Any) -> str:
    """Return the name of the module's class."""
    return _text(root.function) if isinstance(root, _pickle.Called) else ""


def _fields(pairs: Any) -> dict[str, Any]:
    """Return a table of (name, value) pairs: whatever the values are, only text is a key."""
    return {_text(name): value for name, value in pairs}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("something else in place of a text")
    return value


plugin = TorchMobile()
