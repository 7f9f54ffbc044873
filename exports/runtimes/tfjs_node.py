"""TensorFlow.js in Node: the WebAssembly backend that web pages use, on a server's JavaScript engine.

One thread: the backend has more in pages only. It has fewer kernels than TensorFlow.js knows operators.
Documentation: https://github.com/tensorflow/tfjs/tree/master/tfjs-backend-wasm
"""

from contextlib import AbstractContextManager
from pathlib import Path

from evaluator.core.records import Signature
from exports.contract import Runtime, Session
from exports.runtimes import _web


class TfjsNode(Runtime):
    """Loads graph models with the package @tensorflow/tfjs-converter, backend `wasm`."""

    name = "tfjs_node"
    title = "TensorFlow.js (Node)"
    formats = ("tfjs",)
    devices = ("cpu",)
    distributions = ()
    environment = _web.ENVIRONMENT
    browser = True
    standard = False
    in_turns = False
    module = "exports.runtimes._web"

    def load(
        self, artifact: Path, signature: Signature, *, device: str, threads: int
    ) -> AbstractContextManager[Session]:
        """Start Node and load the folder; `Unavailable` without Node, `Unsupported` for an operator it does not know.

        That there is no kernel shows only when the session computes for the first time.
        """
        return _web.tfjs_session("node", artifact, signature, threads)


plugin = TfjsNode()
