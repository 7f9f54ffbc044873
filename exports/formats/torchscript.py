"""TorchScript: a PyTorch model as a graph of ATen operators plus its weights, in one zip file that needs no Python.

What is lost: training is not meant to continue from it. It is what TorchServe and libtorch load.
Specification: https://docs.pytorch.org/docs/stable/jit.html (PyTorch itself marks TorchScript as deprecated).
"""

import re
from collections import Counter
from pathlib import Path

from evaluator.core.records import Anatomy, Signature
from exports.contract import Format
from exports.formats import _pickle, _torch_archive
from exports.formats._pickle import Called
from exports.formats._torch_archive import Archive
from exports.signatures import FORWARD, judged

_CALL = re.compile(r"\b(?:torch|ops\.(\w+))\.(\w+)\(")  # torch.conv2d(…, ops.quantized.linear(…
_FUNCTION = re.compile(r"^[ \t]*def ", re.MULTILINE)
_NAME = re.compile(r"\w+")
_NOT_RUN = ("__getstate__", "__setstate__", "_weight_bias", "set_weight_bias")  # when saving and loading only
_PICKLES = {"data.pkl": ("data",), "constants.pkl": ("constants",)}


class TorchScript(Format):
    """A file whose inputs are positional, in the signature's order. Its signatures are the methods that it exports."""

    name = "torchscript"
    title = "TorchScript"
    path = "server"
    suffixes = (".pt", ".pth")

    def recognises(self, path: Path) -> bool:
        """Look for code beside the pickles, and none of the lite interpreter's: a saved `state_dict` has no code."""
        wanted = ("code/", "data.pkl", "constants.pkl")
        return _torch_archive.holds(path, self.suffixes, wanted=wanted, unwanted=("bytecode.pkl",))

    def anatomy(self, artifact: Path) -> Anatomy:
        """Count operators as they are written in the code; one in a function that is called twice counts once.

        The file tells neither types nor shapes of its inputs.
        """
        with _torch_archive.opened(artifact) as archive:
            code = {name: archive.read(name).decode() for name in archive.names("code/", ".py")}
            weights = _torch_archive.weights(archive, _PICKLES)
            graph_bytes = sum(archive.size(name) for name in code)
            version = "version" if archive.has("version") else ".data/version"
            operators = _operators(code)
            signatures = _signatures(archive, code)
            default = judged(signatures, FORWARD)
            return Anatomy(
                version=f"file format {_torch_archive.version(archive, version)}",
                operators=operators,
                signatures=signatures,
                judged="" if default is None else default.name,
                reaches=_torch_archive.reaching(operators),
                weights=weights,
                graph_bytes=graph_bytes,
                metadata_bytes=max(0, artifact.stat().st_size - graph_bytes - sum(weights.values())),
            )


def _operators(code: dict[str, str]) -> dict[str, int]:
    """Find the calls of operators in TorchScript's own print-out of the program, but for what packs weights."""
    found: Counter[str] = Counter()
    for text in code.values():
        for function in _FUNCTION.split(text):
            if not function.startswith(_NOT_RUN):
                found.update(f"{call[1] or 'aten'}::{call[2]}" for call in _CALL.finditer(function))
    return dict(found)


def _signatures(archive: Archive, code: dict[str, str]) -> tuple[Signature, ...]:
    """Name the methods of the module that the file holds: those that its class has in the code.

    What the tracer and the compiler add for themselves begins with an underscore.
    """
    module = _pickle.read(archive.read("data.pkl"))[0]
    called = module.function if isinstance(module, Called) else None
    place, _, name = called.rpartition(".") if isinstance(called, str) else ("", "", "")
    text = code.get(f"code/{place.replace('.', '/')}.py", "")
    start = re.search(rf"^class {re.escape(name)}\(Module\):", text, re.MULTILINE)
    body = "" if start is None else re.split(r"^(?=\S)", text[start.end() :], maxsplit=1, flags=re.MULTILINE)[0]
    functions = [_NAME.match(each) for each in _FUNCTION.split(body)[1:]]
    names = [found[0] for found in functions if found is not None and not found[0].startswith("_")]
    return tuple(Signature(name=each, inputs=(), outputs=()) for each in dict.fromkeys(names))


plugin = TorchScript()
