"""Files of other formats are named, with what to do about them: that fweval does not read them is no fault of theirs.

By how a file begins where that is sure, by the names in a zip or a folder, and by a file's own name last. Little is
read (the first bytes, a zip's directory, the beginning of what is compressed), nothing is executed, and nothing is
imported. The formats themselves are data: `exports._foreign_formats`.
"""

import bz2
import itertools
import json
import lzma
import mmap
import pickletools
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

from exports import _foreign_formats as formats
from exports._foreign_formats import AGAIN, EXPORT, KERAS, ORIGINAL, UNPACK, Foreign
from exports.formats import openvino, tfjs

_HEAD_BYTES = 1 << 12
_PICKLE_BYTES = 1 << 16
_UNPACKED_BYTES = 1 << 20  # of a compressed file's beginning
_HDF5_BYTES = 64 << 20  # of one, where the names of attributes are looked for
_MOST_ENTRIES = 20_000  # of a zip whose directory is read
_MOST_NAMES = 1000  # of a folder
_MOST_TOLD = 60  # characters of a text
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")  # what no text has
_LFS = re.compile(rb"version https://git-lfs\.github\.com/spec/v\d+\n(?:.*\n)*?size (\d+)")
_PYTORCH_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # of its files before 1.6: a pickled number
_LEVELDB_MAGIC = bytes.fromhex("57fb808b247547db")  # ends an index of TensorFlow's checkpoints
_PLAIN_GLOBALS = frozenset({"torch", "collections", "_codecs", "numpy", "builtins", "__builtin__"})
_BELOW = ("*/saved_model.pb", "*/*.onnx", "*/*.tflite", "*/*.pte", "*/*.pt2", "*/*.ptl", "*/model.json")


def known_as(path: Path) -> Foreign | None:
    """Say what a file or a folder is that no format of fweval recognises; None when nobody here knows either."""
    found = _folder(path) if path.is_dir() else _file(path)
    return None if found is None else found.of(path.name)


def beginning(path: Path) -> str:
    """Say how an unknown file begins."""
    with path.open("rb") as file:
        return f"it begins with {file.read(8)!r}"


def _file(path: Path) -> Foreign | None:
    if not path.stat().st_size:
        return Foreign("empty", AGAIN)
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for look in _LOOKS:
        found = look(path, head)
        if found is not None:
            return found
    return None


def _pointer(_: Path, head: bytes) -> Foreign | None:
    """Recognise what version control leaves in place of a large file."""
    large = _LFS.match(head)
    if large:
        size = f"{int(large[1]) / 1e6:,.1f} MB" if len(large[1]) < 16 else "the model"
        return Foreign(
            f"a pointer of Git LFS: the file itself ({size}) was not fetched", "`git lfs pull` in its repository"
        )
    if b"/annex/objects/" in head[:200]:
        return Foreign("a pointer of git-annex: the file itself was not fetched", "`git annex get {name}`")
    if head.startswith(b"outs:\n- md5:") or (head.startswith(b"md5:") and b"\nouts:" in head):
        return Foreign("a pointer of DVC: the file itself was not fetched", "`dvc pull {name}`")
    return None


def _constants(path: Path, _: bytes) -> Foreign | None:
    graph = path.with_suffix(".xml")
    if path.suffix != ".bin" or not openvino.plugin.recognises(graph):
        return None
    return Foreign("the constants of an OpenVINO model", f"inspect the graph beside it: {_shortened(graph.name)}")


def _by_beginning(_: Path, head: bytes) -> Foreign | None:
    return next((row for offset, begin, row in formats.BEGINNINGS if head.startswith(begin, offset)), None)


def _zip(path: Path, head: bytes) -> Foreign | None:
    if not head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return None
    entries = _entries(path)
    if entries is None:
        return Foreign("a zip file that is cut off or damaged", AGAIN)
    if any(entry.flag_bits & 1 for entry in entries):
        return Foreign("an encrypted zip file", f"{UNPACK}: `unzip {{name}}` asks for the password")
    names = [entry.filename for entry in entries]
    if any(re.fullmatch(r"[^/]+/data\.pkl", name) for name in names):
        return _pytorch_zip(path, names)
    return _row(formats.ZIPS, names) or Foreign("a zip archive", f"{UNPACK}: `unzip {{name}}`")


