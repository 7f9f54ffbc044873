"""A piece of tests/integration/test_arm64.py in a process of its own.

python arm64_child.py export FOLDER                    two small models as TFLite and ONNX, and one that is refused
python arm64_child.py hold RUNTIME FOLDER MARK         load FOLDER's artifact on ARM64, write the file MARK, and wait
"""

import signal
import sys
from pathlib import Path

import msgspec

from evaluator.core import registry
from evaluator.core.records import Signature
from exports.devices import arm64
from tests.integration import exports_child


def export(folder: Path) -> None:
    for exporter in ("keras_tflite", "tf2onnx"):
        exports_child.export(exporter, folder / exporter)
    exports_child.foreign("tflite", folder / "foreign")


def hold(runtime: str, folder: Path, mark: Path) -> None:
    signature = msgspec.json.decode((folder / "signature.json").read_bytes(), type=Signature)
    (artifact,) = (folder / "artifact").iterdir()
    with arm64.plugin.load(registry.load("runtime", runtime), artifact, signature, threads=1):
        mark.touch()
        signal.pause()


if __name__ == "__main__":
    match sys.argv[1:]:
        case "export", folder:
            export(Path(folder))
        case "hold", runtime, folder, mark:
            hold(runtime, Path(folder), Path(mark))
        case _:
            raise SystemExit(__doc__)
