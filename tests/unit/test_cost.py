"""What paths cost by a price sheet: exact figures from made-up ones, and sheets that are none."""

import re
from pathlib import Path

import msgspec
import pytest

from evaluator.core.cost import Prices, read_prices
from evaluator.core.errors import UsageError
from evaluator.core.interval import Interval
from evaluator.core.outcome import Outcome
from evaluator.core.records import Cell, Figure, LabelValue
from evaluator.core.scorecard import Candidate, Finding, PathChoice, Risk, Scorecard
from evaluator.judging import cost
from evaluator.report.sections.cost import plugin
from tests.sample_scorecard import scorecard

SHEET = Prices(currency="EUR", training_per_hour=2.0, serving_per_hour=3.6, load_per_s=100.0, most_utilisation=0.5)
DOCS = Path(__file__).parents[2] / "docs" / "cost.md"


def between(value: float, low: float | None = None, high: float | None = None) -> Interval:
    return Interval(value=value, low=low, high=high)


def training(framework: str, seconds: Interval | None, device: str = "cpu") -> Finding:
    return Finding(
        id=f"training_time/tiny/{framework}/{device}",
        check="training_time",
        category="training",
        risk=Risk.HIGH,
        candidate=framework,
        scenario="tiny",
        subject="training",
        device=device,
        state=Outcome.UNAVAILABLE if seconds is None else Outcome.PASSED,
        score=None if seconds is None else 5.0,
        reason="no GPU" if seconds is None else "so long",
        value=None if seconds is None else seconds.value,
        interval=seconds,
    )


def load(framework: str, server: str, rates: dict[float, float], *, reference: bool = False) -> Cell:
    """Make a server that was asked at rates, with the latency of each."""
    told = []
    for share, (rate, latency) in enumerate(rates.items(), start=1):
        told.append(Figure(name="rate_per_s", value=rate, labels={"wire": "rest", "share": share}))
        labels: dict[str, LabelValue] = {"wire": "rest", "share": share, "statistic": "p90"}
        told.append(Figure(name="latency_s", value=latency, labels=labels))
    told.append(Figure(name="in_time_per_s", value=min(rates), labels={"wire": "rest"}))
    return Cell(
        stage="load",
        scenario="tiny",
        framework=framework,
        server=server,
        launcher="process",
        outcome=Outcome.PASSED,
        reason=None,
        remedy=None,
        evidence=f"steps/load-{framework}",
        metrics={"tail": "p90", "reference": reference},
        figures=tuple(told),
    )


def answer(framework: str, latency: Interval) -> Candidate:
    return Candidate(title=f"{framework} alone", framework=framework, figure=latency, evidence=f"steps/run-{framework}")


def card(*cells: Cell, findings: tuple[Finding, ...] = (), alone: tuple[Candidate, ...] = ()) -> Scorecard:
    choice = PathChoice(
        question="server_answer",
        title="Server, one answer",
        scenario="tiny",
        device="cpu",
        metric="latency_s",
        unit="s",
        lower_is_better=True,
        best=alone,
        separates="nothing",
    )
    return msgspec.structs.replace(
        scorecard(), cells=cells, findings=findings, paths=(choice,), scenarios={"tiny": ""}, cost=None
    )


def test_a_training_costs_its_hours() -> None:
    found = cost.cost(card(findings=(training("pytorch", between(7200.0, 3600.0, 10800.0)),)), SHEET)
    assert [each.price for each in found.trainings] == [between(4.0, 2.0, 6.0)]
    assert found.trainings[0].arithmetic == "2 h 0 min at 2.00 EUR an hour = 4.00 EUR"


def test_a_million_requests_cost_the_hours_of_a_machine_that_is_used_so_far() -> None:
    sheet = msgspec.structs.replace(SHEET, traffic_per_gb=0.5, bytes_per_request=2000)
    (found,) = cost.cost(card(load("pytorch", "torchserve", {40.0: 0.05, 80.0: 0.3})), sheet).servings
    assert found.rate_per_s == between(40.0)
    assert found.per_million.value == pytest.approx(1e6 * 3.6 / (3600 * 40 * 0.5) + 1.0)
    assert found.at(sheet, 1.0) == pytest.approx(1e6 * 3.6 / (3600 * 40) + 1.0)
    assert (found.machines, found.machines_arithmetic) == (5, "100 per s / (40.0 per s * 50.0 %) = 5.00: 5 machines")


def test_the_sheets_own_limit_decides_which_rate_is_held() -> None:
    asked = card(load("pytorch", "torchserve", {40.0: 0.05, 80.0: 0.3, 100.0: 0.9}))
    patient = msgspec.structs.replace(SHEET, slo_s=0.5)
    strict = msgspec.structs.replace(SHEET, slo_s=0.01)
    assert cost.cost(asked, patient).servings[0].rate_per_s == between(80.0)
    assert cost.cost(asked, strict).servings == ()
    assert "no rate was answered in time" in cost.cost(asked, strict).unpriced[0]