def _entries(path: Path) -> Sequence[zipfile.ZipInfo] | None:
    """Return what a zip's directory lists; None when it has none that can be read."""
    try:
        with zipfile.ZipFile(path) as whole:
            return whole.infolist()[:_MOST_ENTRIES]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return None


def _pytorch_zip(path: Path, names: Iterable[str]) -> Foreign:
    if any("/code/" in name for name in names):
        return Foreign("a TorchScript file that lacks a part", AGAIN)
    pickle = next(name for name in names if re.fullmatch(r"[^/]+/data\.pkl", name))
    try:
        with zipfile.ZipFile(path) as whole, whole.open(pickle) as file:
            return _pytorch_pickle(file.read(_PICKLE_BYTES))
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError):
        return Foreign("a PyTorch file that is damaged", AGAIN)


def _pytorch_pickle(data: bytes) -> Foreign:
    """Tell tensors from whole modules by what a pickle asks for, without loading it."""
    asked = list(_globals(data))
    foreign = next((name for name in asked if name.partition(".")[0] not in _PLAIN_GLOBALS), None)
    module = foreign or next((name for name in asked if name.startswith("torch.nn.modules.")), None)
    if module is None:
        return Foreign("a PyTorch file of weights (a state_dict), without the network", EXPORT)
    return Foreign(
        f"a pickled PyTorch object ({_shortened(module)}), whose loading would execute what it says",
        formats.PICKLED.get(module.partition(".")[0], formats.PICKLED["torch"]),
    )


def _globals(data: bytes) -> Iterator[str]:
    """Yield the names that pickles, one behind the other, ask for, as far as they go."""
    rest = BytesIO(data)
    try:
        while rest.tell() < len(data):
            texts: list[str] = []
            for opcode, argument, _ in pickletools.genops(rest):
                if opcode.name == "GLOBAL":
                    yield str(argument).replace(" ", ".")
                elif opcode.name == "STACK_GLOBAL" and len(texts) > 1:
                    yield ".".join(texts[-2:])
                elif isinstance(argument, str):
                    texts.append(argument)
    except (ValueError, UnicodeError, IndexError):  # it ends within what was read, or tensors follow
        return


def _safetensors(path: Path, head: bytes) -> Foreign | None:
    """Look for a header of JSON behind its length: https://github.com/huggingface/safetensors#format."""
    length = int.from_bytes(head[:8], "little")
    if head[8:9] != b"{" or not 2 <= length < 100 << 20:
        return None
    if length + 8 > path.stat().st_size:
        return Foreign("a safetensors file that is cut off", AGAIN)
    return Foreign("a file of weights without a network (safetensors)", EXPORT)


def _hdf5(path: Path, head: bytes) -> Foreign | None:
    """Tell a whole Keras model, which has its settings as an attribute, from weights alone, and from other data."""
    if not head.startswith(b"\x89HDF\r\n"):
        return None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(b"model_config", 0, _HDF5_BYTES) >= 0:
            return Foreign("a Keras model (HDF5)", KERAS)
        if any(content.find(mark, 0, _HDF5_BYTES) >= 0 for mark in (b"keras_version", b"layer_names", b"vars")):
            return Foreign(
                "weights of a Keras model (HDF5), without the network",
                "build the model, `model.load_weights('{name}')`, then `model.export('FOLDER')` and inspect that",
            )
    return Foreign("an HDF5 file, as Keras and others write", "if it is Keras': " + KERAS)


class _Unpacker(Protocol):
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


_COMPRESSIONS: tuple[tuple[tuple[bytes, ...], str, str, Callable[[], _Unpacker]], ...] = (
    ((b"\x1f\x8b",), "gzip", "gunzip", lambda: zlib.decompressobj(wbits=31)),
    ((b"\xfd7zXZ\x00",), "xz", "unxz", lzma.LZMADecompressor),
    ((b"BZh",), "bzip2", "bunzip2", bz2.BZ2Decompressor),
    ((b"x\x01", b"x\x9c", b"x\xda"), "zlib", "", zlib.decompressobj),
)


