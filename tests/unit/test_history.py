"""The history over runs: an index that follows them and is made anew when damaged, lines of what was measured alike."""

import shutil
import sqlite3
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from evaluator import cli
from evaluator.core import files
from evaluator.core.errors import FwevalError, UsageError
from evaluator.core.records import RunRecord
from evaluator.core.scorecard import Scorecard
from evaluator.core.store import RunFolder
from evaluator.following import _plotted, history
from evaluator.following.history import NAME, History
from evaluator.judging import replay
from tests import made_run


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return made_run.write(tmp_path_factory.mktemp("made") / "run")


def put(one: RunFolder, below: Path, name: str, **fields: object) -> Path:
    """Put a run below a folder whose scorecard says otherwise; those of its machine, by `machine`."""
    target = below / name
    target.mkdir(parents=True)
    for each in ("run.json", "scorecard.json"):
        shutil.copy(one.path / each, target)
    card = msgspec.structs.replace(replay.read_scorecard(one), run=name, **fields)
    files.write_record(target / "scorecard.json", card)
    return target


def scored(one: RunFolder, overall: float) -> dict[str, object]:
    scores = replay.read_scorecard(one).scores
    return {"scores": tuple(msgspec.structs.replace(each, overall=overall) for each in scores)}


@pytest.fixture
def below(one: RunFolder, tmp_path: Path) -> Path:
    """Return a folder of three runs: two of one machine, one of another."""
    put(one, tmp_path, "b", created_at="2026-02-01T00:00:00+00:00", **scored(one, 6.0))
    put(one, tmp_path, "a", created_at="2026-01-01T00:00:00+00:00", **scored(one, 5.0))
    machine = msgspec.structs.replace(one.record.machine, cpu="Another")
    put(one, tmp_path, "c", created_at="2026-03-01T00:00:00+00:00", machine=machine, **scored(one, 9.0))
    return tmp_path


def values(found: History) -> list[list[float]]:
    return [[point.value.value for point in each.points] for each in found.series]


def test_runs_stand_in_their_order_and_machines_are_different_lines(below: Path) -> None:
    found = history.read(below, "score/pytorch")
    assert [each.folder for each in found.runs] == ["a", "b", "c"]
    assert values(found) == [[5.0, 6.0], [9.0]]
    assert found.series[1].machine.startswith("Another")
    assert found.notes == ()


def test_a_scenario_that_means_something_else_is_another_line(below: Path) -> None:
    path = below / "b" / "run.json"
    record = files.read_record(path, RunRecord)
    scenarios = {name: {**each, "throughput_batch": 77} for name, each in record.scenarios.items()}
    files.write_record(path, msgspec.structs.replace(record, scenarios=scenarios))
    assert sorted(values(history.read(below, "score/pytorch"))) == [[5.0], [6.0], [9.0]]


def test_the_index_follows_runs_that_come_go_and_are_scored_again(below: Path, one: RunFolder) -> None:
    history.read(below)
    shutil.rmtree(below / "c")
    put(one, below, "d", created_at="2026-04-01T00:00:00+00:00", **scored(one, 7.5))
    card = files.read_record(below / "a" / "scorecard.json", Scorecard)
    again = tuple(msgspec.structs.replace(each, overall=5.25) for each in card.scores)
    files.write_record(below / "a" / "scorecard.json", msgspec.structs.replace(card, scores=again))
    found = history.read(below, "score/pytorch")
    assert [each.folder for each in found.runs] == ["a", "b", "d"]
    assert values(found) == [[5.25, 6.0, 7.5]]


@pytest.mark.parametrize("damage", ["junk", "version", "half"])
def test_a_damaged_index_is_made_anew_and_that_is_said(below: Path, damage: str) -> None:
    expected = history.read(below, "score/pytorch")
    path = below / NAME
    if damage == "junk":
        path.write_bytes(b"no database" * 100)
    elif damage == "half":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        with sqlite3.connect(path) as index:
            index.execute("PRAGMA user_version = 99")
    found = history.read(below, "score/pytorch")
    assert msgspec.structs.replace(found, notes=()) == expected
    assert "made anew" in found.notes[0]
    assert history.read(below, "score/pytorch") == expected


def test_rebuilt_or_deleted_it_says_the_same(below: Path) -> None:
    expected = history.read(below, "score/*")
    assert history.read(below, "score/*", rebuild=True) == expected
    (below / NAME).unlink()
    assert history.read(below, "score/*") == expected


def test_a_run_that_cannot_be_read_is_left_out_and_named(below: Path) -> None:
    (below / "a" / "scorecard.json").write_text("{")
    (below / "b" / "scorecard.json").unlink()
    found = history.read(below)
    assert [each.folder for each in found.runs] == ["c"]
    assert any("scorecard.json is damaged" in note for note in found.notes)
    assert any("has no scorecard yet" in note for note in found.notes)


def test_where_runs_may_only_be_read_the_index_lies_in_the_cache(
    below: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FWEVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("os.access", lambda path, _: path != below)
    assert len(history.read(below).runs) == 3
    assert not (below / NAME).exists()
    assert list((tmp_path / "cache" / "history").iterdir())


def test_an_unknown_figure_is_answered_with_the_nearest(below: Path) -> None:
    with pytest.raises(UsageError, match="there is no figure 'scor/pytorch'") as refused:
        history.read(below, "scor/pytorch")
    assert refused.value.remedy == "did you mean 'score/pytorch'?"
    with pytest.raises(UsageError, match="figures of several units"):
        history.read(below, "*")
    with pytest.raises(UsageError, match="there is no folder"):
        history.read(below / "gone")


def test_pictures_hold_every_point_and_ask_for_nothing(below: Path) -> None:
    series = history.read(below, "score/pytorch").series
    picture = _plotted.svg(series)
    assert picture.count("<circle") == 3
    assert picture.count("<polyline") == 2
    page = _plotted.page(series, "score & more")
    assert "score &amp; more" in page
    assert "<svg" in page
    for text in (
        picture.replace('xmlns="http://www.w3.org/2000/svg"', ""),
        page.replace("http://www.w3.org/2000/svg", ""),
    ):
        assert "http" not in text
        assert "<script" not in text
    drawn = _plotted.terminal(series, 80)
    assert "\x1b" not in drawn
    assert max(map(len, drawn.splitlines())) <= 80
    assert drawn.count("+") >= 1


def test_the_command_lists_plots_and_writes(below: Path, tmp_path: Path) -> None:
    call = CliRunner().invoke
    done = call(cli.app, ["history", "--below", str(below)], standalone_mode=False)
    assert done.exit_code == 0, done.output
    assert "2026-03-01" in done.output
    asked = ["history", "--below", str(below), "--figure", "score/pytorch", "--out", str(tmp_path / "x.svg")]
    done = call(cli.app, asked, standalone_mode=False)
    assert "more is better" in done.output
    assert (tmp_path / "x.svg").read_text().startswith("<svg")
    done = call(cli.app, [*asked[:3], "--out", "x.png"], standalone_mode=False)
    assert isinstance(done.exception, FwevalError)
    done = call(cli.app, [*asked[:5], "--json"], standalone_mode=False)
    assert msgspec.json.decode(done.output, type=History).series
