"""Operations counted by a framework: `python flops_child.py FRAMEWORK`; prints one line of JSON.

The small networks are the same in both frameworks; what they take is worked out by hand in test_flops.py.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from evaluator.core import registry
from evaluator.core.errors import Unavailable
from evaluator.core.tensors import Arrays
from scenarios import loading
from scenarios.contract import Framework

SCENARIOS: tuple[tuple[str, dict[str, Any], int], ...] = (
    ("tiny", {}, 16),
    ("resnet50", {"image_size": 224}, 1),
    ("bert", {"sequence": 48}, 2),  # a sequence as long as a head is wide would hide a transposed product
)


def floats(*shape: int) -> Arrays:
    return {"x": np.random.default_rng(1).random(shape, dtype=np.float32)}


def torch_networks() -> Iterator[tuple[str, Any, Arrays]]:
    import torch
    from torch import nn

    class Net(nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self, *layers: nn.Module) -> None:
            super().__init__()
            self.layers = nn.Sequential(*layers)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layers(x)

    class Attention(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

        def forward(self, x: torch.Tensor) -> Any:
            return self.attention(x, x, x, need_weights=False)

    class Recurrent(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(8, 4, batch_first=True)

        def forward(self, x: torch.Tensor) -> Any:
            return self.lstm(x)

    convolutions = Net(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(200, 4),
        nn.Unflatten(1, (4, 1, 1)),
        nn.ConvTranspose2d(4, 6, 2),
    )
    yield "convolutions", convolutions, floats(2, 3, 9, 9)
    yield "attention", Attention(), floats(2, 5, 8)
    yield "recurrent", Recurrent(), floats(2, 5, 8)
    yield "none", Net(nn.PReLU()), floats(2, 5)


def keras_networks() -> Iterator[tuple[str, Any, Arrays]]:
    import keras
    from keras import layers

    def model(shape: tuple[int, ...], *stack: Any) -> Any:
        given = x = keras.Input(shape, name="x")
        for layer in stack:
            x = layer(x)
        return keras.Model({"x": given}, {"logits": x})

    convolutions = model(
        (9, 9, 3),
        layers.ZeroPadding2D(1),
        layers.Conv2D(8, 3, 2),
        layers.BatchNormalization(),
        layers.ZeroPadding2D(1),
        layers.DepthwiseConv2D(3),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(4),
        layers.Reshape((1, 1, 4)),
        layers.Conv2DTranspose(6, 2),
    )
    attention = layers.MultiHeadAttention(2, 4)
    yield "convolutions", convolutions, floats(2, 9, 9, 3)
    yield "attention", model((5, 8), lambda x: attention(x, x)), floats(2, 5, 8)
    yield "recurrent", model((5, 8), layers.LSTM(4)), floats(2, 5, 8)
    yield "none", model((5,), layers.PReLU()), floats(2, 5)


def counted(framework: Framework, network: Any, inputs: Arrays) -> list[int | str]:
    found: list[int | str] = []
    for train in (False, True):
        try:
            found.append(framework.flops(network, inputs, "cpu", train=train))
        except Unavailable as why:
            found.append(str(why))
    return found


def main(name: str) -> None:
    framework: Framework = registry.load("framework", name)
    framework.prepare(threads=2, seed=1, device="cpu")
    told: dict[str, Any] = {}
    networks = torch_networks() if name == "pytorch" else keras_networks()
    for about, network, inputs in networks:
        before = framework.read_weights(network)
        told[about] = counted(framework, network, inputs)
        after = framework.read_weights(network)
        told[f"{about} is left as it was"] = all(np.array_equal(before[each], after[each]) for each in before)
    for scenario, overrides, rows in SCENARIOS:
        said = loading.load_scenario(scenario)
        model, _ = loading.model_of(said)
        settings = msgspec.convert({**said.settings, **overrides}, model.Settings)
        network = framework.build(model, settings)
        inputs = {
            spec.name: np.ones((rows, *(side or 1 for side in spec.shape[1:])), spec.dtype)
            for spec in model.signature(settings, name).inputs
        }
        told[" ".join((scenario, *map(str, overrides.values())))] = counted(framework, network, inputs)
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
