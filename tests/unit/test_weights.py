"""The mapping of weights, without a framework: layers that hold arrays stand for Keras layers."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from evaluator.core.errors import FwevalError, Unavailable
from evaluator.core.tensors import Array, Arrays
from scenarios import weights
from scenarios.weights import Unmapped, WeightsMismatch


@dataclass
class Variable:
    name: str
    value: Array

    @property
    def path(self) -> str:
        return f"somewhere/{self.name}"

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


class DepthwiseConv2D(Layer):
    """A stand-in for Keras' layer of that name, whose kernel lies in another order."""


@dataclass
class Network:
    layers: list["Layer | Network"]
    name: str = "network"
    own: list[Variable] = field(default_factory=list)  # that are no layer's
    built: bool = True

    @property
    def weights(self) -> list[Variable]:
        """Return each variable once, as Keras does."""
        found = [*self.own, *(variable for layer in self.layers for variable in layer.weights)]
        return list({id(variable): variable for variable in found}.values())


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
    layers: list[Layer | Network] = []
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
    layers: list[Layer | Network] = [
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


def numbered(*names: str) -> list[Variable]:
    """Make variables of one dimension (kernels: of two), each of another number."""
    return [
        Variable(name, np.full((2, 3) if name.endswith("kernel") else (2,), place, np.float32))
        for place, name in enumerate(names, start=1)
    ]


def dense(name: str) -> Layer:
    return Layer(name, numbered("kernel", "bias"))


SHARED = dense("shared")
NESTED: dict[
    str, tuple[list[Layer | Network], set[str], int]
] = {  # network -> the names of what is stored under PyTorch's, and how many are stored under Keras' own
    "two backbones whose layers have the same names": (
        [Network([dense("fc")], "left"), Network([dense("fc")], "right"), dense("fc")],
        {f"{place}fc.{what}" for place in ("left.", "right.", "") for what in ("weight", "bias")},
        0,
    ),
    "a backbone in a backbone": ([Network([Network([dense("fc")], "b")], "a")], {"a.b.fc.weight", "a.b.fc.bias"}, 0),
    "a dotted name that says the same as a nested one": ([Network([dense("fc")], "a"), dense("a.fc")], set(), 4),
    "a layer in two places": (
        [Network([SHARED], "a"), Network([SHARED], "b")],
        {"a.shared.weight", "a.shared.bias"},
        0,
    ),
    "a layer made of layers": ([Layer("block", numbered("kernel", "bias", "kernel", "bias"))], set(), 4),
    "recurrence": (
        [Layer("lstm", numbered("kernel", "recurrent_kernel", "bias")), dense("fc")],
        {"fc.weight", "fc.bias"},
        3,
    ),
    "a kernel of three dimensions": ([Layer("conv1d", [Variable("kernel", np.ones((3, 2, 2), np.float32))])], set(), 1),
    "a kernel in another order": (
        [DepthwiseConv2D("depthwise", [Variable("kernel", np.ones((3, 3, 2, 1), np.float32))])],
        set(),
        1,
    ),
}


@pytest.mark.parametrize("case", NESTED)
def test_every_weight_is_stored_under_a_name_of_its_own_and_comes_back(case: str) -> None:
    layers, names, own = NESTED[case]
    network = Network(layers)
    values = [variable.value.copy() for variable in network.weights]
    stored = weights.from_keras(network)
    assert len(stored) == len(network.weights)
    assert {name for name in stored if not name.startswith("keras:")} == names
    assert sum(name.startswith("keras:") for name in stored) == own
    for variable in network.weights:
        variable.assign(np.zeros_like(variable.value))
    weights.to_keras(network, stored)
    for variable, value in zip(network.weights, values, strict=True):
        assert np.array_equal(variable.value, value)


def test_a_variable_of_the_model_itself_is_stored_too() -> None:
    network = Network([dense("fc")], own=numbered("temperature"))
    assert "keras:0:somewhere/temperature" in weights.from_keras(network)


def test_a_layer_without_a_rule_matters_only_where_the_other_framework_is_asked_for() -> None:
    network = Network([Layer("gru", numbered("kernel", "recurrent_kernel")), dense("fc")])
    stored = weights.from_keras(network)
    said = "fweval does not know how to map the Keras layer 'somewhere'"
    with pytest.raises(Unmapped, match=said):
        weights.require_same(stored, {"gru.weight_ih_l0": (3, 2)})
    with pytest.raises(Unmapped, match=said) as raised:
        weights.to_keras(network, {"gru.weight_ih_l0": np.zeros((3, 2), np.float32)})
    assert isinstance(raised.value, Unavailable)
    assert "--framework" in str(raised.value.remedy)


def test_a_model_that_has_no_variables_yet_is_not_stored_as_one_without_any() -> None:
    with pytest.raises(FwevalError, match="not built"):
        weights.from_keras(Network([], built=False))


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
