"""ONNX Runtime Web in a headless Chromium: an ONNX file in a web page, by WebAssembly with SIMD and threads.

The page is isolated (COOP and COEP), without which browsers allow no threads. CPU only.
Documentation: https://onnxruntime.ai/docs/tutorials/web/
"""

from contextlib import AbstractContextManager
from pathlib import Path

from evaluator.core.records import Signature
from exports.contract import Runtime, Session
from exports.runtimes import _web


class OrtWebChromium(Runtime):
    """Loads ONNX files with the package onnxruntime-web, execution provider `wasm`."""

    name = "ort_web_chromium"
    title = "ONNX Runtime Web (Chromium)"
    formats = ("onnx",)
    devices = ("cpu",)
    distributions = ("onnx",)  # reads which files lie beside the model
    environment = _web.ENVIRONMENT
    browser = True
    standard = False
    in_turns = False
    module = "exports.runtimes._web"

    def load(
        self, artifact: Path, signature: Signature, *, device: str, threads: int
    ) -> AbstractContextManager[Session]:
        """Open a page and load the file; `Unavailable` without a browser, `Unsupported` for an unknown operator."""
        return _web.onnx_session("chromium", artifact, signature, threads)


plugin = OrtWebChromium()
