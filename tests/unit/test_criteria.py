"""Criteria: read strictly, fixed before the first step, must-haves as gates, and said where they were changed."""

import datetime as dt
import hashlib
import re
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluator import cli, pipeline
from evaluator.core import criteria, digests
from evaluator.core.criteria import Criteria, CriteriaUsed, NamedCriteria
from evaluator.core.errors import FwevalError, IncompleteEvidence, UsageError
from evaluator.core.outcome import Outcome
from evaluator.core.policy import CATEGORIES, STANDARD, Gate
from evaluator.core.scorecard import CandidateScore, Finding, Interval, Risk, Scorecard
from evaluator.core.store import RunFolder
from evaluator.core.targets import FIGURES, Target
from evaluator.judging import decision, gates, replay, scoring
from evaluator.judging.evidence import Evidence
from evaluator.planning.selection import Options
from evaluator.report import _terminal, html, markdown
from tests import fakes, made_run, sample_scorecard

GOOD = """\
name = "mine"
title = "Ours"
decided_by = "the board"
decided_on = 2026-11-30

[weights]
training = 40
serving = 60

[targets.latency]
full = 0.01
none = 0.1

[[gates]]
check = "parity"
path = "server"

[[gates]]
figure = "latency"
at_most_s = 0.05
path = "server"
"""


def read(text: str) -> Criteria:
    return criteria.read(Path("c.toml"), text, ("parity", "latency"))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(text: str) -> list[str]:
    """Return what `fweval criteria check` says of a text."""
    Path("c.toml").write_text(text)
    done = CliRunner().invoke(cli.app, ["criteria", "check", "c.toml"], standalone_mode=False)
    assert done.return_value == (2 if done.stderr else 0)
    return done.stderr.splitlines()


def line(text: str, part: str) -> int:
    return 1 + next(number for number, each in enumerate(text.splitlines()) if part in each)


def test_a_file_is_read_as_it_is_written() -> None:
    found = read(GOOD)
    assert found.weights == {"training": 40.0, "serving": 60.0}
    assert found.decided_on == dt.date(2026, 11, 30)
    assert [gate.limit for gate in found.gates] == [0.0, 0.05]
    assert found.policy.categories == {"training": 40.0, "serving": 60.0}
    assert found.policy.targets["latency"].source == "the criteria's [targets.latency]: mine"


@pytest.mark.parametrize("name", criteria.names())
def test_built_in_ones_have_no_mistake(name: str) -> None:
    file = criteria.given(name)
    assert criteria.mistakes(file) == ()
    assert criteria.built_in(name).name == name
    assert sum(criteria.built_in(name).weights.values()) == 100


def test_what_is_built_in_covers_the_decisions_people_face() -> None:
    assert {"balanced", "cloud_serving", "phones_and_edge", "research", "article"} <= set(criteria.names())
    assert set(criteria.built_in("balanced").weights) == set(CATEGORIES)


def test_balanced_weighs_what_every_run_has_as_before_there_were_criteria() -> None:
    weights = criteria.built_in("balanced").weights
    assert {name: weights[name] / 10 for name in STANDARD.categories} == STANDARD.categories


