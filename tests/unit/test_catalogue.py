"""A run carries its own words: what is installed when it is scored again changes nothing."""

import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest

from evaluator.core import catalogue, files
from evaluator.core.catalogue import Catalogue
from evaluator.core.errors import IncompleteEvidence
from evaluator.core.scorecard import Scorecard
from evaluator.core.store import RunFolder
from evaluator.judging import replay
from tests import old_run
from tests.engine import run_folder

# Made on every run, written to a new format and to one that the other framework has: two ways to change a coverage.
ONE_MORE = """
from exports.contract import Exporter

class OneMore(Exporter):
    name, title, origin, route, layout, standard = "{name}", "One more", "{origin}", "native", "{origin}", True
    format, distributions = "{format}", ()

    def export(self, origin, precision, folder):
        raise NotImplementedError

plugin = OneMore()
"""
SCORE = """
import sys, exports.exporters
exports.exporters.__path__.append(sys.argv.pop(1))
from evaluator.core import registry
assert "zz_torchscript" in registry.names("exporter")
from evaluator.cli import main
main()
"""


def test_a_run_of_version_1_scores_for_ever_as_it_did(tmp_path: Path) -> None:
    """Every figure, finding, row and curve; sentences may differ, and what is said of which framework is better."""
    folder = RunFolder.open(old_run.unpack(tmp_path))
    assert replay.read_scorecard(folder) == old_run.scorecard()
    (folder.path / "scorecard.json").unlink()
    replay.judge(folder)
    assert old_run.differences(replay.score(folder)) == []
    card = replay.read_scorecard(folder)
    assert old_run.differences(card) == []
    latencies = [each for each in card.comparisons if each.question == "latency" and each.ratio is not None]
    assert {each.answer for each in latencies} == {"undecided"}  # three rounds, far apart
    assert all(each.winner == each.ahead for each in card.comparisons)
    assert {score.verdict for score in card.scores} == {"ready"}  # nobody is ahead, and each meets its targets
    assert (card.rankings, [each for each in card.comparisons if each.pairs]) == ((), [])
    assert {path.name for path in replay.report(folder)} >= {"scorecard.html", "scorecard.md", "scorecard.csv"}
    links = re.findall(r'href="(steps/[^"]+)"', (folder.path / "scorecard.html").read_text())
    assert len(set(links)) > 400
    assert all((folder.path / unquote(link)).exists() for link in links)


def test_one_more_exporter_changes_nothing_of_an_old_run(tmp_path: Path) -> None:
    """It counted as evidence that the run lacks: a coverage of 0.25 became 0.195."""
    folder, more = old_run.unpack(tmp_path), tmp_path / "more"
    untouched = RunFolder.open(old_run.unpack(tmp_path / "untouched"))
    replay.judge(untouched)
    before = json.loads(msgspec.json.encode(replay.score(untouched).scores))
    more.mkdir()
    for form, origin in (("torchscript", "tensorflow"), ("executorch", "pytorch")):
        (more / f"zz_{form}.py").write_text(ONE_MORE.format(name=f"zz_{form}", format=form, origin=origin))
    done = subprocess.run(
        [sys.executable, "-c", SCORE, str(more), "score", str(folder), "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 1, 3), done.stderr
    assert json.loads(done.stdout)["scores"] == before
    assert old_run.differences(files.read_record(folder / "scorecard.json", Scorecard)) == []


def test_what_is_collected_comes_back_from_disk(tmp_path: Path) -> None:
    files.write_record(tmp_path / catalogue.NAME, catalogue.collect())
    read = catalogue.read(tmp_path)
    assert read == catalogue.collect()
    assert read.title("runtime", "torch_jit") == "torch.jit"
    assert read.title("runtime", "of one's own") == "of one's own"
    assert read.origins["onnx"] == ("pytorch", "tensorflow")
    assert any(exporter.cannot for exporter in read.exporters.values())


def test_a_run_of_this_version_must_have_its_own(tmp_path: Path) -> None:
    """Words of another day would be wrong without a word."""
    folder = run_folder(tmp_path)
    with pytest.raises(IncompleteEvidence, match=r"catalogue\.json is missing") as raised:
        _ = folder.catalogue
    assert "--resume" in str(raised.value.remedy)


def test_a_run_of_version_1_has_the_plug_ins_of_its_day(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    old = RunFolder(tmp_path).catalogue
    assert old.title("format", "tflite") == "TFLite"
    assert set(old.origins) == {"torchscript", "torchmobile", "onnx", "savedmodel", "tflite"}
    assert old == catalogue.read(tmp_path)


def test_an_empty_catalogue_knows_names_only() -> None:
    assert Catalogue().title("format", "onnx") == "onnx"
    assert Catalogue().origins == {}