def _compressed(path: Path, head: bytes) -> Foreign | None:
    """Look at the beginning of what is compressed, or of a tar archive that is not."""
    if head[257:262] == b"ustar":
        with path.open("rb") as file:
            return _tar(file.read(_UNPACKED_BYTES))
    for begins, title, command, unpacker in _COMPRESSIONS:
        if not head.startswith(begins):
            continue
        with path.open("rb") as file:
            packed = file.read(_UNPACKED_BYTES)
        try:
            inside = unpacker().decompress(packed, _UNPACKED_BYTES)
        except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError):
            return None if title == "zlib" else Foreign(f"compressed by {title}, and damaged", AGAIN)
        if inside[257:262] == b"ustar":
            return _tar(inside)
        if title == "zlib":
            return _pickled(path, inside)
        return Foreign(f"compressed by {title}", f"{UNPACK}: `{command} {{name}}`")
    return None


def _tar(content: bytes) -> Foreign:
    names: list[str] = []
    try:
        with tarfile.open(fileobj=BytesIO(content)) as archive:
            names.extend(member.name for member in archive)
    except (tarfile.TarError, OSError, EOFError, ValueError):
        pass  # it goes on behind what was read
    what = (
        "a SavedModel in a tar archive" if any(name.endswith("saved_model.pb") for name in names) else "a tar archive"
    )
    return Foreign(what, "`mkdir FOLDER && tar xf {name} -C FOLDER`, then inspect what is inside")


def _pickled(path: Path, head: bytes) -> Foreign | None:
    if head.startswith(_PYTORCH_MAGIC):
        with path.open("rb") as file:
            return _pytorch_pickle(file.read(_PICKLE_BYTES))
    if not re.match(rb"\x80[\x02-\x05]", head):
        return None
    name = next(_globals(head), "")
    package = name.partition(".")[0]
    remedy = formats.PICKLED.get(package, "if you trust it, load it where it was made, and export the model from there")
    asked = f" (it asks for {_shortened(name)})" if name else ""
    return Foreign(f"a pickle, whose loading would execute what it says{asked}", remedy)


def _text(path: Path, head: bytes) -> Foreign | None:
    text = head.decode("utf-8", errors="ignore").lstrip("\ufeff \t\r\n")
    if _CONTROL.search(head) or len(text.encode()) < len(head.strip()) - 8 or not text:
        return None
    lower = text[:200].lower()
    if lower.startswith(("<!doctype html", "<html", "<head")):
        return Foreign(
            "a web page (HTML), as servers send in place of a file",
            "download it again, with the login or link that it needs",
        )
    if text.startswith("<"):
        return _xml(text)
    if text.startswith(("{", "[")):
        return _json(path, text)
    named = _named(path, head)
    if named is not None:
        return named
    found = next((row for begin, row in formats.TEXTS if text.startswith(begin)), None)
    return found or Foreign(
        f"text: {_shortened(text)!r}", "read it: a server's answer may have been saved in place of the file"
    )


def _xml(text: str) -> Foreign:
    if "<PMML" in text:
        return Foreign("a PMML model", ORIGINAL)
    said = re.search(r"<(?:Message|Code)>([^<]+)<", text)
    if said:
        return Foreign(
            f"the error message of a server, saved in place of a file: {_shortened(said[1])!r}", "download it again"
        )
    return Foreign("an XML file", None)


def _json(path: Path, text: str) -> Foreign:
    if tfjs.kind_of(path) == tfjs.LAYERS:
        return formats.LAYERS
    found = next((row for mark, row in formats.JSONS if re.search(mark, text)), None)
    if found is not None:
        return found
    said = _error(path)
    if said:
        return Foreign(
            f"the error message of a server, saved in place of a file: {_shortened(said)!r}", "download it again"
        )
    return Foreign("a JSON file", None)


