"""Training a model of one's own: what its file must say, which steps come of it, and when a training counts."""

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import pytest

from evaluator.core import registry
from evaluator.core.errors import FwevalError, UsageError
from evaluator.core.records import FRAMEWORKS, Signature, Step, TensorSpec
from evaluator.judging import training as judging
from evaluator.judging.evidence import OWN, Evidence, Gap
from evaluator.planning import plan
from evaluator.planning.selection import Options
from scenarios import loading
from scenarios.contract import TrainSettings
from scenarios.loading import Scenario
from scenarios.own import sources, training
from scenarios.own.form import Described, Own, Pair
from tests import fakes
from tests.engine import PROFILE, PaperMachine

CODE = """
def build():
    return 1

def make_step(network):
    return lambda inputs, labels: network

def make_nothing(network):
    return network
"""
STAGES = ("align", "origin", "train", "export")
TRAIN = '[train]\nbatch_size = 2\noptimizer = "sgd"\nlearning_rate = 0.1\n'
OURS = TrainSettings(batch_size=2, optimizer="sgd", learning_rate=0.1)
THEIRS = TrainSettings(batch_size=2, optimizer="own")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(CODE)
    np.savez(tmp_path / "x.npz", x=np.ones((4, 2), np.float32))
    np.savez(tmp_path / "y.npz", y=np.array([0, 1, 2, 1]))
    np.savez(tmp_path / "three.npz", y=np.array([0, 1, 2]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def described(*outputs: tuple[int | None, ...], name: str = "x") -> Described:
    return Described(
        signature=Signature(
            inputs=(TensorSpec(name=name, dtype="float32", shape=(None, 2)),),
            outputs=tuple(TensorSpec(name=f"o{i}", dtype="float32", shape=each) for i, each in enumerate(outputs)),
        ),
        keys={name: name},
    )


def own(folder: Path, **told: Any) -> Own:
    usual = {"train_inputs": str(folder / "x.npz"), "train_labels": str(folder / "y.npz")}
    return Own(pytorch=f"{folder / 'mine.py'}:build", **{**usual, **told})


@pytest.mark.parametrize(
    ("above", "train", "message", "remedy"),
    [
        ('train_step = "mine.py:make_step"', "", "key 'train_step': there is no .train.", "batch_size"),
        ('train_inputs = "x.npz"', "", "key 'train_inputs': there is no .train.", "leave the key out"),
        ("", TRAIN, "key 'train_inputs': missing", "FILE.npz"),
        ('train_inputs = "x.npz"', TRAIN, "key 'train_labels': missing: a classifier", "FILE.npz"),
        (
            'train_inputs = "x.npz"\ntrain_labels = "y.npz"\ntrain_step = "mine.py:make_step"',
            TRAIN,
            "line 4, key 'train_step': .*says sgd",
            'optimizer = "own"',
        ),
        ('train_inputs = "x.npz"', '[train]\nbatch_size = 2\noptimizer = "own"\n', "key 'train_step': missing", "sgd"),
        ('train_inputs = "x.npz"', f'{TRAIN}train_step = "mine.py:make_step"\n', "it stands in .train.", "above"),
        (
            'train_inputs = "x.npz"\ntensorflow = "mine.py:build"',
            '[train]\nbatch_size = 2\n[train_step]\npytorch = "mine.py:make_step"\n',
            "key 'train_step': there is none for tensorflow",
            "one for both",
        ),
        (
            'train_inputs = "x.npz"',
            '[train]\nbatch_size = 2\n[train_step]\ntorch = "mine.py:make_step"\n',
            "train_step.torch: no framework has this name",
            "pytorch",
        ),
        (
            'train_inputs = "x.npz"\ntrain_step = "mine.py:make_step"',
            "[train]\nbatch_size = 2\nlearning_rate = 0.1\n",
            "has its own learning rate",
            "",
        ),
        (
            'train_inputs = "x.npz"\ntrain_labels = "y.npz"',
            '[train]\nbatch_size = 2\noptimizer = "sgd"\n',
            "`learning_rate` is missing",
            "",
        ),
        ('train_inputs = "z.npz"', TRAIN, "z.npz: there is no such file", ""),
    ],
)
def test_what_does_not_go_together_is_one_line(folder: Path, above: str, train: str, message: str, remedy: str) -> None:
    (folder / "mine.toml").write_text(f'pytorch = "mine.py:build"\n{above}\n{train}')
    with pytest.raises(UsageError, match=message) as raised:
        loading.load_scenario("mine.toml")
    assert "\n" not in raised.value.message
    assert remedy in str(raised.value.remedy or "")


def test_a_step_of_ones_own_needs_no_optimizer_and_no_labels(folder: Path) -> None:
    text = (
        'pytorch = "mine.py:build"\ntrain_inputs = "x.npz"\ntrain_step = "mine.py:make_step"\n[train]\nbatch_size = 2\n'
    )
    (folder / "mine.toml").write_text(text)
    assert loading.load_scenario("mine.toml").training == THEIRS


def test_a_built_in_scenario_has_no_step_of_ones_own(tmp_path: Path) -> None:
    text = (Path(loading.__file__).parent / "library" / "tiny.toml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith(("learning_rate", "momentum", "weight_decay"))]
    changed = ['optimizer = "own"' if line.startswith("optimizer") else line for line in lines]
    (tmp_path / "other.toml").write_text("\n".join(changed))
    with pytest.raises(UsageError, match=r"key 'train\.optimizer': only a model of one's own"):
        loading.load_scenario(str(tmp_path / "other.toml"))


def test_a_file_of_what_is_computed_is_not_trained() -> None:
    for kind in get_args(sources.Kind):
        source = sources.Source(kind, Path("model"))
        if kind in ("code", "keras"):
            training.trainable(source)
        else:
            with pytest.raises(UsageError, match="model holds what the model computes, not how it is trained"):
                training.trainable(source)


@pytest.mark.parametrize(
    ("told", "outputs", "train", "message"),
    [
        ({}, ((None, 3), (None, 3)), OURS, "only one output"),
        ({}, ((None, 3, 2),), OURS, "only one output"),
        ({}, ((None, 2),), OURS, "classes 0 to 2, the model knows 2"),
        ({"train_labels": "x.npz"}, ((None, 3),), OURS, "one array of integers: 'x' holds float32"),
        ({"train_labels": "three.npz"}, ((None, 3),), OURS, r"three\.npz: 3 rows for 4 of train_inputs x\.npz"),
        ({}, ((None, 3),), TrainSettings(batch_size=5, optimizer="own"), "4 rows make no batch of 5"),
        ({"train_step": "mine.py:make_stpe"}, ((None, 1),), THEIRS, "has no function 'make_stpe'"),
        ({"train_step": {"tensorflow": "mine.py:make_step"}}, ((None, 1),), THEIRS, "there is none for pytorch"),
    ],
)
def test_what_cannot_be_trained_is_told_before_the_run_begins(
    folder: Path, told: dict[str, Any], outputs: tuple[tuple[int | None, ...], ...], train: TrainSettings, message: str
) -> None:
    placed = {key: str(folder / each) if isinstance(each, str) else each for key, each in told.items()}
    with pytest.raises(UsageError, match=message) as raised:
        training.check(own(folder, **placed), "pytorch", described(*outputs), train)
    assert "\n" not in raised.value.message
    assert raised.value.remedy


def test_rows_come_by_the_networks_names_and_classes_as_64_bit_integers(folder: Path) -> None:
    np.savez(folder / "int.npz", y=np.array([[0], [1], [2], [1]], np.int8))
    about = own(folder, train_labels=str(folder / "int.npz"))
    keras = described((None, 3), name="keras_tensor")
    given = training.first(training.read(about, "tensorflow", keras), 3)
    assert {name: array.shape for name, array in given.inputs.items()} == {"keras_tensor": (3, 2)}
    classes = training.classes(keras.signature, given.labels or {})
    assert (classes.dtype.name, classes.tolist()) == ("int64", [0, 1, 2])


def test_probabilities_are_no_scores() -> None:
    training.scores({"scores": np.array([[1.0, 2.0], [0.5, 0.5]])})
    training.scores({"scores": np.array([[1.0]])})
    with pytest.raises(UsageError, match="probabilities") as raised:
        training.scores({"scores": np.array([[0.25, 0.75], [0.5, 0.5]])})
    assert "softmax" in str(raised.value.remedy)


@pytest.mark.parametrize("loss", [0.5, np.float32(0.5), np.array([0.5])])
def test_a_loss_is_a_number_however_it_is_held(folder: Path, loss: object) -> None:
    step = training.maker(own(folder, train_step=f"{folder / 'mine.py'}:make_step"), "pytorch")(loss)
    assert step("inputs", None) == 0.5


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (None, "returns NoneType"),
        ("low", "returns str"),
        (np.ones(3), "returns 3 numbers"),
        (float("nan"), "the loss of mine.py:make_step is nan"),
    ],
)
def test_what_is_no_loss_ends_the_training_in_one_line(folder: Path, loss: object, message: str) -> None:
    step = training.maker(own(folder, train_step=f"{folder / 'mine.py'}:make_step"), "pytorch")(loss)
    with pytest.raises(FwevalError, match=message) as raised:
        step("inputs", None)
    assert raised.value.remedy


def test_what_makes_no_step_is_told(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"mine\.py:make_nothing returns int") as raised:
        training.maker(own(folder, train_step=f"{folder / 'mine.py'}:make_nothing"), "pytorch")(1)
    assert "step(inputs, labels)" in str(raised.value.remedy)


def scenario(pair: Pair, *frameworks: str, train: TrainSettings | None = THEIRS) -> Scenario:
    """Return one of a model that nobody builds."""
    found = {name: described((None, 3)) for name in frameworks}
    given: dict[str, Any] = dict.fromkeys(frameworks, "mine.py:build")
    form = Own(pair=pair, found=found, train_step="mine.py:make_step", **given)
    usual = loading.load_scenario("tiny")
    return msgspec.structs.replace(
        usual, name="mine", model="own", settings=msgspec.to_builtins(form), train=train, tolerance=usual.tolerance
    )


def planned(about: Scenario, *frameworks: str) -> dict[str, Step]:
    options = Options(devices=("cpu",), frameworks=frameworks)
    made = plan.make_plan([about], PROFILE, options, PaperMachine(), STAGES)
    return {step.id: step for step in made.steps}


@pytest.mark.parametrize("pair", get_args(Pair))
def test_each_framework_is_trained_from_its_own_weights_and_exported_from_its_training(pair: Pair) -> None:
    steps = planned(scenario(pair, *FRAMEWORKS), *FRAMEWORKS)
    trainings = [step for step in steps.values() if step.stage == "train"]
    assert len(trainings) == PROFILE.train_rounds * len(FRAMEWORKS)
    for step in trainings:
        assert set(step.needs) == {"weights", "aligned"}
        for needed in step.needs.values():
            assert (steps[needed].stage, steps[needed].framework) == ("origin", step.framework)
    exports = [step for step in steps.values() if step.stage == "export"]
    assert exports
    assert {steps[step.needs["trained"]].stage for step in exports} == {"train"}


def test_without_a_training_what_is_exported_is_the_model_as_it_was_brought() -> None:
    steps = planned(scenario("same weights", "pytorch", train=None), "pytorch")
    assert "train" not in {step.stage for step in steps.values()}
    assert {steps[step.needs["trained"]].stage for step in steps.values() if step.stage == "export"} == {"origin"}


def evidence(pair: str, *frameworks: str, accuracy: bool = True, apart: bool = False) -> Evidence:
    """Return trainings of a model of one's own: without start parity, as where nothing is compared."""
    found = fakes.complete_run()
    (name,) = found.scenarios
    run = msgspec.structs.replace(
        found.run,
        frameworks=frameworks,
        scenarios={name: {**found.run.scenarios[name], "model": OWN, "settings": {"pair": pair}}},
    )
    gone = () if accuracy else ("heldout_accuracy", "accuracy_target")

    def told(entry: Any) -> Any:
        metrics = {key: value for key, value in entry.result.metrics.items() if key not in gone}
        result = msgspec.structs.replace(entry.result, metrics=metrics, figures=())
        samples = dict(entry.samples)
        if apart and entry.step.framework == "pytorch" and "loss" in samples:
            samples["loss"] = tuple(2 * loss for loss in samples["loss"])
        return replace(entry, result=result, samples=samples) if entry.step.stage == "train" else entry

    kept = tuple(told(entry) for entry in found.entries if entry.step.framework in frameworks)
    return replace(found, run=run, entries=kept)


def refused(made: Evidence) -> str | None:
    found = judging.look(made, made.scenarios[0], "cpu", "pytorch")
    return found.reason if isinstance(found, Gap) else None


def test_a_training_of_one_framework_alone_counts_for_itself() -> None:
    assert refused(evidence("same weights", "pytorch")) is None
    assert refused(evidence("same weights", "pytorch", accuracy=False)) is None


def test_two_that_were_trained_apart_are_not_asked_whether_they_are_alike() -> None:
    assert refused(evidence("trained apart", *FRAMEWORKS, apart=True)) is None


def test_two_that_begin_from_the_same_weights_must_have_been_compared() -> None:
    assert "the start parity" in str(refused(evidence("same weights", *FRAMEWORKS)))


def test_the_model_of_ones_own_is_the_one_that_the_judge_knows() -> None:
    assert OWN == loading.OWN
    assert registry.load("model", OWN).brought
