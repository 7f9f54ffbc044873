"""ONNX Runtime Web in Node: the WebAssembly build that web pages use, on a server's JavaScript engine.

What a page computes can be tried with it where there is no browser. CPU only.
Documentation: https://onnxruntime.ai/docs/tutorials/web/
"""

from contextlib import AbstractContextManager
from pathlib import Path

from evaluator.core.records import Signature
from exports.contract import Runtime, Session
from exports.runtimes import _web


class OrtWebNode(Runtime):
    """Loads ONNX files with the package onnxruntime-web, execution provider `wasm`."""

    name = "ort_web_node"
    title = "ONNX Runtime Web (Node)"
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
        """Start Node and load the file; `Unavailable` without Node, `Unsupported` for an operator it does not know."""
        return _web.onnx_session("node", artifact, signature, threads)


plugin = OrtWebNode()
