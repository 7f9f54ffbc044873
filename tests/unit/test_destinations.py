"""Destinations: what is published is what the scorecard says, in the form that others read, and never more."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
import yaml  # type: ignore[import-untyped]  # ships no types
from click.testing import CliRunner
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from evaluator import cli
from evaluator.core import digests, files, registry
from evaluator.core.errors import FwevalError, Unavailable
from evaluator.core.interval import Interval
from evaluator.core.outcome import Outcome
from evaluator.core.records import RunRecord
from evaluator.core.scorecard import Scorecard
from evaluator.destinations import _matrix
from evaluator.destinations._base import FileDestination, Published
from evaluator.destinations.mlflow import document
from evaluator.judging import replay
from tests import fakes, made_run, sample_scorecard

RECORD = fakes.complete_run().run
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def published(card: Scorecard, folder: Path = Path("/nowhere"), run: RunRecord = RECORD) -> Published:
    return Published(folder=folder, card=card, run=run)


def rendered(name: str, card: Scorecard, folder: Path = Path("/nowhere")) -> bytes:
    destination = registry.load("destination", name)
    assert isinstance(destination, FileDestination)
    return destination.render(published(card, folder))


def hostile() -> Scorecard:
    """Return the sample with texts that a spreadsheet would compute."""
    findings = tuple(
        msgspec.structs.replace(each, reason='=HYPERLINK("http://x")', scenario="@SUM(1)", path="+1")
        for each in sample_scorecard.scorecard().findings
    )
    return msgspec.structs.replace(sample_scorecard.scorecard(), findings=findings)


def test_the_matrix_has_every_finding_once_beside_its_weight_and_the_scores() -> None:
    card = sample_scorecard.scorecard()
    table = list(csv.DictReader(io.StringIO(rendered("csv", card).decode())))
    assert sum(row["kind"] == "overall" for row in table) == 1 + len(card.scenarios)
    told = [
        (name, row["evidence" and f"{title}: reason"])
        for row in table
        if row["kind"] == "finding"
        for name, title in (("pytorch", "PyTorch"), ("tensorflow", "TensorFlow"))
        if row[f"{title}: state"]
    ]
    assert sorted(told) == sorted((each.candidate, each.reason) for each in card.findings)
    score = next(each for each in card.scores if each.scenario is None and each.candidate == "pytorch")
    overall = next(row for row in table if row["kind"] == "overall" and not row["scenario"])
    assert float(overall["PyTorch: score"]) == score.overall
    assert float(overall["PyTorch: lower bound"]) == score.lower
    assert float(overall["PyTorch: coverage"]) == score.coverage
    weights = {row["risk"]: float(row["weight"]) for row in table if row["kind"] == "finding"}
    assert weights.items() <= {risk.value: weight for risk, weight in card.policy.risks.items()}.items()


def test_both_frameworks_stand_side_by_side_at_one_criterion() -> None:
    found = sample_scorecard.scorecard().findings[0]
    other = {
        name: msgspec.structs.replace(
            found, candidate=name, id=f"{found.check}/x/{name}/1/cpu/it", scenario="x", path="1"
        )
        for name in ("pytorch", "tensorflow")
    }
    card = msgspec.structs.replace(sample_scorecard.empty(), findings=tuple(other.values()))
    (row,) = (row for row in _matrix.rows(card) if row.about[0] == "finding")
    assert row.each.keys() == {"pytorch", "tensorflow"}
    assert str(row.about[-1]).endswith(" it")


def test_what_is_unmeasured_is_an_empty_cell() -> None:
    found = sample_scorecard.scorecard().findings[0]
    gap = msgspec.structs.replace(found, state=Outcome.UNAVAILABLE, score=None, value=None, interval=None)
    card = msgspec.structs.replace(sample_scorecard.empty(), findings=(gap,))
    (row,) = (row for row in csv.DictReader(io.StringIO(rendered("csv", card).decode())) if row["kind"] == "finding")
    name = "PyTorch" if gap.candidate == "pytorch" else "TensorFlow"
    assert (row[f"{name}: state"], row[f"{name}: score"], row[f"{name}: value"]) == ("unavailable", "", "")


def test_no_text_is_a_formula_in_csv() -> None:
    table = list(csv.reader(io.StringIO(rendered("csv", hostile()).decode())))
    texts = [cell for row in table for cell in row]
    assert any("HYPERLINK" in cell for cell in texts)
    assert not [
        cell for cell in texts if cell.startswith(("=", "@", "\t")) or (cell[:1] in ("+", "-") and not number(cell))
    ]


def number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def test_no_text_is_a_formula_or_a_link_in_a_workbook_and_it_has_the_same_cells() -> None:
    data = rendered("xlsx", hostile())
    with zipfile.ZipFile(io.BytesIO(data)) as book:
        sheet = ET.fromstring(book.read("xl/worksheets/sheet1.xml"))  # noqa: S314  # our own
        strings = ET.fromstring(book.read("xl/sharedStrings.xml"))  # noqa: S314  # our own
    assert not list(sheet.iter(f"{MAIN}f"))
    assert not list(sheet.iter(f"{MAIN}hyperlink"))
    texts = ["".join(part.text or "" for part in each.iter(f"{MAIN}t")) for each in strings.iter(f"{MAIN}si")]
    rows = list(sheet.iter(f"{MAIN}row"))
    expected = [_matrix.header(hostile()), *(_matrix.flat(hostile(), row) for row in _matrix.rows(hostile()))]
    assert len(rows) == len(expected)
    for row, values in zip(rows, expected, strict=True):
        found = [
            texts[int(cell[0].text or 0)] if cell.get("t") == "s" else float(cell[0].text or 0)
            for cell in row
            if len(cell)
        ]
        assert [value for value in found if value != ""] == [
            value if isinstance(value, str) else pytest.approx(value) for value in values if value not in (None, "")
        ]
    assert data == rendered("xlsx", hostile()), "the date is the run's"


@pytest.mark.parametrize("card", [sample_scorecard.scorecard(), sample_scorecard.hostile(), sample_scorecard.empty()])
def test_the_bill_of_materials_is_valid_by_its_makers_schema(card: Scorecard) -> None:
    run = msgspec.structs.replace(RECORD, packages={"torch": "2.13.0+cpu", "Under_Score": "1"})
    text = registry.load("destination", "cyclonedx").render(published(card, run=run)).decode()
    assert JsonStrictValidator(SchemaVersion.V1_7).validate_str(text) is None
    purls = {each.get("purl") for each in json.loads(text)["components"]}
    assert {"pkg:pypi/torch@2.13.0%2Bcpu", "pkg:pypi/under-score@1"} <= purls
    licences = {each["name"]: each.get("licenses") for each in json.loads(text)["components"]}
    known = {each.name: each.licence for each in (card.upkeep.packages if card.upkeep is not None else ())}
    assert licences["torch"] == ([{"expression": known["torch"]}] if known.get("torch") else None)
    assert licences["Under_Score"] is None


def nested(component: dict[str, object]) -> Iterator[dict[str, object]]:
    yield component
    inner = component.get("components")
    for each in inner if isinstance(inner, list) else []:
        yield from nested(each)


def test_its_figures_have_intervals_and_slices_and_only_what_counts_is_in_it(tmp_path: Path) -> None:
    card = sample_scorecard.scorecard()
    first = next(each for each in card.findings if each.state is Outcome.PASSED)
    about = {"metric": "latency_s", "unit": "s", "value": 0.125, "interval": Interval(value=0.125, low=0.12, high=0.13)}
    told = msgspec.structs.replace(first, **about)
    gap = msgspec.structs.replace(told, state=Outcome.UNAVAILABLE, value=0.5, id="other")
    card = msgspec.structs.replace(card, findings=(told, gap))
    whole = json.loads(rendered("cyclonedx", card, tmp_path))
    metrics = [
        each
        for part in whole["components"]
        for inner in nested(part)
        for each in inner.get("modelCard", {}).get("quantitativeAnalysis", {}).get("performanceMetrics", ())  # type: ignore[attr-defined]
    ]
    (found,) = (each for each in metrics if each["value"] == "0.125")
    assert found["confidenceInterval"] == {"lowerBound": "0.12", "upperBound": "0.13"}
    assert told.subject in found["slice"]
    assert not [each for each in metrics if each["value"] == "0.5"], "what was not measured as it must be has no figure"


def test_artifacts_have_the_digests_of_their_files(tmp_path: Path) -> None:
    card = sample_scorecard.scorecard()
    cell = next(each for each in card.cells if each.stage == "export" and each.outcome is Outcome.PASSED)
    path = tmp_path / cell.evidence / "artifact" / "model.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"model")
    (tmp_path / "run.json").write_text("{}")
    digests.record(tmp_path)
    whole = json.loads(rendered("cyclonedx", card, tmp_path))
    hashes = [each["hashes"] for part in whole["components"] for each in nested(part) if each.get("hashes")]
    assert hashes == [[{"alg": "SHA-256", "content": files.sha256(path)}]]


def test_a_model_card_is_read_by_those_who_read_model_cards() -> None:
    card = fakes.scorecard(fakes.complete_run())
    text = rendered("model_card", card).decode()
    metadata = yaml.safe_load(text.split("---\n")[1])
    (first, *_) = metadata["model-index"]
    values = {each["value"] for each in first["results"][0]["metrics"]}
    told = {
        each.value
        for each in card.findings
        if each.state.is_answer and each.value is not None and f"{each.scenario} in" in first["name"]
    }
    assert values <= told
    assert values
    for said in ("## Intended use\n\nNot stated", "## Limitations", "bias, and effects on people\n\nNot measured"):
        assert said in text
    assert text.split("---\n")[2].strip().startswith("# Model card of ")


def test_a_name_from_anywhere_is_text_in_a_model_card() -> None:
    text = rendered("model_card", sample_scorecard.hostile()).decode()
    assert "<script>" not in text.split("---\n")[-1]
    assert yaml.safe_load(text.split("---\n")[1]) == {
        "library_name": "fweval",
        "tags": ["fweval", "pytorch", "tensorflow"],
        "model-index": [],
    }


def test_what_mlflow_gets_is_numbers_under_names_that_it_takes(tmp_path: Path) -> None:
    card = sample_scorecard.scorecard()
    (tmp_path / "scorecard.json").write_text("{}")
    asked = document(published(card, tmp_path))
    assert asked["run"]["files"] == [str(tmp_path / "scorecard.json")]
    assert len(asked["children"]) == sum(each.scenario is not None for each in card.scores)
    for each in (asked["run"], *asked["children"]):
        assert all(isinstance(value, float | int) for value in each["metrics"].values())
        assert all(
            set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./ ")
            for name in each["metrics"]
        )
    json.dumps(asked)


def test_without_its_environment_mlflow_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FWEVAL_CACHE", str(tmp_path))
    with pytest.raises(Unavailable, match="the environment 'mlflow' was not made") as refused:
        registry.load("destination", "mlflow").publish(published(sample_scorecard.scorecard()), str(tmp_path / "x.db"))
    assert refused.value.remedy == "fweval fetch --environments"


def test_the_command_writes_a_file_that_is_named_like_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made_run.write(tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli.app, ["publish", str(folder.path), "--to", "csv"], standalone_mode=False)
    assert done.output == "mine.csv\n"
    assert (tmp_path / "mine.csv").read_bytes() == rendered("csv", replay.read_scorecard(folder), folder.path)
    done = CliRunner().invoke(cli.app, ["publish", str(folder.path), "--to", "cvs"], standalone_mode=False)
    assert isinstance(done.exception, FwevalError)
    assert done.exception.remedy == "did you mean 'csv'?"
    done = CliRunner().invoke(
        cli.app, ["publish", str(folder.path), "--to", "csv", "--out", "no/such/folder.csv"], standalone_mode=False
    )
    assert isinstance(done.exception, FwevalError)
    assert "cannot be written" in done.exception.message
