"""LiteRT: the successor of tflite-runtime, under which TFLite files are run from 2024 on.

CPU only here (XNNPACK kernels).
Documentation: https://ai.google.dev/edge/litert
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evaluator.core.records import Signature
from exports.contract import Runtime, Session
from exports.runtimes import _tflite


class LiteRT(Runtime):
    """Loads TFLite files with the interpreter of the `ai-edge-litert` package."""

    name = "ai_edge_litert"
    title = "LiteRT (ai-edge-litert)"
    formats = ("tflite",)
    devices = ("cpu", "arm64")
    distributions = ("ai-edge-litert",)
    module = "ai_edge_litert.interpreter"
    edge = True
    carried = "796 kB in TensorFlow Lite for Android on 32-bit ARM, https://ai.google.dev/edge/litert/models/ops_select"

    @contextmanager
    def load(self, artifact: Path, signature: Signature, *, device: str, threads: int) -> Iterator[Session]:
        """Open the file in an interpreter; raises `Unsupported` for an operator it does not know."""
        from ai_edge_litert.interpreter import Interpreter

        yield _tflite.session(Interpreter, artifact, signature, threads)

    def placement(self, artifact: Path) -> dict[str, int]:
        """Count what XNNPACK takes over, with the batch size that the file comes with."""
        from ai_edge_litert.interpreter import Interpreter

        return _tflite.placement(Interpreter, artifact)


plugin = LiteRT()
