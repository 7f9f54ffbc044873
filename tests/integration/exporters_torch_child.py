"""What tests/integration/test_exporters_torch.py looks at, made in a process of its own.

python exporters_torch_child.py FOLDER EXPORTER:RUNTIME [EXPORTER:RUNTIME…]

Every exporter, at every precision that it has a way to, exports two models to FOLDER/EXPORTER/PRECISION/MODEL, and the
runtime computes with each file in several batch sizes. Errors are written down, not raised.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core import registry
from evaluator.core.records import PRECISIONS
from evaluator.core.tensors import rows
from exports.contract import Exporter, Origin, Runtime
from tests.integration import exports_child

MODELS = ("cnn", "text")


def attempt(exporter: Exporter, runtime: Runtime, precision: str, model: str, folder: Path) -> dict[str, Any]:
    """Export one model and compute with it; return how far it is off, relative to the largest output, by batch size."""
    folder.mkdir(parents=True)
    origin, golden = exports_child.build(model, "pytorch")
    try:
        artifact = exporter.export(origin, precision, folder)
    except Exception as error:  # noqa: BLE001  # the test says which error it expects
        return {"error": f"{type(error).__name__}: {error}"}
    # In half precision ExecuTorch 1.4.1 writes outside of its memory when batch sizes take turns, now and then.
    batches = (2, 2) if (runtime.name, precision) == ("executorch", "fp16") else exports_child.BATCHES
    return {"artifact": str(artifact), "off": compute(runtime, artifact, origin, golden, batches)}


def compute(runtime: Runtime, artifact: Path, origin: Origin, golden: Any, batches: tuple[int, ...]) -> list[float]:
    inputs = exports_child.inputs_of(origin.signature)
    off = []
    with runtime.load(artifact, origin.signature, device="cpu", threads=1) as session:
        for batch in batches:
            start = exports_child.ROWS - batch
            outputs = session(rows(inputs, start, exports_child.ROWS))["logits"]
            off.append(float(np.abs(outputs - golden[start:]).max() / np.abs(golden).max()))
    return off


def main(folder: Path, *pairs: str) -> None:
    for pair in pairs:
        name, _, runtime_name = pair.partition(":")
        exporter: Exporter = registry.load("exporter", name)
        runtime: Runtime = registry.load("runtime", runtime_name)
        found = {
            f"{precision}/{model}": attempt(exporter, runtime, precision, model, folder / name / precision / model)
            for precision in PRECISIONS
            if precision not in exporter.cannot
            for model in MODELS
        }
        (folder / f"{name}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
