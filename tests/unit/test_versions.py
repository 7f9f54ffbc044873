"""A stored record says which version it is of; older ones are brought up to date, newer ones refused by name."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

import evaluator
from evaluator.core import files, versions
from evaluator.core.errors import IncompleteEvidence
from evaluator.core.outcome import Outcome
from evaluator.core.records import Anatomy, Result, RunRecord, Step
from evaluator.core.scorecard import Scorecard
from evaluator.core.versions import NewerVersion
from tests import sample_scorecard
from tests.engine import make_step, run_record

RESULT = Result(step="a", outcome=Outcome.PASSED, metrics={"load_s": 0.5})


def written(path: Path, document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("record", [RESULT, make_step("a"), run_record(), Anatomy(version="opset 18")])
def test_every_record_begins_with_its_version(record: Any, tmp_path: Path) -> None:
    files.write_record(tmp_path / "record.json", record)
    document = json.loads((tmp_path / "record.json").read_text())
    assert next(iter(document.items())) == ("version", versions.VERSION)
    assert files.read_record(tmp_path / "record.json", type(record)) == record


def test_records_by_name_have_a_version_too(tmp_path: Path) -> None:
    for found in ({"cpu_user_s": 1.5}, {}):
        files.write_record(tmp_path / "resources.json", found, indent=0)
        assert json.loads((tmp_path / "resources.json").read_text()) == {"version": versions.VERSION, **found}
        assert files.read_record(tmp_path / "resources.json", dict) == found


def test_a_record_without_a_version_is_of_the_first(tmp_path: Path) -> None:
    step = msgspec.to_builtins(make_step("a"))
    del step["machine"]
    assert files.read_record(written(tmp_path / "job.json", step), Step) == make_step("a")


@pytest.mark.parametrize("said", ["opset 18", None])
def test_the_version_of_a_format_is_not_taken_for_that_of_the_file(said: str | None, tmp_path: Path) -> None:
    old = written(tmp_path / "anatomy.json", {"version": said, "graph_bytes": 7})
    assert files.read_record(old, Anatomy) == Anatomy(version=said, graph_bytes=7)


def test_the_rounds_of_older_rows_become_coordinates(tmp_path: Path) -> None:
    card = msgspec.to_builtins(sample_scorecard.scorecard())
    old = {**card, "schema_version": 1, "cells": [as_it_was(cell) for cell in card["cells"]]}
    del old["version"]
    read = files.read_record(written(tmp_path / "scorecard.json", old), Scorecard)
    assert [cell.coordinates() for cell in read.cells] == [
        cell.coordinates() for cell in sample_scorecard.scorecard().cells
    ]


def as_it_was(cell: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in cell.items() if name not in ("machine", "round", "control")}
    timed = {"round": cell["round"], "control": cell["control"]} if cell["stage"] in ("train", "run") else {}
    return {**kept, "metrics": {**cell["metrics"], **timed}}


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        (Scorecard, {"schema_version": 1}),
        (Scorecard, {"schema_version": 1, "cells": [7]}),
        (Scorecard, {"schema_version": 1, "cells": [{"metrics": None}]}),
        (Scorecard, []),
    ],
)
def test_a_damaged_record_of_an_older_version_is_damaged(kind: type, document: Any, tmp_path: Path) -> None:
    with pytest.raises(IncompleteEvidence, match=r"scorecard\.json is damaged"):
        files.read_record(written(tmp_path / "scorecard.json", document), kind)


def test_a_record_of_a_newer_version_is_refused_by_the_name_of_who_wrote_it(tmp_path: Path) -> None:
    newer = {"version": versions.VERSION + 1, "fweval": "9.1.0", "colour": "red"}
    run = written(tmp_path / "run.json", newer)
    with pytest.raises(NewerVersion) as raised:
        files.read_record(run, RunRecord)
    first, second = versions.VERSION + 1, versions.VERSION
    assert raised.value.message == (
        f"{run} was written by fweval 9.1.0 (version {first} of the files of a run), "
        f"this is fweval {evaluator.__version__} (version {second})"
    )
    assert "upgrade" in str(raised.value.remedy)
    step = written(tmp_path / "steps" / "a" / "result.json", {"version": first})
    with pytest.raises(NewerVersion, match=r"written by fweval 9\.1\.0"):
        files.read_record(step, Result)


def test_who_wrote_a_newer_record_may_be_unknown(tmp_path: Path) -> None:
    with pytest.raises(NewerVersion, match="written by a newer fweval"):
        files.read_record(written(tmp_path / "a" / "b" / "result.json", {"version": 99}), Result)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("run.json", "restore it from a copy"),
        ("plan.json", "fweval full --resume"),
        ("findings.json", "fweval score"),
        ("scorecard.json", "fweval score"),
        ("steps/a/artifact.json", "move "),
    ],
)
@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"a": "\\ud800', "\xff"])
def test_a_damaged_file_is_never_to_be_deleted(name: str, remedy: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(IncompleteEvidence, match="is damaged") as raised:
        files.read_record(path, RunRecord)
    assert remedy in str(raised.value.remedy)
    assert "delete" not in str(raised.value.remedy)


def test_there_is_a_way_from_every_version() -> None:
    for version in range(1, versions.VERSION):
        assert versions.current({"version": version, "a": 1}, "Another", Path("x")) == {"a": 1}
