"""tflite-runtime: the small stand-alone TFLite interpreter that devices in the field have (2.14, its last version).

It refuses operators that are newer than itself. CPU only (XNNPACK kernels). Its last wheels are for Python 3.11 and
numpy 1: it runs in an environment of its own.
Documentation: https://ai.google.dev/edge/litert/microcontrollers/python
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evaluator.core.records import Signature
from exports.contract import Runtime, Session
from exports.runtimes import _tflite


class TFLiteRuntime(Runtime):
    """Loads TFLite files with the interpreter of the `tflite-runtime` package."""

    name = "tflite_runtime"
    title = "tflite-runtime"
    formats = ("tflite",)
    devices = ("cpu", "arm64")
    distributions = ()
    environment = "tflite_runtime"
    module = "tflite_runtime.interpreter"
    edge = True
    carried = "796 kB in TensorFlow Lite for Android on 32-bit ARM, https://ai.google.dev/edge/litert/models/ops_select"

    @contextmanager
    def load(self, artifact: Path, signature: Signature, *, device: str, threads: int) -> Iterator[Session]:
        """Open the file in an interpreter; raises `Unsupported` for an operator (version) it does not know."""
        from tflite_runtime.interpreter import Interpreter

        yield _tflite.session(Interpreter, artifact, signature, threads)

    def placement(self, artifact: Path) -> dict[str, int]:
        """Count what XNNPACK takes over, with the batch size that the file comes with."""
        from tflite_runtime.interpreter import Interpreter

        return _tflite.placement(Interpreter, artifact)


plugin = TFLiteRuntime()
