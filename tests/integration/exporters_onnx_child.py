"""Every exporter of one framework to ONNX at every precision, and what ONNX Runtime computes from its files.

python exporters_onnx_child.py FRAMEWORK FOLDER    prints one JSON object: "EXPORTER MODEL PRECISION" -> its figures
"""

import sys
from pathlib import Path
from typing import Any

from evaluator.core import registry
from evaluator.core.records import PRECISIONS
from evaluator.measure import fidelity
from exports.contract import Exporter
from tests.integration.exports_child import build, inputs_of, tell

# The slow one gets one model: nothing of the other is different in it.
MODELS = {"onnx_torch_export": ("text",)}


def main(framework: str, folder: Path) -> None:
    form, runtime = registry.load("format", "onnx"), registry.load("runtime", "onnx_runtime")
    every: tuple[Exporter, ...] = registry.load_all("exporter")
    told: dict[str, Any] = {}
    for exporter in every:
        if (exporter.origin, exporter.format, exporter.route) != (framework, "onnx", "native"):
            continue
        for model in MODELS.get(exporter.name, ("cnn", "text")):
            origin, golden = build(model, framework)
            inputs = inputs_of(origin.signature)
            for precision in (each for each in PRECISIONS if each not in exporter.cannot):
                place = folder / f"{exporter.name} {model} {precision}"
                place.mkdir()
                try:
                    path = exporter.export(origin, precision, place)
                except ValueError as error:
                    told[place.name] = str(error)
                    continue
                assert sorted(place.iterdir()) == [path]
                with runtime.load(path, origin.signature, device="cpu", threads=1) as session:
                    outputs = session(inputs)
                found = fidelity.compare({"logits": golden}, outputs, 1.0)
                told[place.name] = [found.max_rel, found.cosine, form.anatomy(path).weights]
    tell(**told)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
