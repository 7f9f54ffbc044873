"""What others wrote moves no cursor, turns no line round and breaks no table, wherever it is shown."""

import csv
import io
import json
import tempfile
import unicodedata
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from evaluator import cli
from evaluator.core import text
from evaluator.core.errors import UsageError
from evaluator.core.outcome import Outcome
from evaluator.core.records import Anatomy, Result, Signature, TensorSpec
from evaluator.core.store import RunFolder
from evaluator.inspecting.inspection import Inspection, Tried
from evaluator.inspecting.text import show
from evaluator.judging import replay
from evaluator.running.progress import Reporter
from evaluator.stages.inspect import Found
from tests import made_run
from tests.engine import make_step

CLEAR = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\b\x00\x7f"
TURNED = "\u202ecod.exe\u2066\u200e\ufeff\U000e0041"
HOSTILE = f'=HYPERLINK("x")|`<script>alert(1)</script>{CLEAR}{TURNED}\n# heading\n\n| a | b |'
LONG = "n" * 70_000
FORMULAS = ("=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1")


def harmful(shown: str) -> set[str]:
    """Return the signs that no terminal, page or table may get; line ends are theirs."""
    return {sign for sign in shown if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp")} - {"\n", "\u200d"}


@given(st.text(), st.integers(1, 40))
def test_a_line_is_one_and_harmless_and_not_long(given_text: str, longest: int) -> None:
    shown = text.line(given_text, longest)
    assert "\n" not in shown
    assert not text._HARMFUL.search(shown)
    shown.encode()
    assert len(shown) <= longest + 40
    assert (" more characters)" in shown) is (len(given_text) > longest) or " more characters)" in given_text


@given(st.text(st.characters(categories=("L", "N", "P", "S")), max_size=50))
def test_harmless_text_stays_as_it_is(given_text: str) -> None:
    assert text.line(given_text) == given_text


def test_surrogates_of_names_that_are_no_text_can_be_printed() -> None:
    assert text.line(b"m\xff.onnx".decode(errors="surrogateescape")) == "m\\udcff.onnx"


@given(st.text())
def test_json_means_the_same_afterwards(given_text: str) -> None:
    encoded = json.dumps({"said": given_text.encode(errors="replace").decode()}, ensure_ascii=False, indent=1)
    safe = text.harmless_json(encoded)
    assert json.loads(safe) == json.loads(encoded)
    assert not text._HARMFUL.search(safe.replace("\n", ""))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which nearly every text is hostile."""
    path = made_run.write(tmp_path_factory.mktemp("hostile") / "run").path
    record = json.loads((path / "run.json").read_text())
    record |= {"id": HOSTILE, "created_at": f"2026{HOSTILE}", "fweval": HOSTILE}
    record["machine"] |= {"cpu": HOSTILE, "gpu": LONG, "versions": {HOSTILE: HOSTILE, "torch": LONG}}
    record["scenarios"]["resnet50"] |= {"summary": HOSTILE}
    (path / "run.json").write_text(json.dumps(record))
    catalogue = json.loads((path / "catalogue.json").read_text())
    catalogue["titles"]["format"] |= {"onnx": HOSTILE, "tflite": LONG, "torchserve": HOSTILE}
    (path / "catalogue.json").write_text(json.dumps(catalogue))
    for number, place in enumerate(sorted((path / "steps").glob("*/result.json"))):
        result = json.loads(place.read_text())
        result |= {"reason": (HOSTILE, LONG)[number % 2], "remedy": (LONG, HOSTILE)[number % 2]}
        result["metrics"] |= {"device_name": HOSTILE, "batch_sizes": [1, HOSTILE], HOSTILE: 1.0}
        if number % 5 == 0:
            result |= {"outcome": ("failed", "crashed", "unsupported", "error")[number // 5 % 4]}
        place.write_text(json.dumps(result))
        (place.parent / "stderr").write_text(f"RuntimeError: {HOSTILE}\n{LONG}")
    replay.judge(RunFolder.open(path))
    replay.score(RunFolder.open(path))
    replay.report(RunFolder.open(path))
    return path


@pytest.mark.parametrize("name", ["scorecard.html", "scorecard.md", "scorecard.csv", "scorecard.xml", "scorecard.json"])
def test_no_report_passes_on_what_is_harmful(run: Path, name: str) -> None:
    shown = (run / name).read_text()
    assert not harmful(shown)
    assert "HYPERLINK" in shown


@pytest.mark.parametrize("name", ["scorecard.html", "scorecard.md", "scorecard.csv", "scorecard.xml"])
def test_what_is_far_too_long_is_cut_with_a_cue(run: Path, name: str) -> None:
    shown = (run / name).read_text()
    assert "(68,000 more characters)" in shown
    assert "n" * (text.LONGEST + 1) not in shown


def test_reports_stay_what_they_are(run: Path) -> None:
    assert "<script>alert" not in (run / "scorecard.html").read_text()
    lines = (run / "scorecard.md").read_text().splitlines()
    assert "# heading" not in lines
    assert "| a | b |" not in lines
    assert ET.fromstring((run / "scorecard.xml").read_text()).tag == "testsuites"  # noqa: S314  # ours
    assert replay.read_scorecard(RunFolder.open(run)).run == HOSTILE  # for machines nothing is lost


def test_no_cell_of_a_table_is_a_formula(run: Path) -> None:
    rows = list(csv.reader(io.StringIO((run / "scorecard.csv").read_text())))
    assert len({len(row) for row in rows}) == 1
    assert not [cell for row in rows for cell in row if cell.startswith(FORMULAS)]
    assert [cell for row in rows for cell in row if cell.startswith("'=HYPERLINK")]


@pytest.mark.parametrize(
    "command", [["cells"], ["cells", "--json"], ["cells", "--csv"], ["score"], ["score", "--json"], ["report"]]
)
def test_no_command_prints_what_is_harmful(run: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.app([command[0], str(run), *command[1:]], standalone_mode=False) in (0, 1, 3)
    out, err = capsys.readouterr()
    assert not harmful(out + err)
    assert out


def test_errors_and_progress_are_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # the traceback is written there
    cli._say(UsageError(HOSTILE, remedy=LONG))
    cli._own_bug(ValueError(LONG))
    reporter = Reporter(Console(file=io.StringIO(), width=100))
    reporter.note(HOSTILE)
    reporter.ended(make_step("a"), Result(step="a", outcome=Outcome.FAILED, reason=HOSTILE + LONG))
    assert isinstance(reporter.console.file, io.StringIO)
    shown = reporter.console.file.getvalue()
    said = capsys.readouterr().err
    assert not harmful(said + shown)
    assert [len(part.splitlines()) for part in (said, shown)] == [2, 2]
    assert max(map(len, (*said.splitlines(), *shown.splitlines()))) < 2 * (text.LONGEST + 100)


def inspection() -> Inspection:
    spec = TensorSpec(name=HOSTILE, dtype="float32", shape=(None, 3))
    long = TensorSpec(name=LONG, dtype=CLEAR, shape=(1,))
    signature = Signature(name=HOSTILE, inputs=(spec, long), outputs=(long,))
    anatomy = Anatomy(
        version=HOSTILE,
        operators={HOSTILE: 3, LONG: 1},
        signatures=(signature, signature),
        judged=LONG,
        reaches={HOSTILE: 1},
        inputs=signature.inputs,
        outputs=signature.outputs,
        weights={TURNED: 7},
    )
    figures: dict[str, Any] = {"inputs": HOSTILE, "outputs": LONG, "finite": True}
    endings = (Outcome.FAILED, Outcome.PASSED)
    tried = [
        Tried(runtime="a", title="A", outcome=each, reason=HOSTILE, remedy=LONG, metrics=figures) for each in endings
    ]
    found = Found(
        path=f"/x/{HOSTILE}",
        files=(f"/x/{HOSTILE}", f"/x/{LONG}"),
        format="onnx",
        anatomy=anatomy,
        sha256="0" * 64,
        size_bytes=10,
        compressed_bytes=5,
    )
    return Inspection(found=found, title="ONNX", confined=True, runtimes=tuple(tried), fits=())


@pytest.mark.parametrize("as_json", [True, False])
def test_an_inspection_shows_names_of_every_kind(*, as_json: bool, capsys: pytest.CaptureFixture[str]) -> None:
    show(inspection(), as_json=as_json)
    shown = capsys.readouterr().out
    assert not harmful(shown)
    if as_json:
        assert json.loads(shown)["found"]["anatomy"]["inputs"][0]["name"] == HOSTILE
    else:
        assert "more characters)" in " ".join(shown.split())
        assert len(shown) < 20_000
