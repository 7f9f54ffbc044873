"""Every model and every framework is asked the same questions. No framework is imported here."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluator.contracts import Question, cases
from evaluator.core import registry
from evaluator.core.errors import UsageError
from evaluator.core.records import FRAMEWORKS
from scenarios import datasets, loading
from scenarios.contract import Data, Model

MODELS = tuple(each.name for each in registry.load_all("model") if not each.brought)


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Model:
    found: Model = registry.load("model", request.param)
    return found


def read(model: Model, settings: Any, *, train: int, heldout: int, seed: int = 1) -> Data:
    folders = {}
    for package in model.packages(settings):
        folder = datasets.locate(package)
        if folder is None:
            pytest.skip(f"{package.name} has not been fetched (`fweval fetch`)")
        folders[package.name] = folder
    return model.data(settings, folders, train=train, heldout=heldout, seed=seed)


@pytest.mark.parametrize(
    ("question", "plugin"), cases("model", "framework", "mistake", "training_variant"), ids=lambda each: each.name
)
def test_it_answers_what_every_plug_in_is_asked(question: Question, plugin: Any) -> None:
    todo = question(plugin)
    assert todo is None, f"{question.sentence} {todo}"


def test_the_frameworks_are_those_that_records_know() -> None:
    assert registry.names("framework") == FRAMEWORKS


def test_importing_every_plug_in_imports_no_framework() -> None:
    code = (
        "import sys; from evaluator.core import registry\n"
        "for kind in ('model', 'framework', 'mistake', 'training_variant'): registry.load_all(kind)\n"
        "import scenarios.weights, scenarios.loading, scenarios.datasets\n"
        "print({'torch', 'tensorflow', 'keras', 'tokenizers'} & set(sys.modules))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "set()"


def test_every_model_has_a_scenario() -> None:
    assert {loading.load_scenario(name).model for name in loading.scenario_names()} == set(MODELS)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_data_fit_the_signature(model: Model, framework: str) -> None:
    settings = model.Settings()
    data = read(model, settings, train=40, heldout=20)
    signature = model.signature(settings, framework)
    classes = signature.outputs[0].shape[1]
    assert classes is not None
    for examples, count in ((data.train, 40), (data.heldout, 20)):
        inputs = model.inputs_for(framework, examples.inputs)
        assert list(inputs) == [spec.name for spec in signature.inputs]
        for spec in signature.inputs:
            assert inputs[spec.name].dtype == spec.dtype
            assert inputs[spec.name].shape == (count, *spec.shape[1:])
            assert inputs[spec.name].flags.c_contiguous
        assert examples.labels.dtype == np.int64
        assert np.bincount(examples.labels, minlength=classes).tolist() == [count // classes] * classes


def test_data_are_the_same_for_the_same_seed(model: Model) -> None:
    settings = model.Settings()
    first, second = (read(model, settings, train=20, heldout=10) for _ in range(2))
    other = read(model, settings, train=20, heldout=10, seed=2)
    more = read(model, settings, train=30, heldout=10)
    for name, array in first.train.inputs.items():
        assert np.array_equal(array, second.train.inputs[name])
        assert not np.array_equal(array, other.train.inputs[name])
        assert np.array_equal(first.heldout.inputs[name], more.heldout.inputs[name])


def test_nothing_held_out_is_trained_on(model: Model) -> None:
    data = read(model, model.Settings(), train=200, heldout=100)
    rows = [
        {tuple(array[i].tobytes() for array in part.inputs.values()) for i in range(len(part.labels))}
        for part in (data.train, data.heldout)
    ]
    assert len(rows[0]) == 200
    assert not rows[0] & rows[1]


def test_more_data_than_there_are_is_refused(model: Model) -> None:
    with pytest.raises(UsageError, match="are asked for"):
        read(model, model.Settings(), train=100_000, heldout=1)
