"""What a run records of its own files: once of evidence, anew of what follows from it, and not of what is no file."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from evaluator.core import digests
from evaluator.core.errors import IncompleteEvidence
from evaluator.core.versions import NewerVersion


@pytest.fixture
def run(tmp_path: Path) -> Path:
    made = ("run.json", "events.jsonl", "scorecard.json", "lock", "steps/a/result.json", "steps/b/samples/x.jsonl")
    for name in made:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    return tmp_path


def known(run: Path) -> dict[str, str]:
    found = digests.read(run)
    assert found is not None
    return found.files


def test_every_file_is_recorded_but_the_lock_and_what_is_made_of_digests(run: Path) -> None:
    (run / "evidence.intoto.jsonl").write_text("{}")
    digests.record(run)
    assert set(known(run)) == {
        *("run.json", "events.jsonl", "scorecard.json", "steps/a/result.json", "steps/b/samples/x.jsonl")
    }
    assert known(run)["steps/a/result.json"] == hashlib.sha256(b"steps/a/result.json").hexdigest()


def test_a_run_that_records_nothing_goes_on_doing_so(run: Path) -> None:
    digests.renew(run, ["scorecard.json"])
    digests.forget(run, "steps/a")
    assert digests.read(run) is None


def test_evidence_is_recorded_once_and_the_rest_whenever_a_session_ends(run: Path) -> None:
    digests.record(run)
    before = known(run)
    for name in ("run.json", "events.jsonl", "steps/a/result.json", "steps/c"):
        (run / name).write_text("changed")
    digests.record(run)
    after = known(run)
    assert {name for name in after if after[name] != before.get(name)} == {"events.jsonl", "steps/c"}


def test_a_step_that_is_done_again_is_recorded_anew(run: Path) -> None:
    digests.record(run)
    (run / "steps/a/result.json").write_text("another")
    (run / "steps/b/samples/x.jsonl").write_text("another")
    digests.forget(run, "steps/a")
    assert "steps/b/samples/x.jsonl" in known(run)
    digests.record(run)
    assert known(run)["steps/a/result.json"] == hashlib.sha256(b"another").hexdigest()
    assert known(run)["steps/b/samples/x.jsonl"] != hashlib.sha256(b"another").hexdigest()


def test_what_follows_from_evidence_names_its_maker(run: Path) -> None:
    digests.record(run)
    (run / "scorecard.json").write_text("scored again")
    (run / "scorecard.md").write_text("new")
    digests.renew(run, ["scorecard.json", "scorecard.md"])
    found = digests.read(run)
    assert found is not None
    assert found.makers == dict.fromkeys(("scorecard.json", "scorecard.md"), digests.me())
    assert found.files["scorecard.json"] == hashlib.sha256(b"scored again").hexdigest()


def test_the_whole_is_what_sha256sum_prints(run: Path) -> None:
    digests.record(run)
    found = digests.read(run)
    assert found is not None
    names = sorted(found.files)
    printed = subprocess.run(["sha256sum", *names], cwd=run, capture_output=True, check=True, timeout=60).stdout
    assert digests.lines(found.files).encode() == printed
    maker = f"{digests.me()}  scorecard.json\n"
    assert found.whole == hashlib.sha256(printed + maker.encode()).hexdigest()


def test_a_changed_byte_of_the_record_itself_shows(run: Path) -> None:
    digests.record(run)
    path = run / digests.NAME
    data = path.read_bytes()
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises((IncompleteEvidence, NewerVersion), match=r"digests\.json"):
            digests.read(run)


def test_links_and_pipes_are_named_and_not_followed(run: Path) -> None:
    (run / "steps/link").symlink_to("/etc")
    (run / "steps/a/here").symlink_to("result.json")
    os.mkfifo(run / "pipe")
    found = digests.listed(run)
    assert found.strange == {
        "pipe": "no file",
        "steps/a/here": "a link to result.json",
        "steps/link": "a link to /etc",
    }
    assert set(found.files) & set(found.strange) == set()
    for name in ("pipe", "steps/a/here"):
        with pytest.raises((ValueError, OSError)):
            digests.sha256(run / name)
