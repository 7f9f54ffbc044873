"""Two small networks in training, with differences planted on purpose: `equivalence_child.py FRAMEWORK FOLDER`.

PyTorch leaves its traces in FOLDER and compares its own variants with them; TensorFlow, later, compares what it does
with PyTorch's. Both write FRAMEWORK.json: case -> what the comparison says. The networks are defined like the product's
models: once in each framework, layers named alike.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import msgspec
import numpy as np

from evaluator.core import registry
from evaluator.core.tensors import Array, Arrays, read_arrays, write_arrays
from evaluator.measure import parity
from evaluator.measure.parity import Reference
from evaluator.stages import _first_steps as first_steps
from evaluator.stages._evidence import Assignment
from evaluator.stages._first_steps import PLACES, Start
from scenarios.contract import OUTPUT, OurTrainer, TrainSettings
from scenarios.weights import read_weights, write_weights

SIDE, CHANNELS, CLASSES = 10, 3, 5
WORDS, LENGTH, WIDTH = 40, 12, 16  # of so few words each is in a batch several times
TRAIN = TrainSettings(optimizer="adamw", learning_rate=1e-3, batch_size=16, weight_decay=0.01)
NETWORKS = ("images", "text")


@dataclass(frozen=True, kw_only=True)
class Build:
    """What a network is built with: as PyTorch has it by default, or with a difference."""

    approximate_gelu: bool = False
    momentum: float = 0.9  # as Keras counts it
    epsilon: float = 1e-5
    even_padding: bool = True  # on both sides, as PyTorch pads
    dropout: float = 0.0
    frozen: str = ""  # a layer


@dataclass(frozen=True, kw_only=True)
class Planted:
    """One difference: in the network, in what it is given, or in the step."""

    network: str = "images"
    build: Build = Build()
    train: TrainSettings = TRAIN
    options: Mapping[str, Any] = field(default_factory=dict)  # of the framework's `trainer`
    order: tuple[int, ...] = (0, 1, 2, 3)  # of the batches
    changed: str = ""  # a weight of which one number is another
    patch: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
    precision: str = "fp32"
    policy: str = ""  # of Keras, while the network is built


def batches(network: str, framework: str) -> list[tuple[Arrays, Array]]:
    generator = np.random.default_rng(3)
    found = []
    for _ in range(first_steps.COUNT):
        labels = generator.integers(0, CLASSES, TRAIN.batch_size)
        if network == "images":
            image = generator.standard_normal((TRAIN.batch_size, SIDE, SIDE, CHANNELS), np.float32)
            image += (labels / CLASSES).astype(np.float32)[:, None, None, None]
            given: Arrays = {
                "image": image if framework == "tensorflow" else np.ascontiguousarray(image.transpose(0, 3, 1, 2))
            }
        else:
            given = {"tokens": generator.integers(0, WORDS, (TRAIN.batch_size, LENGTH))}
        found.append((given, cast("Array", labels)))
    return found


def torch_network(name: str, build: Build) -> Any:
    import torch
    from torch import nn

    class Images(nn.Module):  # type: ignore[misc]  # torch is untyped here
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(CHANNELS, 8, 3, padding=1, bias=False)
            self.bn1 = nn.BatchNorm2d(8)
            self.conv2 = nn.Conv2d(8, 16, 3, 2, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(16)
            self.gelu = nn.GELU()
            self.fc = nn.Linear(16, CLASSES)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            x = self.gelu(self.bn1(self.conv1(image)))
            x = self.gelu(self.bn2(self.conv2(x)))
            return self.fc(x.mean(dim=(2, 3)))

    class Text(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(WORDS, WIDTH)
            self.hidden = nn.Linear(WIDTH, 32)
            self.gelu = nn.GELU()
            self.fc = nn.Linear(32, CLASSES)

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.fc(self.gelu(self.hidden(self.embedding(tokens))).mean(dim=1))

    return (Images() if name == "images" else Text()).eval()


def keras_network(name: str, build: Build) -> Any:
    import keras
    from keras import layers

    def gelu(x: Any) -> Any:
        return keras.activations.gelu(x, approximate=build.approximate_gelu)

    def normalised(x: Any, called: str) -> Any:
        return layers.BatchNormalization(momentum=build.momentum, epsilon=build.epsilon, name=called)(x)

    if name == "images":
        given = keras.Input((SIDE, SIDE, CHANNELS), name="image")
        x = layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv1")(given)
        x = gelu(normalised(x, "bn1"))
        if build.even_padding:
            x = layers.ZeroPadding2D(1)(x)
        padding = "valid" if build.even_padding else "same"
        x = layers.Conv2D(16, 3, 2, padding=padding, use_bias=False, name="conv2")(x)
        x = layers.GlobalAveragePooling2D()(gelu(normalised(x, "bn2")))
    else:
        given = keras.Input((LENGTH,), name="tokens", dtype="int64")
        x = layers.Embedding(WORDS, WIDTH, name="embedding")(given)
        x = layers.GlobalAveragePooling1D()(gelu(layers.Dense(32, name="hidden")(x)))
    if build.dropout:
        x = layers.Dropout(build.dropout)(x)
    network = keras.Model({given.name: given}, {OUTPUT: layers.Dense(CLASSES, name="fc")(x)})
    if build.frozen:
        network.get_layer(build.frozen).trainable = False
    return network


def start(framework: Any, planted: Planted, weights: Arrays | None) -> Start:
    with _policy(planted.policy):
        make = torch_network if framework.name == "pytorch" else keras_network
        network = make(planted.network, planted.build)
    trainer: OurTrainer = framework.trainer(network, planted.train, "cpu", **planted.options)
    outputs = [SimpleNamespace(name=OUTPUT)]
    about = SimpleNamespace(
        framework=framework,
        device=registry.load("device", "cpu"),
        signature=SimpleNamespace(outputs=outputs),
        scenario=SimpleNamespace(training=planted.train),
        seed=0,
    )
    own = weights or framework.read_weights(network)
    return Start(about=cast("Assignment", about), network=network, trainer=trainer, weights=own)


@contextlib.contextmanager
def _policy(name: str) -> Iterator[None]:
    if not name:
        yield
        return
    import keras

    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(usual)


def trace(
    framework: Any,
    planted: Planted,
    folder: Path,
    *,
    repeats: tuple[str, ...] = (),
    against: Reference | None = None,
) -> dict[str, Any]:
    """Return the trace of a case, under "trace", and for each precision asked for what rounding does to it.

    Where it is compared with a reference, "said" is what comes of it: its own noise counts, where it was looked at.
    """
    weights, places = _begun(folder, planted.network)
    if planted.changed:
        weights = {**weights, planted.changed: weights[planted.changed].copy()}
        weights[planted.changed].reshape(-1)[0] *= 1.01
    given = batches(planted.network, framework.name)
    given = [given[number] for number in planted.order]
    with planted.patch():
        at = start(framework, planted, weights)
        found: dict[str, Any] = {"trace": at.traced(weights, given, places)[0]}
        for precision in repeats:
            again = [at.traced(weights, given, places)[0]]
            again += at.nudged(range(first_steps.NUDGES), precision, given, places)
            found[precision] = parity.referred(found["trace"], again, precision)
        if against is not None:
            own = found[planted.precision].noise if planted.precision in found else {}
            with_own = parity.joined(against, own)
            found["said"] = told(at.compared(with_own, found["trace"], given, places, planted.precision))
    return found


def _begun(folder: Path, network: str) -> tuple[Arrays, dict[str, Any]]:
    return read_weights(folder / f"{network}.safetensors"), read_arrays(folder / network / PLACES)


def told(said: parity.Parity) -> dict[str, Any]:
    return {
        "breach": said.breach,
        "worst": {part: said.worst(part) for part in parity.PARTS},
        "rows": said.rows,
        "blind": said.blind,
    }


# PyTorch ------------------------------------------------------------------------------------------------------------

IN_PYTORCH: Mapping[str, Planted] = {
    "fused": Planted(options={"fused": True}),
    "fused text": Planted(network="text", options={"fused": True}),
    "channels last": Planted(options={"channels_last": True}),
    "autocast": Planted(options={"autocast": "bfloat16"}, precision="bfloat16"),
    "autocast text": Planted(network="text", options={"autocast": "bfloat16"}, precision="bfloat16"),
    "autocast, taken for fp32": Planted(options={"autocast": "bfloat16"}),
    "autocast text, taken for fp32": Planted(network="text", options={"autocast": "bfloat16"}),
    "learning rate": Planted(options={"fused": True}, train=msgspec.structs.replace(TRAIN, learning_rate=1.01e-3)),
    "autocast, learning rate": Planted(
        options={"autocast": "bfloat16"},
        precision="bfloat16",
        train=msgspec.structs.replace(TRAIN, learning_rate=1.1e-3),
    ),
    "compiled": Planted(options={"compiled": "default"}),
}


def in_pytorch(framework: Any, folder: Path, names: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    if not names:  # the references first
        for network in NETWORKS:
            framework.prepare(threads=2, seed=5, device="cpu")
            at = start(framework, Planted(network=network), None)
            write_weights(folder / f"{network}.safetensors", at.weights)
            (folder / network).mkdir()
            _, places = at.traced(at.weights, batches(network, framework.name), None)
            write_arrays(folder / network / PLACES, dict(places))
            found = trace(framework, Planted(network=network), folder, repeats=("fp32", "bfloat16"))
            for precision in ("fp32", "bfloat16"):
                first_steps.write_reference(folder / network, precision, found[precision])
    for name in names or [each for each in IN_PYTORCH if each != "compiled"]:
        planted = IN_PYTORCH[name]
        reference = first_steps.read_reference(folder / planted.network, planted.precision)
        assert reference is not None
        yield name, trace(framework, planted, folder, against=reference)["said"]


# TensorFlow ---------------------------------------------------------------------------------------------------------


def smoothed() -> Any:
    """Smooth the labels by a tenth."""
    import tensorflow as tf

    def loss(labels: Any, logits: Any) -> Any:
        targets = tf.one_hot(labels, CLASSES) * 0.9 + 0.1 / CLASSES
        return tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=logits)

    return mock.patch.object(tf.nn, "sparse_softmax_cross_entropy_with_logits", loss)


def own_epsilon() -> Any:
    """Leave Adam's epsilon as Keras has it by default."""
    from scenarios.frameworks import _tensorflow_training

    return mock.patch.object(_tensorflow_training, "_EPSILON", 1e-7)


