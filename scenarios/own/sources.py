"""What a network comes from: a function in a Python file, or a file that a framework writes. Told without running any.

What would have to be unpickled is refused here, with what to do instead: pickled files run code when they are read.
"""

import difflib
import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NoReturn

from evaluator.core.errors import UsageError

Kind = Literal["code", "keras", "savedmodel", "pt2", "torchscript"]
FRAMEWORK = {"keras": "tensorflow", "savedmodel": "tensorflow", "pt2": "pytorch", "torchscript": "pytorch"}
_PICKLED = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib", ".tar")
_ARTIFACTS = (".onnx", ".tflite", ".ptl", ".pte", ".mlmodel", ".mlpackage", ".param", ".mnn")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """Where a network comes from; `function` is there for code only."""

    kind: Kind
    path: Path
    function: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.function}" if self.function else str(self.path)

    @property
    def framework(self) -> str | None:
        """Return the framework that wrote the file; None for code, which must be run to know."""
        return FRAMEWORK.get(self.kind)


def is_function(text: str) -> bool:
    """Tell whether a text names a function in a Python file: "mine.py:build"."""
    path, colon, name = text.rpartition(":")
    return bool(colon) and path.endswith(".py") and name.isidentifier()


def looks_own(text: str) -> bool:
    """Tell whether a command's word means a model of somebody's own, and no scenario's name or file."""
    if is_function(text) or text.endswith(".py"):
        return True
    path = Path(text)
    suffixes = (".keras", ".h5", ".hdf5", ".pt2", ".safetensors", *_PICKLED, *_ARTIFACTS)
    return path.suffix.lower() in suffixes or (path / "saved_model.pb").is_file()


def function_in(text: str, folder: Path) -> tuple[Path, str]:
    """Return file and name of "FILE.py:FUNCTION"; `UsageError` where the file is not there, or nothing is named."""
    path, _, name = text.rpartition(":")
    if not is_function(text):
        raise UsageError(f"{text}: no function is named", remedy=f"write it as {text or 'mine.py'}:build")
    return existing(path, folder), name


def existing(text: str, folder: Path) -> Path:
    """Return the absolute path of a file that is there; `UsageError` with the nearest name where it is not."""
    path = (folder / Path(text).expanduser()).resolve()
    if path.exists():
        return path
    beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, beside, n=1)
    raise UsageError(f"{text}: there is no such file", remedy=f"did you mean '{near[0]}'?" if near else None)


def read(text: str, folder: Path) -> Source:
    """Tell what a source is; `UsageError` says of what cannot be an origin what to do instead."""
    if is_function(text):
        path, name = function_in(text, folder)
        return Source("code", path, name)
    if text.endswith(".py"):
        raise UsageError(f"{text}: which function makes the model is not said", remedy=f"name it: {text}:build")
    path = existing(text, folder)
    kind = _kind(path)
    return Source(kind or _refuse(path), path)


def _kind(path: Path) -> Kind | None:
    if path.is_dir():
        return "savedmodel" if (path / "saved_model.pb").is_file() else None
    if path.suffix.lower() in (".keras", ".h5", ".hdf5"):
        return "keras"
    names = _names(path)
    if any(name.endswith(("serialized_exported_program.json", "models/model.json")) for name in names):
        return "pt2"
    if any(name.endswith("/constants.pkl") for name in names) and any("/code/" in name for name in names):
        return "torchscript"
    return "pt2" if path.suffix == ".pt2" else None


def _names(path: Path) -> list[str]:
    if not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def _refuse(path: Path) -> NoReturn:
    suffix = path.suffix.lower()
    if suffix in _ARTIFACTS:
        raise UsageError(
            f"{path.name} is an artifact, not the model that it was made from",
            remedy=f"fweval inspect {path.name}, or give the model: mine.py:build, a .keras or a .pt2 file",
        )
    if suffix == ".safetensors" or suffix in _PICKLED:
        what = "holds weights without the network" if suffix == ".safetensors" else "is pickled: reading it runs code"
        load = "load_file" if suffix == ".safetensors" else "torch.load(…, weights_only=True)"
        raise UsageError(
            f"{path.name} {what}",
            remedy=f"write a function that builds the network and loads it with {load}, and give that: mine.py:build",
        )
    what = "a folder without saved_model.pb" if path.is_dir() else "no model that fweval knows as an origin"
    raise UsageError(f"{path} is {what}", remedy="give mine.py:build, a .keras, a .pt2, or a SavedModel's folder")


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of all files of a folder with their names."""
    whole = hashlib.sha256()
    for file in sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]:
        if path.is_dir():
            whole.update(str(file.relative_to(path)).encode())
        with file.open("rb") as content:
            while chunk := content.read(_CHUNK):
                whole.update(chunk)
    return whole.hexdigest()
