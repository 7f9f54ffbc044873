"""Networks of every kind, stored, rebuilt in the same process and compared: `python weights_child.py FRAMEWORK`.

Prints one line of JSON: what became of each network. One framework in one process.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from evaluator.core import registry
from evaluator.core.tensors import Arrays
from scenarios.contract import Framework
from scenarios.weights import from_keras, require_same, to_keras


def told(raised: Callable[[], Any]) -> str:
    try:
        raised()
    except Exception as error:  # noqa: BLE001  # the test looks at what it is
        return f"{type(error).__name__}: {error}"
    return "nothing was raised"


def keras_networks() -> dict[str, Callable[[], Any]]:
    import keras
    from keras import layers

    def backbone() -> Any:
        image = keras.Input((32, 32, 3), name="image")
        nested = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(32, 32, 3), pooling="avg")
        return keras.Model(image, layers.Dense(10, name="fc")(layers.Dropout(0.2)(nested(image))))

    def sequence() -> Any:
        words = keras.Input((8,), dtype="int32", name="words")
        x = layers.Embedding(20, 12, name="words_of")(words)
        x = layers.SeparableConv1D(12, 3, padding="same", name="separable")(layers.Conv1D(12, 3, name="conv")(x))
        x = x + layers.MultiHeadAttention(2, 6, name="attention")(x, x)
        x = layers.Bidirectional(layers.LSTM(5, return_sequences=True), name="both_ways")(x)
        x = layers.TimeDistributed(layers.Dense(4), name="each")(layers.GRU(3, return_sequences=True)(x))
        return keras.Model(words, layers.Dense(2, name="fc")(layers.GlobalAveragePooling1D()(x)))

    def twins() -> Any:
        def tower(name: str) -> Any:
            return keras.Sequential(
                [keras.Input((4,)), layers.Dense(3, name="same"), layers.PReLU(name="p")], name=name
            )

        given, shared = keras.Input((4,)), layers.Dense(4, name="shared")
        joined = layers.add([tower("left")(shared(given)), tower("right")(shared(shared(given)))])
        return keras.Model(given, layers.Dense(2, name="same", dtype="bfloat16")(joined))

    class Own(keras.Model):  # type: ignore[misc]  # keras is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.towers = [layers.Dense(3, name="same"), layers.Dense(3, name="same")]
            self.scale = self.add_weight(shape=(3,), name="scale")

        def call(self, given: Any) -> Any:
            return self.scale * self.towers[1](self.towers[0](given))

    def subclassed() -> Any:
        network = Own()
        network(np.zeros((1, 4), np.float32))
        return network

    return {"backbone": backbone, "sequence": sequence, "twins": twins, "subclassed": subclassed, "unbuilt": Own}


def keras_report(build: Callable[[], Any]) -> dict[str, Any]:
    import keras

    keras.utils.clear_session()  # names are those of a process of its own
    keras.utils.set_random_seed(1)
    network = build()
    if not network.built:
        return {"refused": told(lambda: from_keras(network))}
    for variable in network.weights:
        variable.assign(np.random.default_rng(len(variable.path)).random(tuple(variable.shape)))
    stored = from_keras(network)
    keras.utils.clear_session()
    again = build()
    to_keras(again, stored)
    pairs = zip(network.weights, again.weights, strict=True)
    return {
        "stored": len(stored),
        "weights": len(network.weights),
        "equal": all(np.array_equal(one.numpy(), other.numpy()) for one, other in pairs),
        "own": sorted({name.split(":", 2)[2].split("/")[0] for name in stored if name.startswith("keras:")}),
        "to_torch": told(lambda: require_same(stored, {name: array.shape for name, array in stored.items()})),
        "from_torch": told(lambda: to_keras(network, {"any.weight": np.zeros(1)})),
    }


def torch_networks() -> dict[str, Callable[[], Any]]:
    import torch
    from torch import nn

    class Language(nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.head = nn.Embedding(20, 6), nn.Linear(6, 20, bias=False)
            self.head.weight = self.embed.weight
            self.block = nn.utils.parametrizations.weight_norm(nn.Linear(6, 6))
            self.lstm, self.norm = nn.LSTM(6, 6), nn.BatchNorm1d(6)
            self.register_buffer("mask", torch.ones(3, dtype=torch.bool))
            self.register_buffer("positions", torch.arange(4), persistent=False)
            self.narrow = nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
            self.halved = nn.Parameter(torch.ones((), dtype=torch.float16))

    class Remembering(nn.Linear):  # type: ignore[misc]  # torch is untyped here
        def get_extra_state(self) -> dict[str, int]:
            return {"calls": 3}

    return {"language": Language, "extra": lambda: nn.Sequential(Remembering(2, 2))}


def torch_report(framework: Framework, build: Callable[[], Any]) -> dict[str, Any]:
    import torch

    torch.manual_seed(1)
    network = build()
    try:
        stored: Arrays = framework.read_weights(network)
    except Exception as error:  # noqa: BLE001  # the test looks at what it is
        return {"refused": f"{type(error).__name__}: {error}"}
    again = build()
    framework.load_weights(again, stored)
    pairs = zip(network.state_dict().items(), again.state_dict().values(), strict=True)
    stored["head.weight"] = stored.pop("embed.weight")
    other_name = build()
    framework.load_weights(other_name, stored)
    return {
        "names": sorted(stored),
        "dtypes": {name: array.dtype.name for name, array in stored.items()},
        "differing": [name for (name, one), other in pairs if not torch.equal(one, other)],
        "tied": bool(torch.equal(other_name.embed.weight, network.head.weight)),
    }


def main(name: str) -> None:
    framework: Framework = registry.load("framework", name)
    framework.prepare(threads=1, seed=1, device="cpu")
    if name == "tensorflow":
        report = {case: keras_report(build) for case, build in keras_networks().items()}
    else:
        report = {case: torch_report(framework, build) for case, build in torch_networks().items()}
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
