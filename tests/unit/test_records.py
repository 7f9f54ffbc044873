"""Records are strict, files are whole or named as damaged, and names lead to plug-ins."""

import hashlib
from pathlib import Path

import msgspec
import pytest

from evaluator.core import files, registry
from evaluator.core.errors import IncompleteEvidence, UsageError
from evaluator.core.outcome import Outcome
from evaluator.core.records import Profile, Record, Result, RunRecord, Step
from tests.engine import PROFILE, make_step, run_record

RESULT = Result(step="a", outcome=Outcome.PASSED, metrics={"load_s": 0.5, "queries": 3, "capped": False})


@pytest.mark.parametrize("record", [RESULT, make_step("a", needs={"artifact": "b"}), PROFILE, run_record()])
def test_records_come_back_from_disk_as_they_were(record: Record, tmp_path: Path) -> None:
    files.write_record(tmp_path / "record.json", record)
    assert files.read_record(tmp_path / "record.json", type(record)) == record


def test_records_are_written_the_same_every_time(tmp_path: Path) -> None:
    for name, metrics in (("one", {"a": 1, "b": 2}), ("two", {"b": 2, "a": 1})):
        files.write_record(tmp_path / name, msgspec.structs.replace(RESULT, metrics=metrics))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_records_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        RESULT.outcome = Outcome.FAILED  # type: ignore[misc]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Result, '{"step": "a", "outcome": "passed", "seconds_taken": 1}'),
        (Result, '{"step": "a", "outcome": "fine"}'),
        (Result, '{"step": "a", "outcome": "passed", "metrics": {"load_s": null}}'),
        (Step, '{"id": "a", "stage": "run", "scenario": "tiny"}'),
        (Step, '{"id": "a", "stage": "run", "scenario": "tiny", "framework": "pytorch", "round": "1"}'),
        (RunRecord, "{}"),
        (Result, '{"step": "a", "outco'),
        (Result, ""),
    ],
)
def test_a_damaged_file_is_named(kind: type[Record], text: str, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(text)
    with pytest.raises(IncompleteEvidence) as raised:
        files.read_record(path, kind)
    assert raised.value.message.startswith(f"{path} is damaged: ")
    assert raised.value.remedy


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(IncompleteEvidence, match=r"gone\.json is missing"):
        files.read_record(tmp_path / "gone.json", Result)


@pytest.mark.parametrize(
    ("field", "value"), [("rounds", 0), ("train_samples", -1), ("highest_tail", "p42"), ("timeout_s", {"run": 0.0})]
)
def test_a_profile_makes_sense(field: str, value: object) -> None:
    table = {**msgspec.to_builtins(PROFILE), field: value}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(table, Profile)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    """A reader that opened the old file goes on reading it: the new one took its name, not its place."""
    path = tmp_path / "report.html"
    files.write_text(path, "old")
    with path.open() as reader:
        files.write_text(path, "new")
        assert reader.read() == "old"
    assert path.read_text() == "new"
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    files.write_record(path, RESULT)
    with pytest.raises(TypeError):
        files.write_record(path, {"metrics": object()})
    assert files.read_record(path, Result) == RESULT


def test_samples_come_back_bit_for_bit(tmp_path: Path) -> None:
    series = {"latency": (0.1, 1 / 3, 5e-324), "loss": (float("inf"),), "none": ()}
    files.write_samples(tmp_path, series)
    assert files.read_samples(tmp_path) == series


def test_damaged_samples_are_named(tmp_path: Path) -> None:
    files.write_samples(tmp_path, {"latency": (0.1, 0.2)})
    (tmp_path / "samples" / "latency.jsonl").write_text("0.1\n0.x\n")
    with pytest.raises(IncompleteEvidence, match=r"latency\.jsonl is damaged: .*0\.x") as raised:
        files.read_samples(tmp_path)
    assert str(raised.value.remedy).startswith(f"move {tmp_path} elsewhere and resume")  # what passed is kept otherwise


def test_a_step_without_samples_has_none(tmp_path: Path) -> None:
    assert files.read_samples(tmp_path) == {}


def test_digests_are_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"weights")
    assert files.sha256(tmp_path / "a") == hashlib.sha256(b"weights").hexdigest()


def test_endings_that_say_something_about_the_subject() -> None:
    assert [outcome.value for outcome in Outcome if outcome.is_answer] == [
        "passed",
        "failed",
        "unsupported",
        "crashed",
        "timed_out",
    ]


@pytest.mark.parametrize("kind", sorted(registry.KINDS))
def test_plug_ins_are_the_files_of_their_folder(kind: str) -> None:
    folder = Path(__file__).parents[2] / registry.KINDS[kind].replace(".", "/")
    expected = sorted(path.stem for path in folder.glob("*.py") if not path.name.startswith("_"))
    assert list(registry.names(kind)) == expected
    assert expected
    assert [plugin.name for plugin in registry.load_all(kind)] == expected


@pytest.mark.parametrize(
    ("kind", "given", "hint"),
    [
        ("format", "torchscirpt", "did you mean 'torchscript'?"),
        ("format", "ONNX", "did you mean 'onnx'?"),
        ("server", "xyz", "known: tensorflow_serving, torchserve"),
        ("format", "_keras", None),
    ],
)
def test_an_unknown_plug_in_is_answered_with_the_nearest(kind: str, given: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as raised:
        registry.load(kind, given)
    assert raised.value.message == f"there is no {kind} '{given}'"
    assert hint in (None, raised.value.remedy)
