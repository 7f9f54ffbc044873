"""What tests/integration/test_tpu.py asks of small networks, in a process of its own in the environment `tpu`.

python tpu_child.py FRAMEWORK TOLD: the states of their programs, and the operators that do not lower, go to TOLD.
"""

import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from evaluator.core.tpu import ProgramName
from evaluator.stages._tpu import Lowering, Shape, Target, compiled

FEATURES, CLASSES, ROWS = 8, 4, 5


def in_torch() -> dict[str, Any]:
    """Return networks by name: one with dropout, one of which three operators have no way."""
    import torch
    from torch import nn

    class Selecting(nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.dense = nn.Linear(FEATURES, 16)
            self.bag = nn.EmbeddingBag(16, CLASSES)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = torch.relu(self.dense(x))
            scores = self.bag((y > 0.5).long()) + torch.special.airy_ai(y)[:, :CLASSES]
            return scores + 0 * torch.nonzero(y > 1.0).float().sum()

    usual = nn.Sequential(nn.Linear(FEATURES, 16), nn.BatchNorm1d(16), nn.Dropout(0.1), nn.Linear(16, CLASSES))
    return {"usual": Named(usual), "selecting": Selecting()}


def Named(inner: Any) -> Any:  # noqa: N802  # it stands for a class
    """Return a module that takes `x` by its name."""
    from torch import nn

    class Taking(nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Any) -> Any:
            return self.inner(x)

    return Taking()


def in_keras() -> dict[str, Any]:
    """Return networks by name: one with dropout, one that writes numbers as text."""
    import keras
    import tensorflow as tf
    from keras import layers

    class Writing(layers.Layer):  # type: ignore[misc]  # keras is untyped here
        def call(self, x: Any) -> Any:
            return x + 0 * tf.cast(tf.strings.length(tf.strings.as_string(x)), tf.float32)

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    def network(*parts: Any) -> Any:
        x = y = keras.Input((FEATURES,), name="x")
        for part in parts:
            y = part(y)
        return keras.Model({"x": x}, {"logits": y})

    usual = network(layers.Dense(16), layers.BatchNormalization(), layers.Dropout(0.1), layers.Dense(CLASSES))
    return {"usual": usual, "selecting": network(layers.Dense(CLASSES), Writing())}


def lowering(framework: str, network: Any) -> Lowering:
    if framework == "pytorch":
        from evaluator.stages._tpu_pytorch import TorchLowering

        return TorchLowering(network)
    from evaluator.stages._tpu_tensorflow import KerasLowering

    return KerasLowering(network)


def main(framework: str, told: Path) -> None:
    target = Target()
    inputs = {"x": Shape(sizes=(ROWS, FEATURES), dtype="float32")}
    programs: tuple[ProgramName, ...] = ("training", "inference")
    found: dict[str, Any] = {"target": target.title}
    for name, network in (in_torch() if framework == "pytorch" else in_keras()).items():
        way = lowering(framework, network)
        for program in programs:
            found[f"{name} {program}"] = msgspec.to_builtins(compiled(way, program, inputs, target).program)
    told.write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
