"""Where broken artifacts depart from their origins: one framework's part of test_divergence.py, in its own process.

python divergence_child.py FRAMEWORK FOLDER    prints one JSON object: what was broken -> [after, at], or null
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core import registry
from evaluator.core.tensors import rows
from exports.contract import Origin
from exports.diagnosing import drift, intermediates
from exports.diagnosing.divergence import find
from tests.integration.exports_child import build, inputs_of, tell

TOLERANCE = 1e-4
SOUND = "-"
EXPORTERS = {"pytorch": ("onnx_torchscript",), "tensorflow": ("tf2onnx", "keras_tflite")}


def kernels(model: Any) -> dict[str, Any]:
    """Return layer -> its matrix or kernel, as something that can be read and assigned."""
    if hasattr(model, "named_modules"):
        found = {name: getattr(module, "weight", None) for name, module in model.named_modules()}
    else:
        found = {layer.name: layer.weights[0] if layer.weights else None for layer in model.layers}
    return {name: weights for name, weights in found.items() if weights is not None and len(weights.shape) > 1}


def change(weights: Any, values: Any) -> None:
    if hasattr(weights, "data"):
        import torch

        weights.data = torch.from_numpy(values)
    else:
        weights.assign(values)


def drift_of(exporter: Any, origin: Origin, exact: Path, path: Path) -> list[Any] | None:
    inputs = rows(inputs_of(origin.signature), 0, 4)
    right, lowered = (intermediates.trace(exporter.format, each, inputs) for each in (exact, path))
    found = drift.first(right, lowered, least=0.9)
    return None if found is None else [found.after, list(found.nodes)]


def look(origin: Origin, form: str, path: Path) -> list[Any] | None:
    inputs = rows(inputs_of(origin.signature), 0, 4)
    found = find(intermediates.layers(origin, inputs), intermediates.trace(form, path, inputs), TOLERANCE)
    return None if found is None else [found.after, list(found.at)]


def main(framework: str, folder: Path) -> None:
    """Export each model sound, and with the weights of each layer in another order; in floats, and in 8 bits."""
    told: dict[str, Any] = {}
    for model in ("cnn", "text"):
        origin, _ = build(model, framework)
        for exporter in (registry.load("exporter", name) for name in EXPORTERS[framework]):
            for broken in (SOUND, *kernels(origin.model)):
                place = folder / f"{exporter.name} {model} {broken}"
                place.mkdir()
                weights = kernels(origin.model).get(broken)
                kept = None if weights is None else np.array(weights.detach() if framework == "pytorch" else weights)
                if kept is not None:
                    change(weights, np.ascontiguousarray(np.flip(kept)))
                path = exporter.export(origin, "fp32", place)
                (place / "int8").mkdir()
                lowered = exporter.export(origin, "int8", place / "int8")
                if kept is not None:
                    change(weights, kept)
                told[place.name] = look(origin, exporter.format, path)
                sound = folder / f"{exporter.name} {model} {SOUND}" / path.name
                told[f"int8 {place.name}"] = drift_of(exporter, origin, sound, lowered)
    tell(**told)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
