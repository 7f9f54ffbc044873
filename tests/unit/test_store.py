"""The run folder: never wiped, held by one run at a time, resumed where it stopped."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from evaluator.core import catalogue, files, scratch
from evaluator.core.catalogue import Catalogue
from evaluator.core.errors import IncompleteEvidence, UsageError
from evaluator.core.outcome import Outcome
from evaluator.core.records import Cell, Result, Step
from evaluator.core.store import Plan, RunFolder, latest
from evaluator.core.versions import NewerVersion
from tests import children
from tests.engine import make_step, run_folder, run_record


def ended(step: Step | str, outcome: Outcome = Outcome.PASSED, **fields: object) -> Result:
    name = step if isinstance(step, str) else step.id
    return Result(step=name, outcome=outcome, **fields)  # type: ignore[arg-type]


def planned(folder: RunFolder, *steps: Step, preparing: tuple[str, ...] = ("align",)) -> None:
    files.write_record(folder.path / catalogue.NAME, Catalogue(preparing=preparing))
    files.write_record(folder.path / "plan.json", Plan(steps=steps, impossible=()))


def test_a_new_folder_holds_what_was_asked_for(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "runs" / "one", run_record(seed=7))
    assert RunFolder.open(folder.path).record == run_record(seed=7)
    assert folder.steps.is_dir()


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    assert RunFolder.create(tmp_path, run_record()).path == tmp_path


def test_a_folder_with_a_run_is_refused_with_the_way_to_resume_it(tmp_path: Path) -> None:
    run_folder(tmp_path / "run")
    with pytest.raises(UsageError) as raised:
        run_folder(tmp_path / "run")
    assert raised.value.message == f"{tmp_path / 'run'} is not empty"
    assert raised.value.remedy == f"continue it with --resume {tmp_path / 'run'}"


def test_a_folder_with_anything_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("ten years of work")
    with pytest.raises(UsageError) as raised:
        run_folder(tmp_path)
    assert raised.value.remedy == "choose another folder"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(UsageError, match="is not empty"):
        run_folder(tmp_path / "run")
    with pytest.raises(UsageError, match="cannot write to"):
        run_folder(tmp_path / "run" / "below")


def test_what_is_no_run_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is no run folder \(it has no run.json\)"):
        RunFolder.open(tmp_path)


def test_one_run_at_a_time(tmp_path: Path) -> None:
    """The lock ends with the process that holds it, however it ends."""
    folder = run_folder(tmp_path)
    program = (
        "import sys, time; from pathlib import Path; from evaluator.core.store import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).lock(): print('held', flush=True); time.sleep(60)"
    )
    with children.started(
        [sys.executable, "-c", program, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match="another run is at work"), folder.lock():
            pass
        holder.kill()
    with folder.lock():
        pass


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_resumed_run_keeps_answers_and_tries_the_rest_again(outcome: Outcome, tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    folder.save(ended("a", outcome))
    (folder.folder("a") / "artifact").mkdir()
    kept = outcome in {Outcome.PASSED, Outcome.FAILED, Outcome.UNSUPPORTED}
    assert (folder.reusable("a") is not None) is kept
    assert (folder.folder("a") / "artifact").exists(), "asking removes nothing"


def test_what_a_killed_step_left_is_cleared(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    (folder.folder("a") / "artifact").mkdir(parents=True)
    temp = scratch.of(folder.folder("a"))
    temp.mkdir()
    assert folder.reusable("a") is None
    folder.discard("a")
    assert not folder.folder("a").exists()
    assert not temp.exists()


def test_a_result_of_a_newer_fweval_is_not_redone(tmp_path: Path) -> None:
    """It may be good evidence: a resumed run stops rather than measure again over it."""
    folder = run_folder(tmp_path)
    folder.save(ended(make_step("a")))
    path = folder.folder("a") / "result.json"
    path.write_text('{"version": 99}')
    with pytest.raises(NewerVersion):
        folder.unfinished([make_step("a")])
    assert path.exists()


def test_a_damaged_result_is_redone_and_what_rests_on_it_too(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    train, export = make_step("train"), make_step("export", needs={"trained": "train"})
    verify, other = make_step("verify", needs={"artifact": "export"}), make_step("other")
    steps = [train, export, verify, other]
    for step in steps:
        folder.save(ended(step))
    assert folder.unfinished(steps) == []
    path = folder.folder("train") / "result.json"
    path.write_bytes(path.read_bytes()[:-20])
    assert folder.result("train") is None
    assert folder.unfinished(steps) == [train, export, verify]
    assert [path.name for path in folder.steps.iterdir()] == ["other"]


def test_events_are_appended(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    folder.event("started", step="a")
    folder.event("ended", step="a", outcome="passed")
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert ['"event":"started"' in line for line in lines] == [True, False]


def test_rows_of_a_stage_that_is_not_installed_here_are_shown(tmp_path: Path) -> None:
    """A run made where other stages are installed is read here, too: its catalogue tells which of them have rows."""
    folder = run_folder(tmp_path / "run")
    steps = (make_step("a", stage="elsewhere"), make_step("b", stage="before"))
    planned(folder, *steps, preparing=("align", "before"))
    for step in steps:
        folder.save(Result(step=step.id, outcome=Outcome.PASSED))
    (cell,) = folder.cells()
    assert cell.stage == "elsewhere"


def test_cells_are_the_ended_steps_in_the_order_of_the_plan(tmp_path: Path) -> None:
    folder = run_folder(tmp_path)
    align = make_step("align", stage="align")
    export = make_step("export", stage="export", format="onnx", precision="fp32")
    run = make_step("run", stage="run", format="onnx", runtime="onnx_runtime", round=2, control=True)
    serve = make_step("serve", stage="serve", server="torchserve", launcher="container")
    planned(folder, align, export, run, serve)
    folder.save(ended(serve, Outcome.UNAVAILABLE, reason="no engine", remedy="install one"))
    folder.save(ended(align))
    folder.save(ended(run, metrics={"load_s": 0.5}))
    timed, served = folder.cells()
    assert timed == Cell(
        stage="run",
        scenario="made-up",
        framework="pytorch",
        format="onnx",
        exporter=None,
        precision=None,
        runtime="onnx_runtime",
        server=None,
        launcher=None,
        device="cpu",
        outcome=Outcome.PASSED,
        reason=None,
        remedy=None,
        evidence="steps/run",
        round=2,
        control=True,
        metrics={"load_s": 0.5},
    )
    assert (served.outcome, served.reason, served.remedy) == (Outcome.UNAVAILABLE, "no engine", "install one")
    assert served.metrics == {}


def test_a_run_that_stopped_before_its_plan_says_so(tmp_path: Path) -> None:
    with pytest.raises(IncompleteEvidence, match=r"plan\.json is missing"):
        run_folder(tmp_path).cells()


def test_an_event_that_a_full_disk_cut_off_spoils_no_other(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run")
    folder.event("one")
    with (folder.path / "events.jsonl").open("ab") as file:
        file.write(b'{"at":"2026-')
    folder.event("two")
    folder.event("three")
    lines = (folder.path / "events.jsonl").read_text().splitlines()
    assert [line.partition('"event":')[2] for line in lines] == ['"one"}', "", '"two"}', '"three"}']


def made(runs: Path, name: str, at: str) -> Path:
    """Make a run that says when it was made."""
    return RunFolder.create(runs / name, run_record(id=name, created_at=at)).path


def test_the_latest_run_is_the_one_that_was_made_last(tmp_path: Path) -> None:
    """Touching, reporting anew, copying and unpacking change when a folder was modified, never when it was made."""
    newer = made(tmp_path, "a", "2026-05-02T10:00:00+00:00")
    older = made(tmp_path, "z", "2026-05-02T11:59:59+02:00")
    (older / "scorecard.html").write_text("reported today")
    for path in (older, older / "run.json"):
        os.utime(path)
    os.utime(newer, (1, 1))
    shutil.copytree(newer, tmp_path / "z-copy-of-a")
    assert latest(tmp_path) == newer


def test_what_has_no_record_is_not_the_latest_run(tmp_path: Path) -> None:
    good = made(tmp_path, "good", "2026-05-02T10:00:00+00:00")
    for name, text in (("cut", b'{"created_at": "2027'), ("other", b"[1]"), ("odd", b'{"id":"odd","created_at":7}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_bytes(text)
    made(tmp_path, "undated", "some day")
    (tmp_path / "empty").mkdir()
    assert latest(tmp_path) == good
    assert latest(tmp_path / "empty") is None
    assert latest(tmp_path / "nowhere") is None


def test_a_run_of_another_version_can_be_the_latest(tmp_path: Path) -> None:
    made(tmp_path, "ours", "2026-05-02T10:00:00+00:00")
    (tmp_path / "newer").mkdir()
    told = '{"version": 99, "id": "newer", "created_at": "2026-05-03T10:00:00", "warp": 9}'
    (tmp_path / "newer" / "run.json").write_text(told)
    assert latest(tmp_path) == tmp_path / "newer"
