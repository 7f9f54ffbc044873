"""The mapping of weights, without a framework: layers that hold arrays stand for Keras layers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from evaluator.core.tensors import Array, Arrays
from scenarios import weights
from scenarios.weights import WeightsMismatch


@dataclass
class Variable:
    name: str
    value: Array

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    def assign(self, value: Array) -> None:
        assert value.shape == self.value.shape
        self.value = value

    def numpy(self) -> Array:
        return self.value


@dataclass
class Layer:
    name: str
    weights: list[Variable]


@dataclass
class Network:
    layers: list[Layer]


KINDS = {  # Keras variable names of a layer -> number of dimensions
    "conv": {"kernel": 4, "bias": 1},
    "dense": {"kernel": 2, "bias": 1},
    "bn": {"gamma": 1, "beta": 1, "moving_mean": 1, "moving_variance": 1},
    "embedding": {"embeddings": 2},
    "relu": {},
}


@st.composite
def networks(draw: st.DrawFn) -> Network:
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4))
    layers = []
    for index, kind in enumerate(["dense", *kinds]):
        variables = []
        for name, dimensions in KINDS[kind].items():
            shape = draw(st.tuples(*[st.integers(1, 3)] * dimensions))
            variables.append(
                Variable(name, draw(st_numpy.arrays(np.float32, shape, elements=st.floats(-9, 9, width=32))))
            )
        layers.append(Layer(f"layer{index}.0.{kind}", variables))
    return Network(layers)


def zeroed(network: Network) -> Network:
    return Network(
        [Layer(y.name, [Variable(v.name, np.zeros_like(v.value)) for v in y.weights]) for y in network.layers]
    )


@settings(max_examples=25)
@given(networks())
def test_there_and_back_is_the_same(network: Network) -> None:
    travelling = weights.from_keras(network)
    copy = zeroed(network)
    weights.to_keras(copy, travelling)
    for one, other in zip(network.layers, copy.layers, strict=True):
        for mine, theirs in zip(one.weights, other.weights, strict=True):
            assert np.array_equal(mine.value, theirs.value)


@settings(max_examples=25)
@given(networks(), st.data())
def test_a_missing_or_an_extra_weight_is_named_and_nothing_is_written(network: Network, data: st.DataObject) -> None:
    complete = weights.from_keras(network)
    name = data.draw(st.sampled_from(sorted(complete)))
    missing = {key: array for key, array in complete.items() if key != name}
    copy = zeroed(network)
    with pytest.raises(WeightsMismatch, match=f"'{name}' is not among"):
        weights.to_keras(copy, missing)
    with pytest.raises(WeightsMismatch, match="'stranger' has no partner"):
        weights.to_keras(copy, {**complete, "stranger": complete[name]})
    with pytest.raises(WeightsMismatch, match=f"'{name}' has shape"):
        weights.to_keras(copy, {**complete, name: np.zeros([n + 1 for n in complete[name].shape], np.float32)})
    assert not any(variable.value.any() for layer in copy.layers for variable in layer.weights)


def test_kernels_change_their_layout_and_everything_its_name() -> None:
    layers = [
        Layer("conv1", [Variable("kernel", np.zeros((7, 5, 3, 64), np.float32))]),
        Layer("fc", [Variable("kernel", np.zeros((4, 10), np.float32)), Variable("bias", np.zeros(10, np.float32))]),
        Layer("bn1", [Variable(name, np.zeros(2, np.float32)) for name in KINDS["bn"]]),
        Layer("word", [Variable("embeddings", np.zeros((9, 4), np.float32))]),
    ]
    shapes = {name: array.shape for name, array in weights.from_keras(Network(layers)).items()}
    assert shapes == {
        "conv1.weight": (64, 3, 7, 5),
        "fc.weight": (10, 4),
        "fc.bias": (10,),
        "bn1.weight": (2,),
        "bn1.bias": (2,),
        "bn1.running_mean": (2,),
        "bn1.running_var": (2,),
        "word.weight": (9, 4),
    }


def test_a_variable_without_a_rule_is_named() -> None:
    network = Network([Layer("gru", [Variable("recurrent_kernel", np.zeros((2, 2), np.float32))])])
    with pytest.raises(WeightsMismatch, match="'gru' has a variable 'recurrent_kernel'"):
        weights.from_keras(network)
    network = Network([Layer("conv3d", [Variable("kernel", np.zeros((2, 2, 2, 2, 2), np.float32))])])
    with pytest.raises(WeightsMismatch, match=r"'conv3d\.weight' has 5 dimensions"):
        weights.from_keras(network)


def test_require_same_names_the_first_difference() -> None:
    given_: Arrays = {"a": np.zeros(2), "b": np.zeros((2, 3))}
    weights.require_same(given_, {"a": (2,), "b": (2, 3)})
    with pytest.raises(WeightsMismatch, match=r"'b' has shape \(2, 3\), the network's is \(3, 2\)"):
        weights.require_same(given_, {"a": (2,), "b": (3, 2)})
    with pytest.raises(WeightsMismatch, match="'c' is not among the 2"):
        weights.require_same(given_, {"a": (2,), "b": (2, 3), "c": (1,)})
    with pytest.raises(WeightsMismatch, match="'b' has no partner"):
        weights.require_same(given_, {"a": (2,)})


def test_files_hold_the_values_of_transposed_arrays(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    weights.write_weights(path, {"a": array})
    assert np.array_equal(weights.read_weights(path)["a"], array)
    assert list(tmp_path.iterdir()) == [path]
