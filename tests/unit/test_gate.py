"""Gates: what each kind of rule asks, what a waiver does and does not, exit codes, JUnit, and mistakes in policies."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest

from evaluator import cli
from evaluator.core import waivers
from evaluator.core.criteria import CriteriaUsed, built_in
from evaluator.core.errors import FwevalError, UsageError
from evaluator.core.outcome import Outcome
from evaluator.core.scorecard import Scorecard
from evaluator.core.store import RunFolder
from evaluator.core.waivers import REASONS, Waiver
from evaluator.following import _junit, _ruled, gate
from evaluator.following.differences import Told
from evaluator.following.gate import Gate
from evaluator.following.rules import RULES, Seen
from evaluator.judging import replay
from evaluator.report import _plain
from evaluator.report.sections.waivers import plugin as section
from tests import fakes, made_run, sample_scorecard

RECORD = fakes.complete_run().run
TODAY = date(2026, 12, 1)
SAMPLE = sample_scorecard.scorecard()
BROKEN = msgspec.structs.replace(SAMPLE.findings[-1], state=Outcome.FAILED, score=0.0)
CARD = msgspec.structs.replace(SAMPLE, findings=(*SAMPLE.findings[:-1], BROKEN))
PYTORCH = next(each for each in CARD.scores if each.scenario is None and each.candidate == "pytorch")
FAILING = next(each for each in CARD.findings if each.state is Outcome.FAILED)
PASSING = next(each for each in CARD.findings if each.state is Outcome.PASSED)


def told(card: Scorecard) -> Told:
    return Told(card, RECORD)


def ruled(
    tmp_path: Path, text: str, card: Scorecard = CARD, baseline: Scorecard | None = None, **beside: Waiver
) -> Gate:
    path = tmp_path / "gate.toml"
    path.write_text(text)
    before = None if baseline is None else told(baseline)
    return gate.rule(gate.read(path, beside), Seen(run=told(card), baseline=before), TODAY)


def rule(ask: str, *lines: str) -> str:
    return "\n".join((f'[rules.it]\nask = "{ask}"\nwhy = "because"', *lines, ""))


def outcomes(found: Gate) -> list[str]:
    return [each.outcome for each in found.rulings]


def with_scores(**fields: Any) -> Scorecard:
    return msgspec.structs.replace(CARD, scores=tuple(msgspec.structs.replace(each, **fields) for each in CARD.scores))


def with_finding(**fields: Any) -> Scorecard:
    """Return the sample in which its first passing finding is another."""
    found = tuple(msgspec.structs.replace(each, **fields) if each is PASSING else each for each in CARD.findings)
    return msgspec.structs.replace(CARD, findings=found)


@pytest.mark.parametrize(("verdict", "outcome", "code"), [
    ("ready", "passed", 0),
    ("not ready", "failed", 1),
    ("insufficient evidence", "missing", 3),
])  # fmt: skip
def test_a_verdict_is_enough_or_not_or_evidence_is_missing(
    tmp_path: Path, verdict: str, outcome: str, code: int
) -> None:
    found = ruled(tmp_path, rule("verdict", 'candidate = "pytorch"'), with_scores(verdict=verdict))
    assert (outcomes(found), found.exit_code) == ([outcome], code)


def test_any_candidate_is_enough_unless_all_are_asked(tmp_path: Path) -> None:
    scores = tuple(
        msgspec.structs.replace(each, verdict="ready" if each.candidate == "pytorch" else "not ready")
        for each in CARD.scores
    )
    card = msgspec.structs.replace(CARD, scores=scores)
    assert outcomes(ruled(tmp_path, rule("verdict"), card)) == ["passed"]
    assert sorted(outcomes(ruled(tmp_path, rule("verdict", 'candidate = "all"'), card))) == ["failed", "passed"]


def test_coverage_and_scores_have_exact_limits(tmp_path: Path) -> None:
    card = with_scores(coverage=0.7, overall=8.0)
    assert outcomes(ruled(tmp_path, rule("coverage", "at_least = 0.7"), card)) == ["passed"]
    assert outcomes(ruled(tmp_path, rule("coverage", "at_least = 0.701"), card)) == ["failed"]
    assert outcomes(ruled(tmp_path, rule("score", "at_least = 8.0"), card)) == ["passed"]
    found = ruled(tmp_path, rule("score", "at_least = 8.1"), card)
    assert [(each.outcome, each.measured, each.wanted) for each in found.rulings] == [
        ("failed", "8.00", "at least 8.1")
    ]
    assert outcomes(ruled(tmp_path, rule("score", "at_least = 1.0"), with_scores(overall=None))) == ["missing"]
    category = PYTORCH.categories[0]
    line = f'category = "{category.category}"\ncandidate = "pytorch"'
    assert outcomes(ruled(tmp_path, rule("coverage", line, f"at_least = {category.coverage}"))) == ["passed"]


def test_a_metric_is_limited_in_every_step_that_is_selected(tmp_path: Path) -> None:
    lines = 'metric = "latency_s"\nlabels = { statistic = "p90" }\nwhere = { stage = "run", scenario = "bert" }'
    found = ruled(tmp_path, rule("metric", lines, "at_most = 0.0125"))
    numbers = [float(each.measured.split()[0]) for each in found.rulings if each.outcome != "missing"]
    assert [each.outcome for each in found.rulings if each.outcome != "missing"] == [
        "passed" if number <= 0.0125 else "failed" for number in numbers
    ]
    assert {"passed", "failed"} <= set(outcomes(found))
    (lacking,) = (each.measured for each in found.rulings if each.outcome == "missing")
    assert lacking.startswith("4 steps do not have it: run bert PyTorch TorchScript torch.jit GPU, run bert PyTorch")


def test_what_nobody_measured_is_missing_or_a_warning(tmp_path: Path) -> None:
    lines = (
        'metric = "latency_s"\nlabels = { statistic = "p90" }\nwhere = { stage = "run", device = "gpu" }\nat_most = 1'
    )
    found = ruled(tmp_path, rule("metric", lines))
    assert (outcomes(found), found.exit_code) == (["missing"], 3)
    warned = ruled(tmp_path, rule("metric", lines, 'missing = "warn"'))
    assert (outcomes(warned), warned.exit_code) == (["warned"], 0)


def test_failing_findings_are_named(tmp_path: Path) -> None:
    found = ruled(tmp_path, rule("findings", f'findings = ["{FAILING.id}"]'))
    assert [(each.outcome, each.measured) for each in found.rulings] == [("failed", f"1 failing: {FAILING.id}")]
    assert outcomes(ruled(tmp_path, rule("findings", f'findings = ["{FAILING.id}"]', "at_most = 1"))) == ["passed"]
    assert outcomes(ruled(tmp_path, rule("findings", f'findings = ["{PASSING.id}"]'))) == ["passed"]
    unmeasured = with_finding(state=Outcome.UNAVAILABLE, score=None)
    assert outcomes(ruled(tmp_path, rule("findings", f'findings = ["{PASSING.id}"]'), unmeasured)) == ["missing"]


def test_only_new_failures_count_against_a_baseline(tmp_path: Path) -> None:
    asked = rule("new_failures")
    assert outcomes(ruled(tmp_path, asked, CARD, CARD)) == ["passed"]
    worse = with_finding(state=Outcome.FAILED, score=0.0)
    found = ruled(tmp_path, asked, worse, CARD)
    assert [(each.outcome, each.measured) for each in found.rulings] == [("failed", f"1 new: {PASSING.id}")]
    assert outcomes(ruled(tmp_path, asked, CARD, worse)) == ["passed"]
    lost = with_finding(state=Outcome.UNAVAILABLE, score=None)
    assert outcomes(ruled(tmp_path, asked, lost, CARD)) == ["missing"]
    gone = msgspec.structs.replace(CARD, findings=tuple(each for each in CARD.findings if each is not PASSING))
    assert outcomes(ruled(tmp_path, asked, gone, CARD)) == ["missing"]


def test_only_a_regression_that_is_shown_counts(tmp_path: Path) -> None:
    def slower(factor: float) -> Scorecard:
        def times(figure: Any) -> Any:
            return msgspec.structs.replace(figure, **{n: getattr(figure, n) * factor for n in ("value", "low", "high")})

        paths = tuple(
            msgspec.structs.replace(
                each, best=tuple(msgspec.structs.replace(one, figure=times(one.figure)) for one in each.best)
            )
            for each in CARD.paths
        )
        return msgspec.structs.replace(CARD, paths=paths)

    asked = rule("regressions", 'figures = ["server_answer/*"]')
    assert outcomes(ruled(tmp_path, asked, slower(1.04), CARD)) == ["passed"]
    found = ruled(tmp_path, asked, slower(2.0), CARD)
    assert outcomes(found) == ["failed"]
    assert "2.00 times what it was" in found.rulings[0].measured
    assert outcomes(ruled(tmp_path, asked, slower(0.5), CARD)) == ["passed"]
    elsewhere = msgspec.structs.replace(slower(2.0), machine=msgspec.structs.replace(CARD.machine, cpu="another"))
    other = ruled(tmp_path, asked, elsewhere, CARD)
    assert [(each.outcome, each.measured) for each in other.rulings] == [
        ("missing", "runs of different machines: nothing is told")
    ]


def test_an_archived_server_fails(tmp_path: Path) -> None:
    assert outcomes(ruled(tmp_path, rule("lifecycle", 'candidate = "pytorch"'))) == ["failed"]
    assert outcomes(ruled(tmp_path, rule("lifecycle", 'candidate = "tensorflow"'))) == ["passed"]


WAIVED = """
[waivers.known]
of = "{of}"
reason = "{reason}"
who = "Ann"
until = {until}
"""


def waived(of: str, until: str = "2026-12-01", reason: str = "accepted risk") -> str:
    return WAIVED.format(of=of, until=until, reason=reason)


def test_a_waiver_keeps_a_rule_from_failing_until_its_day_and_is_shown(tmp_path: Path) -> None:
    asked = rule("findings", f'findings = ["{FAILING.id}"]')
    found = ruled(tmp_path, asked + waived(FAILING.id))
    assert (outcomes(found), found.exit_code) == (["waived"], 0)
    assert found.rulings[0].waived == (f"{FAILING.id}: accepted risk (Ann, until 2026-12-01)",)
    ended = ruled(tmp_path, asked + waived(FAILING.id, until="2026-11-30"))
    assert (outcomes(ended), ended.exit_code) == (["failed"], 1)
    assert ended.notes == ("the waiver 'known' ended on 2026-11-30: it does not count any more",)


def test_a_rule_can_be_waived_by_its_name_and_what_is_gone_is_said(tmp_path: Path) -> None:
    found = ruled(tmp_path, rule("lifecycle") + waived("it", reason="handled elsewhere"))
    assert (outcomes(found), found.exit_code) == (["waived"], 0)
    near = ruled(tmp_path, rule("verdict") + waived(FAILING.id[:-1]))
    assert f"did you mean '{FAILING.id}'?" in near.notes[0]


def test_a_waiver_needs_a_reason_of_the_list_and_somebody(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"line 7, key 'waivers.known.reason': there is no reason 'because'"
    ) as refused:
        ruled(tmp_path, rule("verdict") + waived("it", reason="because"))
    assert refused.value.remedy
    with pytest.raises(UsageError, match="somebody must answer for a waiver"):
        ruled(tmp_path, rule("verdict") + waived("it").replace("Ann", " "))
    assert set(REASONS) >= {"accepted risk", "false positive", "fixed upstream", "not applicable here"}


@pytest.mark.parametrize(("text", "said"), [
    ("", "asks nothing: it has no rule"),
    ("[rule.it]\n", "unknown key"),
    ('rules = "x"\n', "no table"),
    ('[rules.it]\nwhy = "x"\n', "missing key"),
    (rule("verdikt"), "there is no question 'verdikt'"),
    (rule("verdict", 'at_leest = "ready"'), "unknown key"),
    (rule("verdict", 'candidate = "pytorsh"'), "there is no candidate 'pytorsh'"),
    (rule("verdict", 'scenario = "bart"'), "there is no scenario 'bart'"),
    (rule("score", "at_least = 11"), "Expected `float` <= 10"),
    (rule("score", "at_least = 5", 'category = "servings"'), "there is no category 'servings'"),
    (rule("metric", 'metric = "latency"', "at_most = 1"), "there is no metric 'latency'"),
    (rule("metric", 'metric = "latency_s"'), "give at_most or at_least"),
    (rule("metric", 'metric = "latency_s"', "at_most = 1", 'where = { stege = "run" }'), "no coordinate 'stege'"),
    (rule("metric", 'metric = "latency_s"', "at_most = 1", 'where = { stage = "ran" }'), "there is no stage 'ran'"),
    (rule("metric", 'metric = "latency_s"', "at_most = 1", 'labels = { wires = "rest" }'), "no label of latency_s"),
    (rule("findings", 'findings = ["parrity/*"]'), "there is no finding 'parrity/*'"),
    (rule("new_failures"), "the rule 'it' compares with a baseline"),
])  # fmt: skip
def test_a_policy_that_names_what_there_is_not_is_refused_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(FwevalError) as refused:
        ruled(tmp_path, text)
    assert said in refused.value.message
    assert "\n" not in refused.value.message
    assert refused.value.exit_code == 2
    assert refused.value.remedy or "Expected" in said or "give" in said


def test_junit_has_each_ruling_with_its_reason(tmp_path: Path) -> None:
    text = rule("lifecycle") + rule("verdict").replace("it]", "ready]") + rule("findings").replace("it]", "all]")
    found = ruled(tmp_path, text)
    root = ET.fromstring(_junit.render(found))  # noqa: S314  # our own
    cases = {each.get("name"): each[0].tag for each in root.iter("testcase")}
    assert cases["it"] == "failure"
    assert root.get("failures") == str(sum(tag == "failure" for tag in cases.values()))
    (failure,) = root.findall(".//testcase[@name='it']/failure")
    assert failure.get("type") == "failed"
    assert "wanted: nothing archived" in str(failure.get("message"))
    assert str(failure.text).startswith("because")


def test_the_terminal_ends_with_the_answer(tmp_path: Path) -> None:
    found = ruled(tmp_path, rule("lifecycle"))
    *_, last = _plain.plain(_ruled.blocks(found))
    assert "fails" in repr(last)


def test_the_policy_in_the_docs_is_one_and_names_what_there_is(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "following.md").read_text()
    (policy,) = re.findall(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    found = ruled(tmp_path, policy.replace("onnx_runtime", "onnxruntime").replace("parity/*/cpu/*", PASSING.id))
    assert {each.rule: each.outcome for each in found.rulings}["maintained"] == "waived"


def test_every_question_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "following.md").read_text()
    for ask in RULES:
        assert f"| `{ask}` |" in text
    for reason in REASONS:
        assert f"`{reason}`" in text


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return made_run.write(tmp_path / "run")


def test_the_command_exits_by_its_rulings(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    policy, junit = tmp_path / "gate.toml", tmp_path / "gate.xml"
    policy.write_text(rule("coverage", "at_least = 0.0"))
    arguments = ["fweval", "gate", str(run.path), "--policy", str(policy), "--junit", str(junit), "--json"]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 0
    assert json.loads(capsys.readouterr().out)["rulings"][0]["outcome"] == "passed"
    assert ET.parse(junit).getroot().tag == "testsuites"  # noqa: S314  # our own
    policy.write_text(rule("score", "at_least = 10"))
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 1


def test_waivers_of_a_run_are_in_its_report_and_change_no_score(run: RunFolder, tmp_path: Path) -> None:
    before = replay.read_scorecard(run)
    of = before.findings[0].id
    given = tmp_path / "mine.toml"
    given.write_text(waived(of, until="1999-01-01") + waived("gone", until="2099-01-01").replace("known", "other"))
    replay.keep_waivers(run, given)
    after = replay.score(run)
    assert after.scores == before.scores
    assert after.findings == before.findings
    assert list(after.waivers) == ["known", "other"]
    assert waivers.of_run(run.path) == after.waivers
    shown = repr(tuple(_plain.plain(section.blocks(after))))
    assert of in shown
    assert shown.count("ended before this run") == 1
    assert "no finding of it" in shown
    assert replay.read_scorecard(run) == after
    given.write_text("[waiver.x]\n")
    with pytest.raises(UsageError, match="unknown key"):
        replay.keep_waivers(run, given)


def test_criteria_must_be_those_that_the_run_began_with(tmp_path: Path) -> None:
    used = CriteriaUsed(record=built_in("balanced"), sha256="0" * 64, fixed=True)
    fixed = msgspec.structs.replace(CARD, criteria=used)
    later = msgspec.structs.replace(CARD, criteria=msgspec.structs.replace(used, fixed=False))
    assert outcomes(ruled(tmp_path, rule("criteria"), fixed)) == ["passed"]
    assert outcomes(ruled(tmp_path, rule("criteria", 'name = "balanced"'), fixed)) == ["passed"]
    assert outcomes(ruled(tmp_path, rule("criteria", 'name = "mine"'), fixed)) == ["failed"]
    found = ruled(tmp_path, rule("criteria"), later)
    assert [(each.outcome, each.measured) for each in found.rulings] == [
        ("failed", "balanced, given after its results (sha256 000000000000)")
    ]
    assert outcomes(ruled(tmp_path, rule("criteria"), msgspec.structs.replace(CARD, criteria=None))) == ["missing"]


def test_a_path_that_rests_on_what_is_archived_fails(tmp_path: Path) -> None:
    assert CARD.upkeep is not None
    paths = tuple(msgspec.structs.replace(each, status="archived") for each in CARD.upkeep.paths)
    assert {each.framework for each in paths} >= {"pytorch"}
    gone = msgspec.structs.replace(CARD, archived={}, upkeep=msgspec.structs.replace(CARD.upkeep, paths=paths))
    found = ruled(tmp_path, rule("lifecycle", 'candidate = "pytorch"'), gone)
    assert outcomes(found) == ["failed"]
    assert "rests on what is archived" in found.rulings[0].measured
