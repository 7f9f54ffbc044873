"""What tests/integration/test_coreml.py looks at, made in a process of its own, one for each framework.

python coreml_child.py FOLDER FRAMEWORK

Three networks go to FOLDER/MODEL/PRECISION: the scenario tiny's, one with two inputs, and one with two outputs of
several types. FOLDER/told.json says how far what the reference computes is off, by batch size.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from evaluator.core import registry
from evaluator.core.records import Signature, TensorSpec
from evaluator.core.tensors import Arrays, rows
from exports.contract import Exporter, Origin, Runtime
from tests.integration import exports_child

EXPORTERS = {"pytorch": "coreml_torch", "tensorflow": "coreml_keras"}
PRECISIONS = ("fp32", "fp16", "int8_dynamic")
BATCHES = (1, 8, 3)
ROWS = 8
FEATURES = 6


def tiny(framework: str) -> tuple[Any, Signature]:
    model = registry.load("model", "tiny")
    settings = model.Settings()
    network = model.build_torch(settings).eval() if framework == "pytorch" else model.build_tensorflow(settings)
    return network, model.signature(settings, framework)


def pair(framework: str) -> tuple[Any, Signature]:
    """Return a network with two outputs, none of which is called as outputs usually are; PyTorch's has one of int64."""
    gives = {"pytorch": "int64", "tensorflow": "float32"}[framework]
    signature = Signature(
        inputs=(TensorSpec(name="x", dtype="float32", shape=(None, FEATURES)),),
        outputs=(
            TensorSpec(name="boxes", dtype="float32", shape=(None, 4)),
            TensorSpec(name="best", dtype=gives, shape=(None,)),
        ),
    )
    return (pair_in_torch() if framework == "pytorch" else pair_in_keras()), signature


def pair_in_torch() -> Any:
    import torch
    from torch import nn

    class Pair(nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(FEATURES, 32)
            self.norm = nn.GroupNorm(4, 32)
            self.boxes = nn.Linear(32, 4)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            hidden = nn.functional.gelu(self.norm(self.inner(x)))
            return {"best": hidden.argmax(-1), "boxes": self.boxes(hidden)}

    return Pair().eval()


def pair_in_keras() -> Any:
    import keras
    from keras import layers

    x = keras.Input((FEATURES,), name="x")
    hidden = layers.Activation("gelu")(layers.LayerNormalization()(layers.Dense(32)(x)))
    best = keras.ops.max(hidden, -1)  # Keras's argmax is made of an operator that coremltools does not know
    return keras.Model(x, {"best": best, "boxes": layers.Dense(4)(hidden)})


def golden(framework: str, network: Any, signature: Signature, inputs: Arrays) -> Arrays:
    names = [spec.name for spec in signature.outputs]
    if framework == "pytorch":
        import torch

        with torch.no_grad():
            found = network(*[torch.from_numpy(inputs[spec.name]) for spec in signature.inputs])
    else:
        import keras

        found = network(keras.tree.map_structure(lambda each: inputs[each.name], network.input), training=False)
    outputs = found if isinstance(found, dict) else {names[0]: found}
    return {name: np.asarray(outputs[name]) for name in names}


def off(found: Any, expected: Any) -> float:
    return float(np.abs(found.astype(np.float64) - expected).max() / np.abs(expected).max())


def build(model: str, framework: str) -> tuple[Origin, Arrays, Arrays]:
    if model == "text":
        origin, logits = exports_child.build(model, framework)
        return origin, exports_child.inputs_of(origin.signature), {"logits": logits}
    network, signature = {"tiny": tiny, "pair": pair}[model](framework)
    random = np.random.default_rng(7)
    inputs: Arrays = {
        spec.name: random.standard_normal((ROWS, *(size or 0 for size in spec.shape[1:])), dtype=np.float32)
        for spec in signature.inputs
    }
    origin = Origin(
        framework=framework,
        model=network,
        signature=signature,
        example=rows(inputs, 0, 2),
        calibration=inputs,
        counterpart=lambda: origin,
    )
    return origin, inputs, golden(framework, network, signature, inputs)


def main(folder: Path, framework: str) -> None:
    exporter: Exporter = registry.load("exporter", EXPORTERS[framework])
    runtime: Runtime = registry.load("runtime", "coreml_reference")
    told: dict[str, dict[str, list[float]]] = {}
    for model in ("tiny", "text", "pair"):
        origin, inputs, expected = build(model, framework)
        for precision in PRECISIONS:
            place = folder / model / precision
            place.mkdir(parents=True)
            artifact = exporter.export(origin, precision, place)
            found: dict[str, list[float]] = {name: [] for name in expected}
            with runtime.load(artifact, origin.signature, device="cpu", threads=1) as session:
                for size in BATCHES:
                    outputs = session(rows(inputs, 0, size))
                    for spec in origin.signature.outputs:
                        assert outputs[spec.name].dtype == spec.dtype
                        found[spec.name].append(off(outputs[spec.name], expected[spec.name][:size]))
            told[f"{model} {precision}"] = found
    (folder / "told.json").write_text(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