MISTAKES = {
    "weights of 99": ("serving = 60", "serving = 59", "add up to 99 percent, not 100 (1 too little)", "[weights]"),
    "weights of 120": ("serving = 60", "serving = 80", "add up to 120 percent, not 100 (20 too much)", "[weights]"),
    "category": ("serving = 60", "servign = 60", "unknown category (did you mean 'serving'?)", "servign"),
    "weight": ("serving = 60", "serving = -60", "-60 is no percentage from 0 to 100", "serving"),
    "words": ("serving = 60", "serving = 'much'", "'much' is no percentage from 0 to 100", "serving"),
    "key": ("decided_by", "decided_bye", "unknown key (did you mean 'decided_by'?)", "decided_bye"),
    "date": ("2026-11-30", "'soon'", "Invalid RFC3339 encoded date", "decided_on"),
    "figure": ("[targets.latency]", "[targets.latencyy]", "unknown figure (did you mean 'latency'?)", "latencyy"),
    "target's key": ("full = 0.01", "fully = 0.01", "unknown key (did you mean 'full'?)", "fully"),
    "direction": ("full = 0.01", "full = 0.2", "of latency less is better (exchange full and none)", "[targets"),
    "same": ("full = 0.01", "full = 0.1", "full marks and none are the same figure", "[targets"),
    "check": ('check = "parity"', 'check = "partiy"', "unknown check 'partiy' (did you mean 'parity'?)", "partiy"),
    "both": ('check = "parity"', 'check = "parity"\nfigure = "size"', "either a check or a figure", "[[gates]]"),
    "gate's key": ("at_most_s", "at_most_ms", "unknown key (did you mean 'at_most_s'?)", "at_most_ms"),
    "unit": ("at_most_s", "at_most_bytes", "has its limit in at_most_s, and no other", None),
    "no limit": ("at_most_s = 0.05\n", "", "has its limit in at_most_s, and no other", None),
    "gate's figure": ('figure = "latency"', 'figure = "speed"', "unknown figure 'speed'; known here: latency", None),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_with_its_place(name: str) -> None:
    before, after, said, place = MISTAKES[name]
    text = GOOD.replace(before, after, 1)
    first = refused(text)[0]
    at = line(text, place) if place else 1 + len(text[: text.rindex("[[gates]]")].splitlines())
    assert first.startswith(f"c.toml, line {at}, ")
    assert said in first


def test_every_mistake_has_its_line() -> None:
    text = GOOD.replace("serving = 60", "serving = 59").replace("full = 0.01", "fully = 1").replace("name =", "nam =")
    said = refused(text)
    assert len(said) == 4  # a key too many and one too few, weights, a target
    assert sum("99 percent" in each for each in said) == 1
    assert any("key 'name': missing key" in each for each in said)


def test_what_is_no_toml_is_one_line() -> None:
    assert refused("name = ") == ["c.toml, line 1: no valid TOML: Invalid value: name ="]


def test_a_file_without_a_mistake_says_its_digest() -> None:
    Path("c.toml").write_text(GOOD)
    done = CliRunner().invoke(cli.app, ["criteria", "check", "c.toml"], standalone_mode=False)
    assert done.return_value == 0
    assert done.stdout == f"c.toml: no mistake; sha256 {hashlib.sha256(GOOD.encode()).hexdigest()}\n"


@pytest.mark.parametrize("word", ["balancd", "absent.toml"])
def test_criteria_that_are_not_there(word: str) -> None:
    with pytest.raises(UsageError) as raised:
        criteria.given(word)
    assert "balanced" in str(raised.value.remedy) or "No such file" in raised.value.message


@given(st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_the_order_of_keys_and_comments_change_the_digest_and_no_score(random: object) -> None:
    lines = ["training = 40", "serving = 60"]
    random.shuffle(lines)  # type: ignore[attr-defined]
    text = GOOD.replace("training = 40\nserving = 60", "\n".join([*lines, "# decided after lunch"]))
    assert hashlib.sha256(text.encode()).hexdigest() != hashlib.sha256(GOOD.encode()).hexdigest()
    assert read(text).policy == read(GOOD).policy
    assert list(read(text).policy.categories) == ["training", "serving"]


@given(st.lists(st.integers(0, 1000), min_size=7, max_size=7).filter(any))
def test_any_weights_that_add_up_are_taken_and_a_policy_has_no_empty_category(shares: list[int]) -> None:
    weights = {name: 100 * share / sum(shares) for name, share in zip(CATEGORIES, shares, strict=True)}
    table = "\n".join(f"{name} = {weight!r}" for name, weight in weights.items())
    found = read(GOOD.replace("training = 40\nserving = 60", table))
    assert found.policy.categories == {name: weight for name, weight in weights.items() if weight}


def test_findings_count_on_the_paths_that_are_named_and_on_servers_where_something_serves() -> None:
    about = [path for path in ("server", "mobile", "portable", "web") if read(GOOD).policy.about(path)]
    assert about == ["server", "mobile", "portable", "web"]
    nobody_serves = read(GOOD.replace("training = 40\nserving = 60", "training = 100")).policy
    assert [nobody_serves.about(path) for path in ("server", "mobile", None)] == [False, True, True]
    named = read(GOOD.replace("[weights]", 'paths = ["server"]\n[weights]', 1)).policy
    assert [named.about(path) for path in ("server", "mobile", None)] == [True, False, True]
    with pytest.raises(UsageError, match="paths"):
        read(GOOD.replace("[weights]", 'paths = ["sever"]\n[weights]', 1))


# Must-haves


def finding(**fields: object) -> Finding:
    base = Finding(
        id="a/b",
        check="parity",
        category="portability",
        risk=Risk.HIGH,
        candidate="pytorch",
        scenario="bert",
        subject="TorchScript in torch.jit",
        path="server",
        state=Outcome.PASSED,
        score=10.0,
        reason="because",
    )
    return msgspec.structs.replace(base, **fields)


def judged(gate: Gate, *findings: Finding) -> str:
    found = gates.judge([gate], findings, ("bert",))
    return "broken" if found.failed else "open" if found.open else "kept"


PARITY, ONE = Gate(check="parity", path="server"), Gate(check="parity", path="server", needs="one")
FAILED = {"state": Outcome.FAILED, "score": 0.0}
UNKNOWN = {"state": Outcome.UNAVAILABLE, "score": None}


def test_a_must_have_is_kept_broken_or_open() -> None:
    good, bad, unknown = finding(), finding(**FAILED), finding(**UNKNOWN)
    assert judged(PARITY, good) == "kept"
    assert judged(PARITY, good, bad) == "broken"
    assert judged(PARITY, good, unknown) == "open"
    assert judged(PARITY, bad, unknown) == "broken"
    assert judged(PARITY) == "open"
    assert judged(PARITY, finding(path="mobile")) == "open"
    assert judged(PARITY, good, finding(path="mobile", **FAILED)) == "kept"
    assert judged(PARITY, good, finding(device="gpu", **FAILED)) == "kept"
    assert judged(PARITY, good, finding(state=Outcome.NOT_APPLICABLE, score=None)) == "kept"
    assert judged(PARITY, finding(provisional=True)) == "open"


def test_one_that_passes_will_do_where_the_gate_says_so() -> None:
    good, bad, unknown = finding(), finding(**FAILED), finding(**UNKNOWN)
    assert judged(ONE, good, bad, unknown) == "kept"
    assert judged(ONE, bad, unknown) == "open"
    assert judged(ONE, bad) == "broken"
    assert judged(ONE) == "open"


def test_a_limit_is_kept_only_by_the_whole_interval() -> None:
    gate = Gate(figure="latency", at_most_s=0.05, path="server")

    def latency(low: float | None, value: float, high: float | None) -> str:
        interval = Interval(value=value, low=low, high=high)
        return judged(gate, finding(check="latency", value=value, interval=interval, unit="s"))

    assert latency(0.03, 0.04, 0.05) == "kept"
    assert latency(0.04, 0.045, 0.06) == "open"
    assert latency(0.04, 0.055, 0.06) == "open"
    assert latency(0.051, 0.055, 0.06) == "broken"
    assert latency(None, 0.05, None) == "kept"
    assert latency(None, 0.0501, None) == "broken"
    assert judged(gate, finding(check="latency", **FAILED)) == "broken"
    assert judged(gate, finding(check="latency", value=None)) == "open"


def test_of_a_rate_more_is_better_and_a_stand_in_tells_nothing() -> None:
    gate = Gate(figure="load", at_least_per_s=10)
    assert judged(gate, finding(check="serving_load", value=10.0)) == "kept"
    assert judged(gate, finding(check="serving_load", value=9.0)) == "broken"
    assert judged(gate, finding(check="serving_load", value=9.0, provisional=True)) == "open"


def test_memory_of_training_is_another_figure() -> None:
    training, running = finding(check="memory", path=None, value=9e9), finding(check="memory", value=1e9)
    assert judged(Gate(figure="memory", at_most_bytes=2e9), training, running) == "kept"
    assert judged(Gate(figure="training_memory", at_most_bytes=2e9), training, running) == "broken"


def test_a_gate_is_about_the_scenario_that_it_names() -> None:
    gate = Gate(check="parity", scenario="resnet50")
    assert judged(gate, finding(**FAILED)) == "kept"
    assert gates.judge([gate], [finding(**FAILED)], ("bert", "resnet50")).open == (
        "resnet50: nothing answers the must-have parity",
    )


def test_sentences_name_what_breaks_a_must_have_and_what_would_answer_it() -> None:
    limit = Gate(figure="latency", at_most_s=0.05, path="server")
    broken = gates.judge([limit], [finding(check="latency", value=0.08)], ("bert",))
    assert broken.failed == (
        "bert: must-have latency of at most 50.0 ms, TorchScript in torch.jit: 80.0 ms is above it",
    )
    unknown = gates.judge([PARITY], [finding(reason="no wheel", **UNKNOWN)], ("bert",))
    assert unknown.open == (
        "bert: nothing answers the must-have parity on the server path (TorchScript in torch.jit: no wheel)",
    )


def scored(findings: list[Finding], *must: Gate) -> CandidateScore:
    policy = msgspec.structs.replace(STANDARD, categories={"portability": 100.0}, gates=must)
    return scoring.score_candidates(findings, ("pytorch",), ("bert",), policy)[0]


def test_a_broken_must_have_caps_the_verdict_and_leaves_the_score() -> None:
    findings = [finding(), finding(check="export_success", **FAILED)]
    free, capped = scored(findings), scored(findings, Gate(check="export_success"))
    assert (free.verdict, capped.verdict) == ("ready", "not ready")
    assert msgspec.structs.replace(capped, verdict=free.verdict, gates=()) == free


def test_an_open_must_have_leaves_the_verdict_open() -> None:
    one = scored([finding()], Gate(check="export_success"))
    assert (one.verdict, one.gates) == ("insufficient evidence", ())
    assert one.open_gates == ("bert: nothing answers the must-have export success",)
    assert scored([finding(score=1.0)], Gate(check="export_success")).verdict == "not ready"


RANKS = {"not ready": 0, "insufficient evidence": 1, "ready": 2}
ANY = st.builds(
    finding,
    check=st.sampled_from(["parity", "export_success"]),
    path=st.sampled_from(["server", "mobile"]),
    state=st.just(Outcome.PASSED),
    score=st.floats(5, 10),
) | st.builds(finding, path=st.sampled_from(["server", "mobile"]), state=st.just(Outcome.FAILED), score=st.just(0.0))
MUST = st.builds(
    Gate,
    check=st.sampled_from(["parity", "export_success"]),
    path=st.sampled_from([None, "server", "mobile"]),
    needs=st.sampled_from(["all", "one"]),
)


@given(st.lists(ANY, min_size=1, max_size=8), st.lists(MUST, max_size=3), st.data())
def test_a_pass_more_never_worsens_a_verdict_and_what_is_unmeasured_never_keeps_a_gate(
    findings: list[Finding], must: list[Gate], data: st.DataObject
) -> None:
    chosen = data.draw(st.integers(0, len(findings) - 1))
    better, poorer = list(findings), list(findings)
    better[chosen] = msgspec.structs.replace(findings[chosen], state=Outcome.PASSED, score=10.0)
    poorer[chosen] = msgspec.structs.replace(findings[chosen], state=Outcome.UNAVAILABLE, score=None)
    assert RANKS[scored(better, *must).verdict] >= RANKS[scored(findings, *must).verdict]
    # One sentence for each must-have: a scorecard says the same one once.
    more, was, less = (gates.judge(must, each, ("bert",)) for each in (better, findings, poorer))
    assert len(more.failed) <= len(was.failed)
    assert len(less.failed) + len(less.open) >= len(was.failed) + len(was.open)


@given(st.lists(ANY, min_size=1, max_size=8), st.lists(MUST, max_size=3))
def test_another_candidate_changes_nobodys_score_whatever_the_criteria(
    findings: list[Finding], must: list[Gate]
) -> None:
    policy = msgspec.structs.replace(STANDARD, gates=tuple(must))
    both = [*findings, *(msgspec.structs.replace(each, candidate="tensorflow") for each in findings)]
    alone = scoring.score_candidates(findings, ("pytorch",), ("bert",), policy)
    beside = scoring.score_candidates(both, ("pytorch", "tensorflow"), ("bert",), policy)
    assert [each for each in beside if each.candidate == "pytorch"] == list(alone)


# Other criteria for the same findings


def without_stages(evidence: Evidence) -> Evidence:
    """Return a run of before there were the stages that two categories come from."""
    kept = tuple(each for each in evidence.entries if each.step.stage not in ("upkeep", "ease"))
    return replace(evidence, entries=kept)


def used(record: Criteria, **fields: object) -> CriteriaUsed:
    return msgspec.structs.replace(CriteriaUsed(record=record, sha256="a" * 64, fixed=True), **fields)


def test_a_category_that_the_run_has_no_stage_for_is_left_out_and_said() -> None:
    record = criteria.built_in("balanced")
    evidence = replace(without_stages(fakes.complete_run()), policy=record.policy, criteria=used(record))
    card = fakes.scorecard(evidence)
    assert list(card.policy.categories) == list(STANDARD.categories)
    assert card.criteria is not None
    assert card.criteria.unasked == ("upkeep", "ease")
    plain = fakes.scorecard(without_stages(fakes.complete_run()))
    assert [each.overall for each in card.scores] == pytest.approx([each.overall for each in plain.scores])
    assert [each.coverage for each in card.scores] == pytest.approx([each.coverage for each in plain.scores])


def test_a_category_that_was_skipped_is_missing() -> None:
    record = criteria.built_in("balanced")
    evidence = without_stages(fakes.complete_run())
    titles = {**evidence.catalogue.titles, "stage": {"ease": "Ease of use"}}
    known = msgspec.structs.replace(evidence.catalogue, titles=titles)
    left_out = msgspec.structs.replace(evidence.run, skip=("ease",))
    skipped = replace(evidence, run=left_out, catalogue=known, policy=record.policy, criteria=used(record))
    assert list(fakes.scorecard(skipped).policy.categories) == [*STANDARD.categories, "ease"]
    whole = replace(skipped, run=evidence.run)
    assert list(fakes.scorecard(whole).policy.categories) == list(STANDARD.categories)


def test_criteria_of_nothing_that_was_asked_leave_everything_missing() -> None:
    record = read(GOOD.replace("training = 40\nserving = 60", "ease = 100"))
    card = fakes.scorecard(replace(without_stages(fakes.complete_run()), policy=record.policy, criteria=used(record)))
    assert {score.verdict for score in card.scores} == {"insufficient evidence"}
    assert {score.overall for score in card.scores} == {None}


def test_a_target_of_the_criteria_comes_before_any_other() -> None:
    record = read(GOOD)
    evidence = fakes.complete_run()
    judged_by = replace(evidence, policy=record.policy, criteria=used(record))
    found = [each for each in fakes.scorecard(judged_by).findings if each.check == "latency" and each.target]
    assert found
    assert {each.target for each in found} == {record.policy.targets["latency"]}
    assert {each.target for each in fakes.scorecard(evidence).findings if each.check == "latency"} != {
        record.policy.targets["latency"]
    }


def test_a_margin_of_the_criteria_comes_before_a_scenarios() -> None:
    evidence = fakes.complete_run()
    scenario = evidence.scenarios[0]
    own = replace(evidence, run=msgspec.structs.replace(evidence.run, scenarios={scenario: {"margin": 0.2}}))
    silent, says = read(GOOD), read("margin = 0.1\n" + GOOD)
    assert replace(own, policy=silent.policy).margin(scenario) == 0.2
    assert replace(own, policy=says.policy).margin(scenario) == 0.1


@pytest.mark.parametrize("name", criteria.names())
def test_the_same_findings_scored_otherwise_are_what_judging_anew_gives(name: str) -> None:
    record, evidence = criteria.built_in(name), fakes.complete_run()
    anew = fakes.scorecard(replace(evidence, policy=record.policy, criteria=used(record)))
    found = decision.decided(scoring.rescored(fakes.scorecard(evidence), record))
    assert (found.scores, found.policy, found.findings) == (anew.scores, anew.policy, anew.findings)
    assert (found.robustness, found.decision) == (anew.robustness, anew.decision)


def test_points_by_other_targets_are_what_judging_anew_gives() -> None:
    record, evidence = read(GOOD), fakes.complete_run()
    targets = {
        "latency": Target(full=0.001, none=0.5),
        "load": Target(full=70.0, none=1.0),
        "size": Target(full=1e5, none=1e9),
        "memory": Target(full=1e7, none=1e10),
        "training_memory": Target(full=1e7, none=1e11),
        "training": Target(full=10.0, none=1e7),
    }
    record = msgspec.structs.replace(record, targets=targets)
    anew = fakes.scorecard(replace(evidence, policy=record.policy, criteria=used(record)))
    found = scoring.rescored(fakes.scorecard(evidence), record)
    assert {each.id: each.score for each in found.findings} == {each.id: each.score for each in anew.findings}
    assert {each.id: each.state for each in found.findings} == {each.id: each.state for each in anew.findings}
    assert found.scores == anew.scores


def test_two_profiles_of_the_article_weigh_the_same_findings_otherwise() -> None:
    card = fakes.scorecard()
    research, deployment = (
        scoring.rescored(card, criteria.built_in(f"article_{name}")) for name in ("research", "deployment")
    )
    assert set(research.policy.categories) - {"ease"} == {"training"}
    assert set(deployment.policy.categories) - {"upkeep"} == {"footprint", "portability", "serving"}
    assert research.findings == deployment.findings == card.findings


# In a run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run that began with `balanced`."""
    path = tmp_path_factory.mktemp("runs") / "one"
    plain = made_run.write(path.with_name("plain"))
    file = criteria.given("balanced")
    folder = RunFolder.create(path, plain.record, [file])
    for each in plain.path.iterdir():
        if each.name not in ("run.json", "steps") and not each.name.startswith(("findings", "scorecard")):
            shutil.copy(each, path)
    shutil.copytree(plain.steps, folder.steps, dirs_exist_ok=True)
    replay.judge(folder)
    replay.score(folder)
    replay.report(folder)
    return path


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> RunFolder:
    return RunFolder.open(shutil.copytree(finished, tmp_path / "run"))


def again(run: RunFolder, *words: str) -> str:
    """Score and report a run; return what the terminal shows."""
    done = CliRunner().invoke(cli.app, ["score", str(run.path), *words], standalone_mode=False)
    assert done.exception is None, done.exception
    replay.report(run)
    return done.stdout


def test_a_run_keeps_what_it_began_with(run: RunFolder) -> None:
    text = (Path(criteria.__file__).parents[1] / "criteria" / "balanced.toml").read_bytes()
    assert (run.path / "criteria.toml").read_bytes() == text
    card = replay.read_scorecard(run)
    assert card.criteria is not None
    assert (card.criteria.sha256, card.criteria.fixed) == (hashlib.sha256(text).hexdigest(), True)
    assert "Criteria changed" not in (run.path / "scorecard.html").read_text()
    assert "“balanced” was fixed before the first step" in (run.path / "scorecard.md").read_text()


def test_other_criteria_afterwards_are_said_on_every_first_page(run: RunFolder) -> None:
    before = (run.path / "scorecard.json").read_bytes()
    shown = again(run, "--criteria", "cloud_serving")
    now, began = (criteria.given(name).sha256[:12] for name in ("cloud_serving", "balanced"))
    said = (  # in one piece, unfolded
        f"Criteria changed after the results: the scores follow “cloud_serving” (sha256 {now}), and the run began "
        f"with “balanced” (sha256 {began})."
    )
    assert said in " ".join(shown.split())
    assert said in (run.path / "scorecard.html").read_text()
    page = (run.path / "scorecard.html").read_text()
    assert page.index(said) < page.index('class="strip"')
    assert said.replace("_", r"\_") in (run.path / "scorecard.md").read_text()
    card = replay.read_scorecard(run)
    assert card.criteria is not None
    assert card.criteria.before == NamedCriteria(name="balanced", sha256=criteria.given("balanced").sha256)
    assert card.policy.categories["serving"] == 40
    assert replay.scored(run, replay.gather(run), replay.judged(replay.gather(run))) == card
    assert "Criteria changed" not in again(run)
    assert (run.path / "scorecard.json").read_bytes() == before
    assert not (run.path / criteria.AFTER).exists()


def test_the_same_content_afterwards_says_nothing(run: RunFolder, tmp_path: Path) -> None:
    before = (run.path / "scorecard.json").read_bytes()
    shutil.copy(run.path / "criteria.toml", tmp_path / "copy.toml")
    shown = again(run, "--criteria", str(tmp_path / "copy.toml"))
    assert "Criteria changed" not in shown
    assert (run.path / "scorecard.json").read_bytes() == before
    with (tmp_path / "copy.toml").open("a") as file:
        file.write("# a word\n")
    assert "Criteria changed" in again(run, "--criteria", str(tmp_path / "copy.toml"))


def test_digests_know_of_criteria_that_were_given_and_taken_back(run: RunFolder) -> None:
    digests.record(run.path)
    again(run, "--criteria", "research")
    known = digests.read(run.path)
    assert known is not None
    assert known.files[criteria.AFTER] == criteria.given("research").sha256
    again(run)
    known = digests.read(run.path)
    assert known is not None
    assert criteria.AFTER not in known.files
    assert known.files["criteria.toml"] == criteria.given("balanced").sha256


def test_a_run_that_goes_on_is_judged_by_what_it_began_with(run: RunFolder) -> None:
    again(run, "--criteria", "research")
    scenarios = pipeline.load_scenarios(run.record)
    going = pipeline.Run(folder=run, record=run.record, scenarios=scenarios, stages=(), reporter=None)  # type: ignore[arg-type]
    pipeline.judge(going)
    pipeline.score(going)
    card = replay.read_scorecard(run)
    assert card.criteria is not None
    assert card.criteria.fixed


def test_changed_criteria_of_a_run_are_named(run: RunFolder) -> None:
    with (run.path / "criteria.toml").open("a") as file:
        file.write("# a word\n")
    with pytest.raises(IncompleteEvidence, match=r"criteria\.toml was changed"):
        replay.gather(run)


@pytest.mark.parametrize("content", [b"", b"\x00\xff", b"name = 1", GOOD.replace("60", "61").encode()])
def test_damaged_later_criteria_say_what_to_do(run: RunFolder, content: bytes) -> None:
    (run.path / criteria.AFTER).write_bytes(content)
    with pytest.raises(IncompleteEvidence) as raised:
        replay.gather(run)
    assert raised.value.remedy == f"score the run again: fweval score {run.path}"
    again(run)


def test_wrong_criteria_change_nothing(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text(GOOD.replace("60", "61"))
    before = {path: path.read_bytes() for path in run.path.iterdir() if path.is_file()}
    done = CliRunner().invoke(cli.app, ["score", str(run.path), "--criteria", str(tmp_path / "wrong.toml")])
    assert isinstance(done.exception, FwevalError)
    assert done.exception.exit_code == 2
    assert {path: path.read_bytes() for path in run.path.iterdir() if path.is_file()} == before


def test_a_run_without_criteria_says_so(tmp_path: Path) -> None:
    run = made_run.write(tmp_path / "run")
    assert replay.read_scorecard(run).criteria is None
    assert replay.read_scorecard(run).policy == STANDARD
    assert "This run had no criteria record" in (run.path / "scorecard.html").read_text()
    shown = " ".join(again(run, "--criteria", "balanced").split())
    assert "the run began without a criteria record" in shown


def test_wrong_criteria_make_no_run(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text(GOOD.replace("60", "61"))
    words = ["full", "tiny", "--criteria", str(tmp_path / "wrong.toml"), "--out", str(tmp_path / "run")]
    done = CliRunner().invoke(cli.app, words)
    assert isinstance(done.exception, UsageError)
    assert "101 percent" in done.exception.message
    assert not (tmp_path / "run").exists()


def test_a_new_run_begins_with_criteria(tmp_path: Path) -> None:
    file = criteria.given("research")
    folder, record = pipeline.begin(
        ("tiny",), "smoke", Options(), out=tmp_path / "run", command=("fweval",), inputs=(file,)
    )
    assert record.inputs == {"criteria.toml": file.sha256}
    found = criteria.in_force(folder.path, record)
    assert found is not None
    assert (found.record.name, found.fixed, found.before) == ("research", True, None)


# Shown


@pytest.mark.parametrize("which", ["balanced", "file", "run"])
def test_show(which: str, run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(GOOD)
    word = {"balanced": "balanced", "file": str(tmp_path / "c.toml"), "run": str(run.path)}[which]
    done = CliRunner().invoke(cli.app, ["criteria", "show", word], standalone_mode=False)
    assert done.exception is None
    assert (
        "serving        60 %  ==============================" in done.stdout
        if which == "file"
        else "upkeep" in (done.stdout)
    )
    as_json = CliRunner().invoke(cli.app, ["criteria", "show", word, "--json"], standalone_mode=False)
    told = msgspec.json.decode(as_json.stdout)
    digest = hashlib.sha256(GOOD.encode()).hexdigest() if which == "file" else criteria.given("balanced").sha256
    assert told["sha256"] == digest
    assert msgspec.convert(told["criteria"], Criteria).name == ("mine" if which == "file" else "balanced")


def test_a_run_without_criteria_has_none_to_show(tmp_path: Path) -> None:
    run = made_run.write(tmp_path / "run")
    done = CliRunner().invoke(cli.app, ["criteria", "show", str(run.path)])
    assert isinstance(done.exception, UsageError)
    assert "had no criteria record" in done.exception.message


def with_criteria(record: Criteria, **fields: object) -> Scorecard:
    return msgspec.structs.replace(sample_scorecard.scorecard(), criteria=used(record, **fields))


def test_hostile_names_are_harmless_everywhere() -> None:
    text = GOOD.replace('"Ours"', '"\\u001b[2J<script>"').replace('"the board"', '"\\u202eboard"')
    card = with_criteria(read(text))
    for name, told in replay.rendered(card):
        if name.endswith((".html", ".md")):
            assert "\x1b" not in told
            assert "\u202e" not in told
            assert "<script>\n" not in told or name.endswith(".md")
    assert "&lt;script&gt;" in html.plugin.render(msgspec.structs.replace(card))


def test_a_record_that_dates_itself_after_the_run_is_said() -> None:
    record = msgspec.structs.replace(read(GOOD), decided_on=dt.date(2999, 1, 1))
    assert "dates its decision 2999-01-01, after the run began" in markdown.plugin.render(with_criteria(record))
    early = msgspec.structs.replace(record, decided_on=dt.date(2000, 1, 1))
    assert "dates its decision" not in markdown.plugin.render(with_criteria(early))


def test_open_must_haves_are_told_where_verdicts_are() -> None:
    card = sample_scorecard.scorecard()
    scores = tuple(
        msgspec.structs.replace(
            each, verdict="insufficient evidence", gates=(), open_gates=("bert: nothing answers X",)
        )
        for each in card.scores
    )
    card = msgspec.structs.replace(card, scores=scores)
    assert "nothing answers X" in markdown.plugin.render(card)
    assert "nothing answers X" in html.plugin.render(card)
    assert _terminal.summary(card, Path("run"))


def test_the_file_of_the_documentation_has_no_mistake_and_every_key() -> None:
    page = (Path(__file__).parents[2] / "docs" / "criteria.md").read_text(encoding="utf-8")
    text = page.partition("```toml\n")[2].partition("```")[0]
    assert refused(text) == []
    found = read(text)
    given = set(msgspec.to_builtins(found))
    assert given == set(Criteria.__struct_fields__)
    assert all(f"{name} = " in text or f"[{name}" in text for name in given)
    for name, figure in FIGURES.items():
        assert re.search(rf"\| `{name}` \| [^|]* \| `{figure.limit}` \| `{figure.check}` \|", page)