def test_a_stand_in_has_no_price() -> None:
    found = cost.cost(card(load("tensorflow", "tensorflow_serving", {40.0: 0.05}, reference=True)), SHEET)
    assert found.servings == ()
    assert "stood in" in found.unpriced[0]


def test_a_process_that_is_asked_one_at_a_time_has_an_interval() -> None:
    (found,) = cost.cost(card(alone=(answer("pytorch", between(0.01, 0.008, 0.0125)),)), SHEET).servings
    assert found.kind == "in process"
    assert (found.rate_per_s.value, found.rate_per_s.low, found.rate_per_s.high) == pytest.approx((100.0, 80.0, 125.0))
    low, high = 1e6 * 3.6 / (3600 * 125 * 0.5), 1e6 * 3.6 / (3600 * 80 * 0.5)
    assert (found.per_million.low, found.per_million.high) == pytest.approx((low, high))


@pytest.mark.parametrize(
    ("trained", "asked", "requests"),
    [
        # 4 EUR against 2 EUR to train; 40 EUR against 20 EUR for a million requests: 2 / (20 / 10^6).
        ((7200.0, 3600.0), (0.01, 0.02), 100_000.0),
        ((3600.0, 7200.0), (0.01, 0.02), None),
    ],
)
def test_where_the_order_turns(
    trained: tuple[float, float], asked: tuple[float, float], requests: float | None
) -> None:
    names = ("pytorch", "tensorflow")
    exact = [between(each, each, each) for each in trained]
    findings = tuple(training(name, each) for name, each in zip(names, exact, strict=True))
    alone = tuple(answer(name, between(each, each, each)) for name, each in zip(names, asked, strict=True))
    (found,) = cost.cost(card(findings=findings, alone=alone), SHEET).break_evens
    assert found.requests == (None if requests is None else pytest.approx(requests))
    assert ("below 100,000 requests TensorFlow" in found.statement) is (requests is not None)


def test_overlapping_intervals_tell_no_break_even() -> None:
    names = ("pytorch", "tensorflow")
    findings = (training("pytorch", between(7200, 3000, 8000)), training("tensorflow", between(3600, 3500, 7300)))
    alone = tuple(answer(name, between(0.01, 0.009, 0.02)) for name in names)
    (found,) = cost.cost(card(findings=findings, alone=alone), SHEET).break_evens
    assert found.requests is None
    assert found.statement.startswith("not told: the intervals of what training and serving")


def test_a_device_that_is_not_here_and_has_no_price_is_no_matter() -> None:
    asked = card(findings=(training("pytorch", None, "gpu"), training("pytorch", between(10, 9, 11), "gpu")))
    assert cost.cost(asked, SHEET).unpriced == (
        "training tiny in PyTorch on GPU: the sheet has no gpu_training_per_hour",
    )


def test_the_report_shows_it_only_with_a_sheet() -> None:
    asked = card(load("pytorch", "torchserve", {40.0: 0.05}))
    assert plugin.blocks(asked) == ()
    priced = msgspec.structs.replace(asked, cost=cost.cost(asked, SHEET))
    assert "50.0 EUR" in str(plugin.blocks(priced))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("training_per_hour = 1\nserving_per_hour = 1", "its prices have no unit"),
        ('currency = "euros"\ntraining_per_hour = 1\nserving_per_hour = 1', "key 'currency'"),
        ('currency = "EUR"\ntraining_per_hour = 1', "key 'serving_per_hour': missing key"),
        ('currency = "EUR"\ntraining_per_hour = 1\nserving_per_hour = "1 EUR"', "line 3, key 'serving_per_hour'"),
        ('currency = "EUR"\ntraining_per_hour = 1\nserving_per_hour = -1', "key 'serving_per_hour'"),
        ('currency = "EUR"\ntraining_per_hour = 1\nserving_per_hour = 1\nprice = 3', "unknown key"),
        ('currency = "EUR"\ntraining_per_hour = 1\nserving_per_hour = 1\ntraffic_per_gb = 3', "belong together"),
        ("currency = EUR", "no valid TOML"),
    ],
)
def test_a_sheet_that_is_none_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "prices.toml").write_text(text)
    with pytest.raises(UsageError) as refused:
        read_prices(tmp_path / "prices.toml")
    assert said in refused.value.message
    assert "\n" not in refused.value.message


def test_the_sheet_of_the_docs_is_one(tmp_path: Path) -> None:
    (sheet,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    (tmp_path / "prices.toml").write_text(sheet)
    assert read_prices(tmp_path / "prices.toml").currency == "EUR"
    assert set(re.findall(r"^(\w+) =", sheet, re.MULTILINE)) == set(Prices.__struct_fields__)