def coupled_decay() -> Any:
    """Add the decayed weights to their gradients, as Adam with L2 does."""
    import keras

    class Coupled(keras.optimizers.Adam):  # type: ignore[misc]  # keras is untyped here
        def __init__(self, rate: float, weight_decay: float, epsilon: float) -> None:
            super().__init__(rate, epsilon=epsilon)
            self.by = weight_decay

        def apply_gradients(self, pairs: Any, **options: Any) -> Any:
            return super().apply_gradients([(each + self.by * variable, variable) for each, variable in pairs])

    return mock.patch.object(keras.optimizers, "AdamW", Coupled)


def slices_apart() -> Any:
    """Hand the gradient of an embedding to Keras' optimizer as TensorFlow gives it: a slice for each use of a word."""
    import tensorflow as tf

    usual = tf.convert_to_tensor

    def convert(value: Any, *arguments: Any, **options: Any) -> Any:
        return value if isinstance(value, tf.IndexedSlices) else usual(value, *arguments, **options)

    return mock.patch.object(tf, "convert_to_tensor", convert)


IN_TENSORFLOW: Mapping[str, Planted] = {
    "honest images": Planted(),
    "honest text": Planted(network="text"),
    "gelu": Planted(build=Build(approximate_gelu=True)),
    "batch norm's momentum": Planted(build=Build(momentum=0.99)),
    "batch norm's epsilon": Planted(build=Build(epsilon=1e-3)),
    "padding": Planted(build=Build(even_padding=False)),
    "shuffled": Planted(order=(2, 0, 3, 1)),
    "shuffled later": Planted(order=(0, 1, 3, 2)),
    "one weight": Planted(changed="fc.weight"),
    "one weight of a word": Planted(network="text", changed="embedding.weight"),
    "Adam's epsilon": Planted(patch=own_epsilon),
    "frozen": Planted(build=Build(frozen="fc")),
    "no decay": Planted(train=msgspec.structs.replace(TRAIN, weight_decay=0.0)),
    "coupled decay": Planted(patch=coupled_decay),
    "label smoothing": Planted(network="text", patch=smoothed),
    "dropout": Planted(build=Build(dropout=0.1)),
    "dropout text": Planted(network="text", build=Build(dropout=0.1)),
    "slices": Planted(network="text", patch=slices_apart),
}
TENSORFLOW_VARIANTS: Mapping[str, Planted] = {
    "xla": Planted(options={"jit_compile": True}),
    "eager": Planted(options={"eagerly": True}),
    "fit": Planted(options={"fit": True}),
    "fit text": Planted(network="text", options={"fit": True}),
    "mixed": Planted(policy="mixed_bfloat16", precision="bfloat16"),
    "mixed text": Planted(network="text", policy="mixed_bfloat16", precision="bfloat16"),
    "mixed, taken for fp32": Planted(policy="mixed_bfloat16"),
    **{
        f"mixed, {name}": replace(IN_TENSORFLOW[name], policy="mixed_bfloat16", precision="bfloat16")
        for name in ("label smoothing", "frozen", "batch norm's momentum", "slices")
    },
}


def in_tensorflow(framework: Any, folder: Path, names: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    framework.prepare(threads=2, seed=5, device="cpu")
    own: dict[str, dict[str, Any]] = {}
    for name, planted in IN_TENSORFLOW.items():
        precisions = ("fp32", "bfloat16") if name.startswith("honest") else ("fp32",)
        reference = first_steps.read_reference(folder / planted.network, "fp32")
        found = trace(framework, planted, folder, repeats=precisions, against=reference)
        own.setdefault(planted.network, found)
        yield name, {**found["said"], "undecidable": parity.undecidable(found["fp32"])}
    for name, planted in TENSORFLOW_VARIANTS.items():
        reference = own[planted.network][planted.precision]
        yield name, trace(framework, planted, folder, against=reference)["said"]


def main(name: str, folder: str, *names: str) -> None:
    framework = registry.load("framework", name)
    framework.prepare(threads=2, seed=5, device="cpu")
    cases = {"pytorch": in_pytorch, "tensorflow": in_tensorflow}[name]
    found = dict(cases(framework, Path(folder), list(names)))
    (Path(folder) / f"{'-'.join((name, *names))}.json").write_bytes(msgspec.json.encode(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