def _error(path: Path) -> str:
    """Return what a server said went wrong, when that is all that a file holds."""
    if path.stat().st_size > _HEAD_BYTES:
        return ""
    try:
        told: Any = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return ""
    if not isinstance(told, dict):
        return ""
    return next(
        (str(told[key]) for key in ("error", "message", "detail", "errors", "error_description") if key in told), ""
    )


def _protobuf(path: Path, head: bytes) -> Foreign | None:
    """Look for the first node of a GraphDef: field 1, a NodeDef whose fields 1 and 2 are its name and its operator."""
    length = rb"(?:[\x80-\xff]{0,4}[\x00-\x7f])"
    node = re.match(
        rb"\x0a" + length + rb"\x0a" + length + rb"([\w./\\:-]{1,250})\x12[\x01-\x40]([A-Za-z]\w{1,60})", head
    )
    if node:
        return Foreign(
            f"a frozen graph of TensorFlow 1 (it begins with {_shortened(node[1].decode())})",
            "`python -m tf2onnx.convert --graphdef {name} --inputs INPUT:0 --outputs OUTPUT:0 --output model.onnx`",
        )
    if path.suffix == ".onnx" and head[:1] == b"\x08":
        return Foreign("an ONNX file that is cut off or damaged", AGAIN)
    return None


def _checkpoint(path: Path, _: bytes) -> Foreign | None:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(_LEVELDB_MAGIC)))
        return formats.CHECKPOINT if file.read() == _LEVELDB_MAGIC else None


def _named(path: Path, _: bytes) -> Foreign | None:
    return next((row for pattern, row in formats.NAMES if re.fullmatch(pattern, path.name.lower())), None)


def _zeros(_: Path, head: bytes) -> Foreign | None:
    if head.strip(b"\0"):
        return None
    return Foreign("nothing but zeros at its beginning, as a download leaves that was not finished", AGAIN)


def _folder(path: Path) -> Foreign | None:
    names = [each.name for each in itertools.islice(path.iterdir(), _MOST_NAMES)]
    if not names:
        return Foreign("an empty folder", None)
    below = sorted({_artifact(found.relative_to(path)) for pattern in _BELOW for found in path.glob(pattern)})
    if below:
        some = ", ".join(below[:5]) + (", …" if len(below) > 5 else "")
        return Foreign(f"a folder whose models lie deeper: {some}", f"inspect one of them, such as {{name}}/{below[0]}")
    layers = [name for name in names if name.endswith(".json") and tfjs.kind_of(path / name) == tfjs.LAYERS]
    if layers:
        return Foreign(formats.LAYERS.what, str(formats.LAYERS.remedy).replace("{name}", f"{{name}}/{layers[0]}"))
    several = [graph.name for graph in openvino.graphs(path)]
    if several:
        first = min(several, key=lambda name: ("token" in name, name))  # a text model comes with its tokenizer's graphs
        some = ", ".join(several[:5]) + (", …" if len(several) > 5 else "")
        return Foreign(f"a folder of several graphs of OpenVINO: {some}", f"inspect one: {{name}}/{first}")
    return _row(formats.FOLDERS, sorted(names))


def _artifact(found: Path) -> str:
    """Return the path of what is inspected: of a SavedModel and of TensorFlow.js it is the folder."""
    return str(found.parent if found.name in {"saved_model.pb", "model.json"} else found)


def _row(table: Iterable[tuple[tuple[str, ...], Foreign]], names: Sequence[str]) -> Foreign | None:
    """Return the first row of a table whose every pattern is the whole of some name."""
    for patterns, row in table:
        if all(any(re.fullmatch(pattern, name) for name in names) for pattern in patterns):
            return row
    return None


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_TOLD else f"{line[:_MOST_TOLD]} …"


_LOOKS: tuple[Callable[[Path, bytes], Foreign | None], ...] = (
    *(_pointer, _constants, _by_beginning, _zip, _safetensors, _hdf5, _compressed, _pickled),
    *(_text, _protobuf, _checkpoint, _named, _zeros),
)
