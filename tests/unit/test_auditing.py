"""`fweval verify` and `fweval sign`: a run is what it says it is, and whatever was changed is named."""

import dataclasses
import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from evaluator.auditing import digested, recomputing, signing, tracing, verifying
from evaluator.auditing.hashing import Hashes, Progress
from evaluator.auditing.verdicts import DIFFERS, INCOMPLETE, VERIFIED, Checked, Verification
from evaluator.cli import app
from evaluator.core import digests, files
from evaluator.core.errors import FwevalError, IncompleteEvidence, UsageError
from evaluator.core.store import RunFolder
from evaluator.core.versions import NewerVersion
from evaluator.judging import replay
from exports.sizes import combined
from tests import made_run, old_run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a run with an artifact, logs and recorded digests."""
    folder = made_run.write(tmp_path_factory.mktemp("made") / "run")
    step = next(each for each in folder.plan.steps if each.stage == "export")
    place = folder.folder(step.id)
    (place / "artifact" / "model").mkdir(parents=True)
    for name in ("saved_model.pb", "variables.bin"):
        (place / "artifact" / "model" / name).write_text(name)
    (place / "stdout").write_text("said\n")
    whole = "".join(f"{name}" for name in ("saved_model.pb", "variables.bin"))
    described = {
        "path": "artifact/model",
        "layout": step.framework,
        "sha256": combined({name: digests.sha256(place / "artifact" / "model" / name) for name in SAVED}),
        "size_bytes": len(whole),
        "signature": {"inputs": [], "outputs": []},
    }
    files.write_record(place / "artifact.json", described)
    folder.event("session", stages="all")
    digests.record(folder.path)
    return folder.path


_NO_RESULT = re.compile("no verification result|what is signed is a 'x' with a 'y'")
SAVED = ("saved_model.pb", "variables.bin")


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    private = tmp_path_factory.mktemp("keys") / "board.pem"
    return private, signing.new_key(private, None)


def verify(run: Path, key: Path | None = None) -> Verification:
    signature = None if key is None else verifying.Signature(key=key, file=run / signing.NAME)
    return verifying.verify(RunFolder.open(run), signature)


def sign(run: Path, key: Path) -> Path:
    """Sign what was not verified: nothing is stated of it but its digests."""
    nothing = Verification(run="x", verifier="y", checks=())
    signing.save(run / signing.NAME, signing.sign(signing.statement(Hashes(run, Progress()), nothing), key, None))
    return run / signing.NAME


def ask(run: Path, key: Path) -> Checked:
    return signing.check(Hashes(run, Progress()), key, run / signing.NAME)


def named(verified: Verification) -> dict[str, str]:
    return {each.file: each.kind for each in verified.problems}


def change(path: Path, at: int | None = None) -> None:
    data = path.read_bytes()
    at = len(data) // 2 if at is None else at
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] if data else b"x")


def edit(path: Path, how: Callable[[Any], object]) -> None:
    document = json.loads(path.read_text())
    how(document)
    path.write_text(json.dumps(document))


def without_digests(run: Path) -> Path:
    """Make it a run of before there were recorded digests."""
    (run / digests.NAME).unlink()
    return run


def step_with(run: Path, file: str) -> Path:
    return next(path.parents[file.count("/")] for path in sorted(run.glob(f"steps/*/{file}")))


def every(run: Path) -> list[str]:
    return [name for name in digests.listed(run).files if name != digests.LOCK]


def test_a_run_that_was_left_alone_is_verified(run: Path) -> None:
    verified = verify(run)
    assert verified.code == VERIFIED, verified.problems
    assert [each.name for each in verified.checks] == ["digests", "records", "scores", "reports"]
    assert all(each.count and each.proves for each in verified.checks)


def test_verifying_writes_nothing(run: Path) -> None:
    before = {name: (run / name).read_bytes() for name in every(run)}
    os.chmod(run, 0o500)  # noqa: PTH101
    assert verify(run).code == VERIFIED
    os.chmod(run, 0o700)  # noqa: PTH101
    assert {name: (run / name).read_bytes() for name in every(run)} == before


def test_one_changed_byte_is_named_in_whichever_file_it_is(run: Path) -> None:
    folder = RunFolder.open(run)
    names = every(run)
    assert len(names) > 50
    for name in names:
        data = (run / name).read_bytes()
        change(run / name)
        try:
            found = digested.check(folder, Hashes(run, Progress()), (), ())
            assert name in {each.file for each in found.problems}, name
        except NewerVersion as error:
            assert name in error.message  # noqa: PT017  # one of many files
        except IncompleteEvidence as error:
            assert name == "run.json" and name in error.message  # noqa: PT017,PT018  # one of many files
        (run / name).write_bytes(data)


@pytest.mark.parametrize(
    "file",
    [
        "findings.json",
        "scorecard.json",
        "scorecard.html",
        "plan.json",
    ],
)
def test_a_changed_byte_of_what_people_read_does_not_pass_the_whole(run: Path, file: str) -> None:
    change(run / file)
    verified = verify(run)
    assert verified.code == DIFFERS
    assert file in named(verified)


@pytest.mark.parametrize("file", ["result.json", "samples/latency.jsonl", "artifact/model/variables.bin"])
def test_a_changed_byte_of_evidence_does_not_pass_the_whole(run: Path, file: str) -> None:
    path = step_with(run, file) / file
    change(path)
    verified = verify(run)
    assert verified.code == DIFFERS
    assert str(path.relative_to(run)) in named(verified)


def test_of_a_run_that_recorded_no_digests_what_findings_rest_on_is_compared(run: Path) -> None:
    without_digests(run)
    verified = verify(run)
    assert verified.code == VERIFIED
    assert verified.checks[0].proves == ""
    assert "not recorded: no digest of" in verified.checks[0].notes[0]
    path = run / next(each["evidence"][0]["path"] for each in _findings(run) if each["check"] == "latency")
    path.write_bytes(path.read_bytes() + b"\n")
    assert named(verify(run))[str(path.relative_to(run))] == "changed"


@pytest.mark.parametrize("place", ["findings.json", "scorecard.json"])
def test_a_changed_figure_is_named_with_its_place_and_both_values(run: Path, place: str) -> None:
    without_digests(run)
    number = next(n for n, each in enumerate(_findings(run)) if each["score"] == 10.0)
    edit(run / place, lambda found: found["findings"][number].update(score=9.0))
    problem = next(each for each in verify(run).problems if each.file == place)
    assert problem.field == f"/findings/{number}/score"
    assert "it has 9.0; computed again: 10.0" in problem.said


def _findings(run: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((run / "findings.json").read_text())["findings"]
    return found


def test_samples_that_say_something_else_give_other_scores(run: Path) -> None:
    without_digests(run)
    for path in run.glob("steps/*/samples/latency.jsonl"):
        path.write_text("9.9\n" * len(path.read_text().splitlines()))
    assert {"findings.json", "scorecard.json"} <= set(named(verify(run)))


@pytest.mark.parametrize("known", [True, False])
def test_a_changed_number_of_the_page_is_found(run: Path, *, known: bool) -> None:
    if not known:
        without_digests(run)
    page = run / "scorecard.html"
    text = page.read_text()
    figure = next(each for each in tracing._NUMBER.findall(tracing.seen(page.name, text)) if "." in each)
    page.write_text(text.replace(f">{figure}", ">71.337", 1) if f">{figure}" in text else text + "<p>71.337</p>")
    verified = verify(run)
    assert verified.code == DIFFERS
    assert "scorecard.html" in named(verified)
    if not known:
        assert any("71.337" in each.said for each in verified.problems)


def test_what_another_fweval_wrote_is_looked_for_number_by_number(run: Path) -> None:
    page = run / "scorecard.html"
    page.write_text(page.read_text().replace("</body>", "<p>in other words</p></body>"))
    verified = verify(without_digests(run))
    assert verified.code == VERIFIED, verified.problems
    assert any("is not as this fweval writes it" in each for each in verified.checks[-1].notes)


def test_fields_that_are_newer_than_a_scorecard_are_no_difference(run: Path) -> None:
    without_digests(run)
    edit(run / "scorecard.json", lambda card: card.pop("trainings"))
    replay.report(RunFolder.open(run))
    edit(run / "scorecard.json", lambda card: card.pop("trainings"))
    verified = verify(run)
    assert verified.code == VERIFIED, verified.problems
    assert any("knew nothing of: trainings" in each for each in verified.checks[2].notes)


def test_what_another_fweval_weighed_otherwise_is_computed_by_its_own_weights(run: Path) -> None:
    folder = RunFolder.open(without_digests(run))
    evidence = replay.gather(folder)
    policy = msgspec.structs.replace(evidence.policy, categories={**evidence.policy.categories, "serving": 99.0})
    evidence = dataclasses.replace(evidence, policy=policy)
    replay.score(folder, evidence)
    replay.report(folder)
    verified = verify(run)
    assert verified.code == VERIFIED, verified.problems
    assert any(
        "judged by the weights and thresholds that stand in scorecard.json" in each for each in verified.checks[2].notes
    )
    digests.record(run)
    assert "/policy/categories/serving" in {each.field for each in verify(run).problems}


def test_a_field_that_was_taken_out_of_our_own_scorecard_is_a_difference(run: Path) -> None:
    edit(run / "scorecard.json", lambda card: card.pop("trainings"))
    assert "/trainings" in {each.field for each in verify(run).problems}


@pytest.mark.parametrize("gone", ["samples", "step", "plan.json", "artifact"])
def test_half_a_copy_is_incomplete_and_says_what_is_missing(run: Path, gone: str) -> None:
    step = step_with(run, "samples/latency.jsonl")
    if gone == "samples":
        shutil.rmtree(step / "samples")
        missing = f"steps/{step.name}/samples/latency.jsonl"
    elif gone == "step":
        shutil.rmtree(step)
        missing = f"steps/{step.name}/result.json"
    elif gone == "artifact":
        step = step_with(run, "artifact.json")
        (step / "artifact/model/variables.bin").unlink()
        missing = f"steps/{step.name}/artifact/model/variables.bin"
    else:
        (run / gone).unlink()
        missing = gone
    verified = verify(run)
    assert verified.code == INCOMPLETE, verified.problems
    assert named(verified)[missing] == "missing"
    assert (verified.checks[2].skipped == "") is (gone == "artifact")


def test_a_step_that_is_gone_is_missing_without_recorded_digests_too(run: Path) -> None:
    step = step_with(without_digests(run), "samples/latency.jsonl")
    shutil.rmtree(step)
    verified = verify(run)
    assert verified.code == INCOMPLETE
    assert f"steps/{step.name}/result.json" in named(verified)


def test_a_file_that_was_added_is_named(run: Path) -> None:
    (run / "steps" / "extra.json").write_text("{}")
    assert named(verify(run)) == {"steps/extra.json": "added"}


def test_links_are_named_and_nothing_is_read_through_them(run: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root:x:0:0\n")
    step = step_with(run, "samples/latency.jsonl")
    path = step / "samples" / "latency.jsonl"
    path.unlink()
    path.symlink_to(secret)
    (run / "steps" / "more").symlink_to("/etc")
    verified = verify(run)
    assert verified.code == DIFFERS
    assert named(verified) == {str(path.relative_to(run)): "refused", "steps/more": "refused"}
    assert verified.checks[2].skipped == "links and what is no file are not read"
    assert "root:x" not in "".join(map(str, verified.problems))


@pytest.mark.parametrize("name", ["../../../etc/passwd", "/etc/passwd", "..", "a/../../x", "x\0y"])
def test_a_name_that_leads_out_of_the_folder_is_refused(run: Path, name: str) -> None:
    path = step_with(without_digests(run), "artifact.json") / "result.json"
    edit(path, lambda result: result["files"].update(log=name))
    edit(path.with_name("artifact.json"), lambda artifact: artifact.update(path=name))
    found = digested.check(RunFolder.open(run), Hashes(run, Progress()), (), ())
    assert {("refused", "/files/log"), ("refused", "/path")} <= {(each.kind, each.field) for each in found.problems}


def test_a_run_of_version_1_is_read_and_its_points_are_left_to_its_day(tmp_path: Path) -> None:
    verified = verify(old_run.unpack(tmp_path))
    assert verified.code == INCOMPLETE  # weights and artifacts were left out of it
    assert all(each.kind == "missing" for each in verified.problems)
    assert "files of version 1 were judged by the rules of their day" in verified.checks[2].skipped


def test_a_changed_row_of_a_run_of_version_1_is_named(tmp_path: Path) -> None:
    run = old_run.unpack(tmp_path)
    path = next(each for each in sorted(run.glob("steps/*-run-*/result.json")) if "throughput" in each.read_text())
    edit(path, lambda result: result["metrics"].update(throughput_per_s=1.5))
    problem = next(each for each in verify(run).problems if each.kind == "differs")
    assert problem.file == "scorecard.json"
    assert problem.field.endswith("/metrics/throughput_per_s")
    assert "computed again: 1.5" in problem.said


def test_a_run_of_a_newer_fweval_is_refused_in_a_sentence(run: Path) -> None:
    edit(run / "run.json", lambda record: record.update(version=99))
    with pytest.raises(NewerVersion, match="version 99"):
        verify(run)


def test_whatever_is_spoiled_there_is_no_bug(run: Path) -> None:
    for name in ("run.json", "plan.json", "digests.json", "findings.json", "scorecard.json"):
        data = (run / name).read_bytes()
        for content in (b"[]", b"[" * 100_000):
            (run / name).write_bytes(content)
            try:
                assert verify(run).code in (DIFFERS, INCOMPLETE)
            except FwevalError as error:
                assert error.remedy  # noqa: PT017  # one of many spoiled files
        (run / name).write_bytes(data)


def test_a_signed_run_is_verified_with_the_public_key(run: Path, keys: tuple[Path, Path]) -> None:
    assert app(["sign", str(run), "--key", str(keys[0])], standalone_mode=False) == 0
    found, path = ask(run, keys[1]), run / signing.NAME
    assert found.holds, found.problems
    assert "FWEVAL_DIGESTS_OK, FWEVAL_RECORDS_STRICT, FWEVAL_SCORES_RECOMPUTED, FWEVAL_REPORT_TRACED" in (found.said)
    statement = msgspec.json.decode(signing._decoded(json.loads(path.read_text())["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://in-toto.io/attestation/svr/v0.1"
    assert {each["name"] for each in statement["subject"]} == set(every(run)) - {signing.NAME}
    assert statement["predicate"]["timeCreated"].endswith("Z")


def test_the_digests_themselves_are_signed(run: Path, keys: tuple[Path, Path]) -> None:
    sign(run, keys[0])
    (run / "steps" / "extra.json").write_text("{}")
    digests.record(run)
    assert {each.file: each.kind for each in ask(run, keys[1]).problems} == {
        "digests.json": "changed",
        "steps/extra.json": "added",
    }


def test_every_changed_file_of_a_signed_run_is_named_also_one_that_nothing_else_knows(
    run: Path, keys: tuple[Path, Path]
) -> None:
    sign(without_digests(run), keys[0])
    names = [name for name in every(run) if name != signing.NAME]
    for name in names:
        data = (run / name).read_bytes()
        change(run / name)
        found = ask(run, keys[1])
        assert [each.file for each in found.problems] == [name]
        (run / name).write_bytes(data)


def test_no_byte_of_a_signature_can_be_changed(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    (tmp_path / "run.json").write_text("{}")
    hashes = Hashes(tmp_path, Progress())
    nothing = Verification(run="x", verifier="y", checks=())
    path = tmp_path / signing.NAME
    whole = signing.sign(signing.statement(hashes, nothing), keys[0], None)
    path.write_bytes(whole)
    assert signing.check(hashes, keys[1], path).holds
    for place in range(len(whole)):
        path.write_bytes(whole)
        change(path, place)
        found = signing.check(hashes, keys[1], path)
        assert [each.file for each in found.problems] == [signing.NAME], place


def test_a_missing_file_of_a_signed_run_is_named(run: Path, keys: tuple[Path, Path]) -> None:
    sign(run, keys[0])
    (run / "scorecard.md").unlink()
    verified = verify(run, keys[1])
    assert verified.code == INCOMPLETE
    assert named(verified) == {"scorecard.md": "missing"}


def test_another_key_is_not_taken(run: Path, keys: tuple[Path, Path], tmp_path: Path) -> None:
    sign(run, keys[0])
    assert "this key did not sign it" in ask(run, signing.new_key(tmp_path / "other.pem", None)).problems[0].said


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (lambda envelope: envelope.update(payloadType="text/plain"), "its payload is 'text/plain'"),
        (lambda envelope: envelope.pop("payload"), "it is no envelope"),
        (lambda envelope: envelope.update(payload="%%"), "it is no envelope"),
        (lambda envelope: envelope.update(signatures=[]), "signed by nobody"),
        (lambda envelope: envelope.update(signatures={"sig": 1}), "it is no envelope"),
    ],
)
def test_a_damaged_envelope_is_one_line(
    how: Callable[[Any], object], said: str, run: Path, keys: tuple[Path, Path]
) -> None:
    edit(sign(run, keys[0]), how)
    found = ask(run, keys[1])
    assert said in str(found.problems[0])
    assert "\n" not in str(found.problems[0])


_STRANGE = (
    b'{"_type": "x", "subject": [], "predicateType": "y", "predicate": '
    b'{"verifier": {"id": "v"}, "timeCreated": "t", "properties": []}}'
)


def test_what_is_signed_must_be_a_verification_result(run: Path, keys: tuple[Path, Path]) -> None:
    for payload in (b"{}", _STRANGE, b"\xff"):
        (run / signing.NAME).write_bytes(signing.sign(payload, keys[0], None))
        assert _NO_RESULT.search(str(ask(run, keys[1]).problems[0]))


def test_a_run_without_a_signature_says_how_to_get_one(run: Path, keys: tuple[Path, Path]) -> None:
    with pytest.raises(IncompleteEvidence, match="cannot be read"):
        verify(run, keys[1])


def test_a_private_key_is_for_its_owner_alone_and_replaces_none(tmp_path: Path) -> None:
    path = tmp_path / "mine.pem"
    public = signing.new_key(path, "a word")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert signing.locked(path)
    assert b"PUBLIC KEY" in public.read_bytes()
    with pytest.raises(UsageError, match="cannot be made"):
        signing.new_key(path, None)


@pytest.mark.parametrize(("given", "why"), [(None, "is locked with a password"), ("wrong", "the password is wrong")])
def test_a_locked_key_wants_its_password(given: str | None, why: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.pem"
    signing.new_key(path, "right")
    with pytest.raises(UsageError, match=why):
        signing.sign(b"{}", path, given)
    assert signing.sign(b"{}", path, "right")


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_what_is_no_key_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="no public key"):
        signing.public(path)
    with pytest.raises(UsageError, match="no private key"):
        signing.sign(b"{}", path, None)
    with pytest.raises(UsageError, match="cannot be read"):
        signing.public(tmp_path / "nowhere")


def test_a_private_key_is_not_taken_for_a_public_one(keys: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match="is a private key"):
        signing.public(keys[0])


def test_a_run_that_does_not_verify_is_not_signed(run: Path, keys: tuple[Path, Path]) -> None:
    change(run / "scorecard.html")
    with pytest.raises(UsageError, match=r"not signed: scorecard\.html"):
        app(["sign", str(run), "--key", str(keys[0])], standalone_mode=False)
    assert not (run / signing.NAME).exists()


def test_the_commands_sign_and_verify(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(signing.PASSWORD, "a word")
    key = tmp_path / "k.pem"
    assert app(["sign", "--new-key", str(key)], standalone_mode=False) == 0
    assert app(["sign", str(run), "--key", str(key)], standalone_mode=False) == 0
    assert app(["verify", str(run), "--key", f"{key}.pub"], standalone_mode=False) == 0
    out = capsys.readouterr().out
    assert [line[2:11] for line in out.splitlines() if line.startswith("✓")] == [
        *("digests  ", "records  ", "scores   ", "reports  ", "signature")
    ]
    change(run / "scorecard.md")
    assert app(["verify", str(run), "--json"], standalone_mode=False) == 1
    assert json.loads(capsys.readouterr().out)["problems"][0]["file"] == "scorecard.md"


def test_a_figure_of_the_report_is_traced_to_its_samples(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = replay.read_scorecard(RunFolder.open(run))
    finding = next(each for each in card.findings if each.check == "latency" and each.value is not None)
    figure = tracing._written(finding.value or 0.0)[0]
    found = tracing.trace(RunFolder.open(run), card, figure)
    assert found.shown
    own = next(each for each in found.fields if each.about == finding.id and each.pointer.endswith("/value"))
    assert any("samples/latency.jsonl (20 samples)" in each for each in own.evidence)
    assert any("result.json (sha256" in each for each in own.evidence)
    assert app(["verify", str(run), "--trace", figure], standalone_mode=False) == 0
    assert finding.id in capsys.readouterr().out


def test_a_figure_that_no_report_shows_is_no_figure(run: Path) -> None:
    folder = RunFolder.open(run)
    with pytest.raises(UsageError, match=r"no report of this run shows '123456\.789 ms'"):
        tracing.trace(folder, replay.read_scorecard(folder), "123456.789 ms")


@pytest.mark.parametrize(
    ("stored", "fresh", "found"),
    [
        ({"a": [1, 2]}, {"a": [1, 2.0]}, []),
        ({"a": 1.0}, {"a": 1.0 + 1e-12}, []),
        ({"a": 1.0}, {"a": 1.001}, ["/a"]),
        ({"a/b": {"~": 1}}, {"a/b": {"~": 2}}, ["/a~1b/~0"]),
        ({"a": [1]}, {"a": [1, 2]}, ["/a"]),
        ({"a": True}, {"a": 1}, ["/a"]),
        ({"a": None}, {}, ["/a"]),
        ({"plugins": [{"folder": "x"}]}, {"plugins": [{"folder": "y"}]}, []),
    ],
)
def test_documents_are_compared_value_by_value(stored: Any, fresh: Any, found: list[str]) -> None:
    assert [each.pointer for each in recomputing.differences(stored, fresh)] == found


def test_a_word_comes_when_it_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    clock: Iterator[float] = iter((0.0, 1.0, 2.5, 2.5, 3.0))
    monkeypatch.setattr("evaluator.auditing.hashing.time.monotonic", lambda: next(clock))
    progress = Progress(said.append)
    for words in ("early", "late", "soon after"):
        progress.at(lambda words=words: words)  # type: ignore[misc]
    assert said == ["late"]
