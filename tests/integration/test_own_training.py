"""Models of somebody's own are trained: in both frameworks from the same weights, and by what is built in alone."""

from pathlib import Path

import numpy as np
import pytest

from evaluator.core import files
from evaluator.core.metrics import number
from evaluator.core.outcome import Outcome
from evaluator.core.records import Result
from evaluator.core.store import RunFolder
from evaluator.judging import replay
from tests import commands

pytestmark = pytest.mark.integration

WEIGHTS = """
import numpy as np

_draw = np.random.default_rng(7)
FIRST, SECOND = (_draw.normal(size=size, scale=0.4).astype("float32") for size in ((8, 4), (3, 8)))
"""
TORCH = """
import torch
from weights import FIRST, SECOND

class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = torch.nn.Linear(4, 8), torch.nn.Linear(8, 3)
        with torch.no_grad():
            for layer, values in ((self.first, FIRST), (self.second, SECOND)):
                layer.weight.copy_(torch.tensor(values))
                layer.bias.zero_()

    def forward(self, features):
        return {"scores": self.second(torch.relu(self.first(features)))}

def build():
    return Network()

def make_step(network):
    optimizer = torch.optim.SGD(network.parameters(), lr=0.2)

    def step(features, labels):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(features)["scores"], labels)
        loss.backward()
        optimizer.step()
        return loss

    return step
"""
KERAS = """
import keras
import tensorflow as tf
from weights import FIRST, SECOND

def build():
    features = keras.Input((4,), name="features")
    first, second = keras.layers.Dense(8, activation="relu"), keras.layers.Dense(3)
    model = keras.Model(features, {"scores": second(first(features))})
    for layer, values in ((first, FIRST), (second, SECOND)):
        layer.set_weights([values.T, layer.get_weights()[1] * 0])
    return model

def make_step(network):
    optimizer = keras.optimizers.SGD(0.2)

    @tf.function
    def step(features, labels):
        with tf.GradientTape() as tape:
            scores = network(features, training=True)["scores"]
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores))
        optimizer.apply(tape.gradient(loss, network.trainable_variables), network.trainable_variables)
        return loss

    return step
"""
BOTH = """
pytorch = "mine.py:build"
tensorflow = "mine_keras.py:build"
inputs = "holdout.npz"
train_inputs = "train.npz"
train_labels = "classes.npz"
train_step = { pytorch = "mine.py:make_step", tensorflow = "mine_keras.py:make_step" }

[train]
batch_size = 16
epochs = 2
"""
CLASSIFIER = """
pytorch = "mine.py:build"
inputs = "holdout.npz"
labels = "truth.npz"
quality = "top1"
train_inputs = "train.npz"
train_labels = "classes.npz"

[train]
batch_size = 16
epochs = 4
optimizer = "adamw"
learning_rate = 0.05
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return one with a small model in both frameworks, and classes that it can learn."""
    for name, text in (("weights", WEIGHTS), ("mine", TORCH), ("mine_keras", KERAS)):
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "short.toml").write_text(commands.PROFILE)
    features = np.random.default_rng(1).normal(size=(240, 4)).astype(np.float32)
    classes = features[:, :3].argmax(axis=1)
    np.savez(tmp_path / "train.npz", features=features[:160])
    np.savez(tmp_path / "classes.npz", classes=classes[:160])
    np.savez(tmp_path / "holdout.npz", features=features[160:])
    np.savez(tmp_path / "truth.npz", classes=classes[160:])
    return tmp_path


def steps(run: Path, stage: str) -> dict[str, Result]:
    """Return the results of a stage, by framework."""
    found = {}
    for framework in ("pytorch", "tensorflow"):
        for each in (run / "steps").glob(f"*{stage}*{framework}*"):
            found[framework] = files.read_record(each / "result.json", Result)
    return found


def losses(result: Result) -> tuple[float, float]:
    first, last = (number(result.metrics[name]) for name in ("first_loss", "final_loss"))
    assert first is not None
    assert last is not None
    return first, last


def test_both_frameworks_are_trained_by_steps_of_ones_own_from_the_same_weights(folder: Path) -> None:
    (folder / "mine.toml").write_text(BOTH)
    told = ("--device", "cpu", "--profile", "short.toml", "--out", "run")
    ended = commands.fweval("train", "mine.toml", *told, cwd=folder, timeout_s=240)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found = steps(folder / "run", "train")
    assert {name: each.outcome for name, each in found.items()} == dict.fromkeys(found, Outcome.PASSED)
    (torch_first, torch_last), (keras_first, keras_last) = (losses(found[name]) for name in ("pytorch", "tensorflow"))
    assert torch_last < 0.8 * torch_first
    assert (keras_first, keras_last) == pytest.approx((torch_first, torch_last), rel=1e-3)
    assert {each.metrics["steps"] for each in found.values()} == {20}
    assert all("heldout_accuracy" not in each.metrics for each in found.values()), "no label was given for these"
    (planned,) = replay.trainings(RunFolder.open(folder / "run"))
    assert set(planned.costs) == {"pytorch", "tensorflow"}, "both count"
    assert planned.step_ratio is not None


def test_a_classifier_in_one_framework_is_trained_by_what_is_built_in_and_exported_as_it_is_then(folder: Path) -> None:
    pytest.importorskip("sklearn", reason="pip install 'fweval[quality]'")
    (folder / "mine.toml").write_text(CLASSIFIER)
    only = ("--only", "torchscript_trace", "--only", "torchscript", "--device", "cpu")
    told = (*only, "--profile", "short.toml", "--out", "run")
    ended = commands.fweval("prove", "mine.toml", *told, cwd=folder, timeout_s=240)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    trained, origin = (steps(folder / "run", stage)["pytorch"] for stage in ("train", "origin"))
    first, last = losses(trained)
    assert last < 0.8 * first
    was, has_become = (
        next(number(figure.value) for figure in each.figures if figure.name == "quality") for each in (origin, trained)
    )
    assert was is not None
    assert has_become is not None
    assert has_become > was
    assert trained.metrics["heldout_accuracy"] == pytest.approx(has_become)
    proof = steps(folder / "run", "verify")["pytorch"]
    assert proof.outcome is Outcome.PASSED
    compared = next(number(each.value) for each in proof.figures if each.name == "origin_quality")
    assert compared is not None
    assert compared > was, "what is proven is the trained model, on the rows that are compared"
