"""What the web's runtimes share: an artifact in a JavaScript engine, in Node or in a headless Chromium.

A driver (exports/web/driver.mjs) runs in a Node process of its own, which starts the browser where one is asked for.
Batches go through its stdin and stdout as frames (exports/web/frames.mjs). Time is taken in JavaScript, around the
engine alone: what the way there and back costs says nothing about a web page.
"""

import json
import os
import struct
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib import resources
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Literal, cast

import numpy as np

from evaluator.children import environments, processes
from evaluator.core.errors import Unavailable, Unsupported
from evaluator.core.records import Signature
from evaluator.core.tensors import Array, Arrays
from exports.contract import Session
from exports.formats import onnx
from exports.parts import shown
from exports.runtimes import _onnx_words
from exports.web.programs import find

ENVIRONMENT = "web"
Engine = Literal["onnxruntime-web", "tfjs"]
Host = Literal["node", "chromium"]

# Of a file that Node reads whole: https://nodejs.org/api/errors.html#err_fs_file_too_large
_LARGEST_BYTES = (1 << 31) - 1
_GRACE_S = 10.0
_NARROW = ("float32", "int32")  # the numbers of TensorFlow.js
_HOMES = ("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
_PREFIX = struct.Struct("<II")  # bytes of JSON, bytes of data
# How the engines word that they lack an operator, this version of it, or this way to use it.
_REFUSALS = (
    *(
        "Could not find an implementation",
        "No Op registered",
        "is not a registered function/op",
        "Unsupported model",
        "NOT_IMPLEMENTED",
    ),
    *("not registered for backend", "Unknown op", "only supports", "JavaScript has no array for"),
    "carries no text",
)


class JavaScriptError(RuntimeError):
    """What an engine, Node or the page said when it failed."""


class WebSession:
    """An artifact in a driver; `inner_seconds` holds what each call took in JavaScript."""

    def __init__(self, process: subprocess.Popen[bytes], artifact: Path, signature: Signature) -> None:
        """Wait until the artifact is loaded; raises `Unsupported` with the engine's words when it refuses it."""
        self.inner_seconds: list[float] = []
        self._process = process
        self._artifact = artifact
        self._signature = signature
        self._receive()

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """Compute one batch; raises `Unsupported` when the engine lacks a kernel, which it may find out only now."""
        tensors = [(spec.name, np.ascontiguousarray(inputs[spec.name])) for spec in self._signature.inputs]
        texts = [name for name, array in tensors if array.dtype.kind in "OSU"]
        if texts:
            raise Unsupported(f"fweval carries no text to JavaScript, and '{texts[0]}' is text")
        described = [{"name": name, "dtype": array.dtype.name, "shape": array.shape} for name, array in tensors]
        data = b"".join(array.tobytes() for _, array in tensors)
        text = json.dumps({"tensors": described}).encode()
        stdin = cast("IO[bytes]", self._process.stdin)
        with suppress(BrokenPipeError):  # then it has said why, or ended without a word
            stdin.write(_PREFIX.pack(len(text), len(data)) + text + data)
            stdin.flush()
        header, outputs = self._receive()
        self.inner_seconds.append(float(header["seconds"]))
        return {spec.name: outputs[spec.name] for spec in self._signature.outputs}

    def _receive(self) -> tuple[dict[str, Any], Arrays]:
        stdout = cast("IO[bytes]", self._process.stdout)
        prefix = stdout.read(_PREFIX.size)
        if len(prefix) < _PREFIX.size:
            raise JavaScriptError(f"the driver ended with code {self._process.wait()} and no answer")
        text_bytes, data_bytes = _PREFIX.unpack(prefix)
        header = json.loads(stdout.read(text_bytes))
        data = stdout.read(data_bytes)
        if "error" in header:
            self._refuse(str(header["error"]))
        return header, _arrays(header, data)

    def _refuse(self, said: str) -> None:
        if any(words in said for words in _REFUSALS):
            raise Unsupported(f"the engine refuses {self._artifact.name}: {_onnx_words.plain(said)}")
        raise JavaScriptError(said)


@contextmanager
def session(
    engine: Engine, host: Host, artifact: Path, signature: Signature, *, threads: int, beside: Sequence[str] = ()
) -> Iterator[Session]:
    """Load an artifact in a driver, which is gone when the context is left; `beside` names further files of it.

    Raises `Unavailable` without the environment, Node or (for that host) a browser.
    """
    root, entry = (artifact, "model.json") if artifact.is_dir() else (artifact.parent, artifact.name)
    with TemporaryDirectory(prefix="web-", ignore_cleanup_errors=True) as home:
        settings = {
            "engine": engine,
            "artifact": str(root.resolve()),
            "entry": entry,
            "beside": list(beside),
            "outputs": [spec.name for spec in signature.outputs],
            "threads": threads,
            "environment": _environment(),
            **({"browser": _browser(Path(home))} if host == "chromium" else {}),
        }
        driver = Path(str(resources.files("exports.web"))) / "driver.mjs"
        with _started([find("Node.js"), str(driver), json.dumps(settings)], home) as process:
            yield WebSession(process, artifact, signature)


@contextmanager
def tfjs_session(host: Host, artifact: Path, signature: Signature, threads: int) -> Iterator[Session]:
    """Load a graph model in a driver; inputs go in as the types that TensorFlow.js has for theirs.

    https://github.com/tensorflow/tfjs/blob/master/tfjs-converter/src/operations/operation_mapper.ts, `parseDtypeParam`
    """
    with session("tfjs", host, artifact, signature, threads=threads) as opened:
        yield _Narrowed(cast("WebSession", opened))


class _Narrowed:
    """A session of TensorFlow.js, which computes in 32-bit floats and integers."""

    def __init__(self, inner: WebSession) -> None:
        self._inner = inner
        self.inner_seconds = inner.inner_seconds

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """Compute one batch; raises `Unsupported` for integers that do not fit."""
        return self._inner({name: _narrowed(name, array) for name, array in inputs.items()})


def _narrowed(name: str, array: Array) -> Array:
    kind = array.dtype.kind
    if array.dtype.name in _NARROW or kind not in "fiu":
        return array
    if kind == "f":
        return array.astype(np.float32)
    narrow = array.astype(np.int32)
    if not np.array_equal(narrow, array):
        raise Unsupported(f"TensorFlow.js has no integers of more than 32 bits: '{name}' holds larger ones")
    return narrow


def onnx_session(host: Host, artifact: Path, signature: Signature, threads: int) -> AbstractContextManager[Session]:
    """Load an ONNX file in a driver, with the files beside it that it names: the engine cannot read them itself.

    Raises `Unsupported` for a file that Node cannot read whole.
    """
    try:
        beside = onnx.locations(artifact)
    except ValueError:
        beside = []  # what cannot be read here is for the engine to judge
    for path in (artifact, *(artifact.parent / name for name in beside)):
        if path.is_file() and path.stat().st_size > _LARGEST_BYTES:
            said = f"'{shown(path.name)}' has {path.stat().st_size / 1e9:.3g} GB, and a file of more than 2 GB"
            raise Unsupported(f"{said} cannot be given to a page", remedy="a lower precision, or more than one file")
    return session("onnxruntime-web", host, artifact, signature, threads=threads, beside=beside)


def _environment() -> str:
    folder = os.environ.get(environments.VARIABLE)
    if folder is None:
        raise Unavailable(f"the environment '{ENVIRONMENT}' is not set", remedy="fweval fetch --environments")
    return folder


def _browser(home: Path) -> dict[str, Any]:
    """Return how the browser is started: nothing of the person's own, no network but the loopback interface."""
    flags = ["--disable-gpu", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")  # Chromium refuses to start as root with it
    return {"executablePath": find("Chromium"), "userDataDir": str(home / "profile"), "args": flags}


@contextmanager
def _started(command: list[str], home: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command,
        env={**os.environ, **dict.fromkeys(_HOMES, home)},  # a browser writes into all of them
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=processes.die_with_parent,  # noqa: PLW1509  # one system call, no lock is taken
    )
    with process:
        try:
            yield process
        finally:
            with suppress(BrokenPipeError):
                cast("IO[bytes]", process.stdin).close()  # the driver ends with it, and ends its browser
            try:
                process.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _arrays(header: Mapping[str, Any], data: bytes) -> Arrays:
    found, start = {}, 0
    for tensor in header["tensors"]:
        dtype, shape = np.dtype(tensor["dtype"]), tuple(tensor["shape"])
        end = start + prod(shape) * dtype.itemsize
        found[tensor["name"]] = np.frombuffer(data[start:end], dtype).reshape(shape)
        start = end
    return found
