"""The vocabulary of metrics: sound in itself, and strict about what is none of it."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from evaluator.core import metrics, registry
from evaluator.core.metrics import Metric, key
from evaluator.core.outcome import Outcome
from evaluator.core.records import Figure, Result, Value

PROVENANCE = ("measured: ", "counted", "computed", "declared", "told", "estimated: ")
IN_NAMES = (("_per_s", "1/s"), ("_s", "s"), ("_bytes", "bytes"))


@pytest.mark.parametrize("metric", metrics.METRICS.values(), ids=lambda metric: metric.name)
def test_each_is_complete(metric: Metric) -> None:
    assert metric.meaning.endswith(".")
    assert metric.meaning.count(". ") == 0, "one sentence"
    assert metric.provenance.startswith(PROVENANCE)
    assert set(metric.labels) <= set(metrics.LABELS)
    ending = next((unit for end, unit in IN_NAMES if metric.name.endswith(end)), None)
    assert ending in (None, metric.unit), "the unit stands in the name"
    assert metric.unit not in ("text", "list") or metric.better == "neither"


def test_no_name_stands_twice() -> None:
    names = [metric.name for chapter in metrics.CHAPTERS.values() for metric in chapter]
    assert len(names) == len(set(names))
    assert not {metric.name for metric in metrics.of_plugins()} & set(names), "a plug-in gave a name another meaning"


@pytest.mark.parametrize(
    ("stored", "figures", "wrong"),
    [
        ({"train_s": 1.5, "steps": 3, "capped": False, "isa": "x86_64", "batch_sizes": (1, 3)}, (), {}),
        ({"warp_factor": 9}, (), {"warp_factor": "is not in the vocabulary of metrics"}),
        ({"train_s": "soon"}, (), {"train_s": "is declared as 's' and is 'soon'"}),
        ({"train_s": True}, (), {"train_s": "is declared as 's' and is True"}),
        ({"batch_sizes": "1, 3"}, (), {"batch_sizes": "is declared as 'list' and is '1, 3'"}),
        (
            {},
            (Figure(name="latency_s", value=0.1, labels={"colour": "red"}),),
            {"latency_s": "is not declared with the label colour"},
        ),
        ({}, (Figure(name="latency_s", value=0.1, labels={"wire": "rest", "statistic": "p90"}),), {}),
    ],
)
def test_what_is_no_metric_is_named(
    stored: Mapping[str, Value], figures: tuple[Figure, ...], wrong: dict[str, str]
) -> None:
    assert metrics.misfits(stored, figures) == wrong


def test_asking_for_an_undeclared_metric_says_where_to_declare_it() -> None:
    with pytest.raises(KeyError, match="own_metrics"):
        metrics.metric("warp_factor")


def test_a_plug_in_brings_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stranger:
        own_metrics = (Metric("warp_factor", "1", "higher", "How fast it is.", "measured: clock"),)

    monkeypatch.setattr(registry, "load_all", lambda kind: (Stranger(),) if kind == "probe" else ())
    assert metrics.misfits({"warp_factor": 9}) == {}
    assert metrics.metric("warp_factor").better == "higher"


def test_labels_are_written_in_a_fixed_order_and_ends_beside_their_value() -> None:
    figures = (
        Figure(name="latency_s", value=0.1, labels={"statistic": "p90", "share": 0.6, "wire": "rest"}),
        Figure(name="overhead_s", value=0.2, low=0.1, high=0.3, labels={"wire": "rest"}),
        Figure(name="saturation_per_s", value=9.0, labels={"wire": "rest", "batching": True}),
    )
    assert metrics.flat({"bundle_s": 1.0}, figures) == {
        "bundle_s": 1.0,
        "latency_s wire=rest share=0.6 statistic=p90": 0.1,
        "overhead_s wire=rest": 0.2,
        "overhead_s wire=rest end=low": 0.1,
        "overhead_s wire=rest end=high": 0.3,
        "saturation_per_s wire=rest batching=yes": 9.0,
    }


def test_figures_are_found_by_some_of_their_labels() -> None:
    figures = tuple(
        Figure(name="latency_s", value=value, labels={"wire": wire, "statistic": "p50"})
        for wire, value in (("rest", 0.1), ("grpc", 0.2))
    )
    assert metrics.select(figures, "latency_s", wire="grpc") == figures[1:]
    assert metrics.select(figures, "latency_s") == figures
    assert metrics.select(figures, "latency_s", wire="smoke") == ()


EMITTING = (
    *("evaluator/children", "evaluator/stages", "evaluator/measure", "evaluator/judging"),
    *("serving/probes", "exports/devices"),
)
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", metrics.METRICS)
def test_each_is_emitted_somewhere(name: str) -> None:
    sources = [path.read_text() for folder in EMITTING for path in (ROOT / folder).rglob("*.py")]
    assert any(re.search(rf"\b{name}\b(\"|=)", source) for source in sources), "nothing emits it: remove it"


def test_a_figure_is_found_by_exactly_its_labels() -> None:
    p90 = Figure(name="latency_s", value=0.1, labels={"wire": "rest", "statistic": "p90"})
    result = Result(step="a", outcome=Outcome.PASSED, metrics={"ready_s": 2.0}, figures=(p90,))
    assert metrics.find(result, key("latency_s", wire="rest", statistic="p90")) == p90
    assert metrics.find(result, key("latency_s", statistic="p90")) is None
    assert metrics.find(result, key("ready_s")) == Figure(name="ready_s", value=2.0)
    assert metrics.find(result, key("stop_s")) is None
    assert metrics.figures(result) == (Figure(name="ready_s", value=2.0), p90)
    with pytest.raises(KeyError, match="warp_factor"):
        key("warp_factor")
