"""TensorFlow.js in a headless Chromium: a graph model in a web page, by WebAssembly with SIMD and threads.

The page is isolated (COOP and COEP), without which browsers allow no threads. CPU only: what a page computes on a GPU
says more about the GPU.
Documentation: https://github.com/tensorflow/tfjs/tree/master/tfjs-backend-wasm
"""

from contextlib import AbstractContextManager
from pathlib import Path

from evaluator.core.records import Signature
from exports.contract import Runtime, Session
from exports.runtimes import _web


class TfjsChromium(Runtime):
    """Loads graph models with the package @tensorflow/tfjs-converter, backend `wasm`."""

    name = "tfjs_chromium"
    title = "TensorFlow.js (Chromium)"
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
        """Open a page and load the folder; `Unavailable` without a browser, `Unsupported` for an unknown operator.

        That there is no kernel shows only when the session computes for the first time.
        """
        return _web.tfjs_session("chromium", artifact, signature, threads)


plugin = TfjsChromium()
