"""What tests/integration/test_web.py needs a framework, or a process that may be killed, for.

python web_child.py tfjs FOLDER      two small Keras models at every precision, as FOLDER/PRECISION/MODEL
python web_child.py onnx FOLDER      two small PyTorch models, as FOLDER/fp32/MODEL
python web_child.py hold ARTIFACT    say "ready" with a browser open, and stay
"""

import sys
import time
from pathlib import Path

import msgspec

from evaluator.core import registry
from evaluator.core.records import PRECISIONS, Signature
from evaluator.core.tensors import write_arrays
from tests.integration.exports_child import build, inputs_of

EXPORTERS = {"tfjs": "tfjs", "onnx": "onnx_torch_export"}


def export(form: str, folder: Path) -> None:
    exporter = registry.load("exporter", EXPORTERS[form])
    precisions = [each for each in PRECISIONS if each not in exporter.cannot] if form == "tfjs" else ["fp32"]
    for model in ("cnn", "text"):
        origin, golden = build(model, exporter.origin)
        for precision in precisions:
            place = folder / precision / model
            (place / "artifact").mkdir(parents=True)
            exporter.export(origin, precision, place / "artifact")
            write_arrays(place / "inputs.npz", inputs_of(origin.signature))
            write_arrays(place / "golden.npz", {"logits": golden})
            (place / "signature.json").write_bytes(msgspec.json.encode(origin.signature))


def hold(artifact: Path) -> None:
    runtime = registry.load("runtime", "ort_web_chromium")
    with runtime.load(artifact, Signature(inputs=(), outputs=()), device="cpu", threads=1):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        time.sleep(600)


if __name__ == "__main__":
    command, place = sys.argv[1:]
    if command == "hold":
        hold(Path(place))
    else:
        export(command, Path(place))
