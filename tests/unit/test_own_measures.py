"""Measures by name, whose figures are known, and functions of somebody's own: what they get and may return."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evaluator.core.errors import FwevalError, Unavailable, UsageError
from evaluator.core.tensors import Array, Arrays
from evaluator.measure.quality import LEAST_ROWS, Undefined, compare
from scenarios.own.measures import Measure, check, find
from scenarios.own.named import NAMED

FILE = Path("/somewhere/mine.py")


def no_file(path: Path, name: str) -> Callable[..., object]:
    raise AssertionError(f"{path}:{name} must not be loaded")


def own(function: Callable[..., object], name: str = "score", *, higher_is_better: bool | None = None) -> Measure:
    def load(path: Path, asked: str) -> Callable[..., object]:
        assert (path, asked) == (FILE, name)
        return function

    return find(f"{FILE}:{name}", load, higher_is_better=higher_is_better)


def measured(name: str, scores: object, truth: object) -> float:
    pytest.importorskip("sklearn", reason="pip install 'fweval[quality]'")
    return find(name, no_file).compute({"out": np.asarray(scores)}, {"labels": np.asarray(truth)})


CLASSES = [[0.1, 0.7, 0.2], [0.8, 0.1, 0.1], [0.3, 0.3, 0.4], [0.5, 0.2, 0.3]]  # chosen: 1, 0, 2, 0


@pytest.mark.parametrize(
    ("name", "scores", "truth", "figure"),
    [
        ("top1", CLASSES, [1, 0, 2, 1], 0.75),
        ("top1", np.log(CLASSES), [[1], [0], [2], [1]], 0.75),
        ("top1", CLASSES, [[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0]], 0.75),  # one-hot
        ("top1", [CLASSES, CLASSES], [[1, 0, 2, 0], [0, 0, 2, 0]], 7 / 8),  # a class of each token
        ("top5", [[6, 5, 4, 3, 2, 1]] * 4, [0, 4, 5, 5], 0.5),
        ("accuracy", CLASSES, [1, 0, 2, 1], 0.75),
        ("accuracy", [0.9, 0.4, 0.6, 0.2], [1, 0, 0, 1], 0.5),  # probabilities: above 0.5
        ("accuracy", [[2.0], [0.4], [-0.6], [-1]], [1, 1, 0, 1], 0.75),  # logits: above 0
        ("balanced_accuracy", [0.9, 0.9, 0.9, 0.9], [1, 1, 1, 0], 0.5),
        ("f1", CLASSES, [1, 0, 2, 1], (2 / 3 + 2 / 3 + 1) / 3),
        ("auc", [-3.0, 0.5, 0.4, 2.0], [0, 0, 1, 1], 0.75),
        ("auc", [[3.0, 0], [0, 0.5], [0, 0.4], [0, 2.0]], [0, 0, 1, 1], 0.75),
        ("auc", [[5.0, 0, 0], [0, 5, 0], [0, 0, 5]], [0, 1, 2], 1.0),
        ("average_precision", [0.1, 0.9], [0, 1], 1.0),
        ("log_loss", [0.5, 0.5], [0, 1], np.log(2)),
        ("log_loss", [[0.0, 0.0], [0.0, 2.0]], [0, 1], (np.log(2) + np.log(1 + np.exp(-2))) / 2),
        ("mae", [[1.0], [2.0]], [2, 4], 1.5),
        ("mse", [[1.0, 0.0], [2.0, 0.0]], [[2, 0], [4, 0]], 1.25),
        ("rmse", [1.0, 2.0], [2, 5], np.sqrt(5)),
        ("r2", [1.0, 2.0, 3.0], [1, 2, 3], 1.0),
    ],
)
def test_named_measures_have_the_figures_of_the_textbook(
    name: str, scores: object, truth: object, figure: float
) -> None:
    assert measured(name, scores, truth) == pytest.approx(figure)


def test_names_are_known_without_scikit_learn_and_without_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    for name in NAMED:
        check(name)
    with pytest.raises(Unavailable, match="scikit-learn") as refused:
        find("mse", no_file)
    assert "fweval[quality]" in str(refused.value.remedy)
    assert own(lambda outputs, labels: 1.0).compute({"y": np.ones(2)}, {"y": np.ones(2)}) == 1


@pytest.mark.parametrize(
    ("spec", "said", "remedy"),
    [("acuracy", "no measure 'acuracy'", "did you mean 'accuracy'?"), ("mine.py", "names no function", "mine.py:")],
)
def test_what_is_not_there_is_said_with_what_is_near(spec: str, said: str, remedy: str) -> None:
    for ask in (check, lambda text: find(text, no_file)):
        with pytest.raises(UsageError, match=said) as refused:
            ask(spec)
        assert remedy in str(refused.value.remedy)


@pytest.mark.parametrize(
    ("name", "scores", "truth", "said"),
    [
        ("top1", CLASSES, [1, 0, 3, 0], "labels from 0 to 3, and the output tells 3 classes apart"),
        ("top1", CLASSES, [1, 0, 0.5, 0], "labels from 0"),
        ("top1", CLASSES, [1, 0], r"\(4, 3\) and labels of \(2,\) do not fit"),
        ("top1", CLASSES, [[1, 1, 0]] * 4, "several classes at once"),
        ("top1", [0.2, 0.3], [0, 1], "no classes"),
        ("top5", CLASSES, [1, 0, 2, 0], "3 classes"),
        ("auc", [0.2, 0.3], [1, 1], "not every class"),
        ("average_precision", CLASSES, [1, 0, 2, 0], "3 classes"),
        ("mse", [[1.0, 2.0]], [1], "do not fit"),
        ("mse", [np.nan], [1], "not finite"),
        ("mse", [1.0], [np.nan], "'labels' are not all finite"),
        ("top1", CLASSES, ["cat", "dog", "cat", "cat"], "'labels' are not all finite"),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_line(name: str, scores: object, truth: object, said: str) -> None:
    with pytest.raises(FwevalError, match=said) as refused:
        measured(name, scores, truth)
    assert "\n" not in refused.value.message


def test_a_named_measure_looks_at_one_output_which_may_be_named() -> None:
    pytest.importorskip("sklearn", reason="pip install 'fweval[quality]'")
    outputs: Arrays = {"boxes": np.zeros((3, 4)), "scores": np.eye(3)}
    with pytest.raises(UsageError, match="the model has 2: boxes, scores") as refused:
        find("top1", no_file).compute(outputs, {"y": np.arange(3)})
    assert "top1:" in str(refused.value.remedy)
    named = find("top1:scores", no_file)
    assert named.name == "top1:scores"
    assert named.compute(outputs, {"y": np.arange(3)}) == 1
    assert named.compute(outputs, {"boxes": np.zeros(3), "scores": np.arange(3)}) == 1
    with pytest.raises(UsageError, match="there are 2: a, b"):
        named.compute(outputs, {"a": np.arange(3), "b": np.arange(3)})
    with pytest.raises(UsageError, match="no output 'score'"):
        find("top1:score", no_file).compute(outputs, {"y": np.arange(3)})


def test_the_origins_outputs_settle_what_an_artifacts_are() -> None:
    pytest.importorskip("sklearn", reason="pip install 'fweval[quality]'")
    measure = find("accuracy", no_file)
    logits, inside, truth = {"y": np.array([-2.0, 3.0])}, {"y": np.array([0.2, 0.3])}, {"y": np.array([1, 1])}
    assert measure.compute(inside, truth) == 0  # taken for probabilities
    settled = measure.settled(logits)
    assert settled.compute(inside, truth) == 1
    assert "logit" in settled.title
    assert "0.5" in measure.settled(inside).title
    assert settled.settled(inside) is settled
    assert find("mse", no_file).settled(logits).title == NAMED["mse"].title


def test_a_function_gets_an_array_where_there_is_one_and_else_all_by_name() -> None:
    got: list[object] = []

    def score(outputs: object, labels: object) -> float:
        got[:] = [outputs, labels]
        return 1.0

    measure = own(score)
    assert measure.name == "mine.py:score"
    measure.compute({"y": np.arange(3)}, {"labels": np.ones(3)})
    assert [type(each) for each in got] == [np.ndarray, np.ndarray]
    measure.compute({"a": np.arange(3), "b": np.arange(3)}, {"c": np.ones(3), "d": np.ones(3)})
    assert [list(each) for each in got if isinstance(each, dict)] == [["a", "b"], ["c", "d"]]


def test_a_function_may_change_what_it_gets() -> None:
    def score(outputs: Array, labels: Array) -> float:
        outputs.sort()
        return float((outputs == labels).mean())

    outputs, labels = {"y": np.arange(20)[::-1].copy()}, {"labels": np.arange(20)}
    assert own(score).compute(outputs, labels) == 1
    assert outputs["y"][0] == 19


@pytest.mark.parametrize("returned", [1, 0.5, np.float32(0.5), np.int64(3), np.array(0.25)])
def test_a_function_may_return_any_one_number(returned: object) -> None:
    found = own(lambda outputs, labels: returned).compute({"y": np.ones(2)}, {"y": np.ones(2)})
    assert type(found) is float
    assert found == float(returned)  # type: ignore[arg-type]


@pytest.mark.parametrize("returned", [None, "0.5", [0.5], np.array([0.5]), True, 1j, {"auc": 1.0}])
def test_what_is_no_number_is_refused_with_file_and_function(returned: object) -> None:
    with pytest.raises(Undefined, match=r"mine\.py:score returned no number") as refused:
        own(lambda outputs, labels: returned).compute({"y": np.ones(2)}, {"y": np.ones(2)})
    assert "\n" not in refused.value.message
    assert refused.value.remedy == "it must return one finite number"


@pytest.mark.parametrize("returned", [float("nan"), np.float64("inf"), -np.inf])
def test_what_is_not_finite_is_refused(returned: object) -> None:
    with pytest.raises(Undefined, match=r"mine.py:score returned -?(nan|inf)"):
        own(lambda outputs, labels: returned).compute({"y": np.ones(2)}, {"y": np.ones(2)})


def test_what_a_function_raises_is_one_line_and_memory_is_the_machines() -> None:
    def fails(outputs: Array, labels: Array) -> float:
        raise ValueError("two\nlines")

    def wants(outputs: Array, labels: Array) -> float:
        raise MemoryError

    with pytest.raises(Undefined, match=r"^mine\.py:score: ValueError: two lines$"):
        own(fails).compute({"y": np.ones(2)}, {"y": np.ones(2)})
    with pytest.raises(MemoryError):
        own(wants).compute({"y": np.ones(2)}, {"y": np.ones(2)})


def test_which_is_better_is_told_or_marked_or_read_off_the_name() -> None:
    def f(outputs: Array, labels: Array) -> float:
        return 0.0

    assert own(f, "auc").higher_is_better
    assert own(f, "lossless").higher_is_better
    assert not own(f, "price_error").higher_is_better
    assert not own(f, "MSE").higher_is_better
    assert own(f, "price_error", higher_is_better=True).higher_is_better
    f.higher_is_better = False  # type: ignore[attr-defined]
    assert not own(f, "auc").higher_is_better
    assert own(f, "auc", higher_is_better=True).higher_is_better


def test_a_named_measure_survives_draws_of_one_class() -> None:
    pytest.importorskip("sklearn", reason="pip install 'fweval[quality]'")
    truth = np.array([1, 1] + [0] * (LEAST_ROWS + 8))
    scores = {"p": np.linspace(1, 0, len(truth))}
    found = compare(find("auc", no_file), (scores, scores), {"labels": truth})
    assert found.origin.value == 1
    assert found.skipped > 0
    assert found.verdict == "kept"
