"""What of the benchmark judges: goals, contradictions, spans of time; and that its page says what was measured."""

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Literal

import msgspec
import pytest
from click.testing import CliRunner

from bench import __main__ as bench
from bench import _page, _words, contradictions, score_time, work_share
from bench._question import How, Question
from bench._records import Answer, Kept, Line, dump, load
from bench.contradictions import Card, Compared, Leading, Ranked, Scored
from bench.work_share import Span
from evaluator.core import files
from evaluator.core.errors import IncompleteEvidence
from evaluator.core.outcome import Outcome
from evaluator.core.records import Result, Step
from evaluator.core.speed import REFERENCE_S
from evaluator.core.store import Plan, RunFolder
from evaluator.core.turns import Block, Blocks
from evaluator.measure.load import Load
from evaluator.stages.load import LOADS
from tests import fakes, made_run

ROOT = Path(__file__).parents[2]


def line(reached: float | None = 1.0, **fields: object) -> Line:
    return msgspec.convert({"what": "it", "unit": "times", "reached": reached, **fields}, Line)


def answer(*lines: Line, name: str = "score_time") -> Answer:
    return Answer(
        question=name, title="Is it?", at="2026-01-01", machine="Example, 2 cores", beside="none", lines=lines
    )


@pytest.mark.parametrize(
    ("found", "met"),
    [
        (line(1.02, at_most=1.02), True),
        (line(1.021, at_most=1.02), False),
        (line(0.94, at_least=0.94), True),
        (line(0.939, at_least=0.94), False),
        (line(0.5, at_least=0.4, at_most=0.6), True),
        (line(0.7, at_least=0.4, at_most=0.6), False),
        (line(0.3, at_least=0.4, at_most=0.6), False),
        (line(0.0, at_most=0.0), True),
        (line(1.0), None),
        (line(None, at_most=1.0), None),
    ],
)
def test_a_goal_is_met_up_to_its_bounds(found: Line, met: object) -> None:
    assert found.met is met


def test_a_row_says_goal_figure_and_whether_it_suffices() -> None:
    missed = line(0.0634, unit="share", low=0.05, high=0.08, at_most=0.05, what="False alarms", note="of 900")
    assert list(_words.rows(answer(missed, line(1.0), line(None, note="no runtime")))) == [
        ("False alarms", "at most 5.0 %", "6.3 % [5.0, 8.0 %] (of 900)", "MISSED"),
        ("it", "", "1.000", ""),
        ("it", "", "not measured: no runtime", ""),
    ]


def test_the_last_answer_to_each_question_is_kept() -> None:
    first = Kept().with_answer(answer(line(1.0)), bench.QUESTIONS)
    both = first.with_answer(answer(name="contradictions"), bench.QUESTIONS)
    assert [each.question for each in both.answers] == ["contradictions", "score_time"]
    renewed = both.with_answer(answer(line(2.0)), bench.QUESTIONS)
    assert [each.lines for each in renewed.answers] == [(), (line(2.0),)]
    with_raw = renewed.with_answer(
        msgspec.structs.replace(answer(line(3.0)), raw={"a": [1, 2], "b": {}}), bench.QUESTIONS
    )
    for each in (Kept(), renewed, with_raw):
        assert load(dump(each)) == each
    assert '"a": [1,2],\n' in dump(with_raw)


def test_every_question_is_a_file_and_the_other_way_round() -> None:
    files = {path.stem for path in (ROOT / "bench").glob("[!_]*.py")}
    assert files == set(bench.QUESTIONS)
    for name in bench.QUESTIONS:
        question = bench.find(name)
        assert isinstance(question, Question)
        assert question.name == name


def test_the_page_is_drawn_from_what_is_kept() -> None:
    drawn = _page.files(bench.kept())
    assert {path.name for path in _page.DOCS.glob("bench*") if path != _page.KEPT} == set(drawn)
    for name, text in drawn.items():
        assert (_page.DOCS / name).read_text(encoding="utf-8") == text, "run: python -m bench --page"


def test_a_picture_marks_what_missed_its_goal() -> None:
    met, missed = line(1.01, low=1.0, high=1.02, at_most=1.02), line(1.5, at_most=1.02, what="<b>")
    name, text = next(iter(_page.pictures(answer(met, missed, line(None))).items()))
    assert name == "bench-score-time-ratios.svg"
    drawn = ET.fromstring(text)  # noqa: S314  # our own
    groups = drawn.findall("{http://www.w3.org/2000/svg}g")
    assert [each.get("class") for each in groups] == ["met", "missed"]
    assert _page.pictures(answer(met)) == {}


def compared(winner: str | None, reply: str | None = "different", name: str = "latency/bert") -> Compared:
    return Compared(id=name, answer=reply, winner=winner, statement=f"{winner} is ahead")


def card(*comparisons: Compared, rankings: tuple[Ranked, ...] = (), lead: float | None = None) -> Card:
    leading = None if lead is None else Leading(first={"pytorch": lead, "tensorflow": 1 - lead})
    return Card(comparisons=comparisons, rankings=rankings, robustness=leading)


def questions(one: Card, other: Card) -> list[str]:
    assert len(contradictions.contradictions(one, other)) == len(contradictions.contradictions(other, one))
    return [each.question for each in contradictions.contradictions(one, other)]


def test_two_winners_of_one_question_are_a_contradiction() -> None:
    assert questions(card(compared("pytorch")), card(compared("tensorflow"))) == ["latency/bert"]
    assert questions(card(compared("pytorch", None)), card(compared("tensorflow", None))) == ["latency/bert"]


@pytest.mark.parametrize(
    "other",
    [
        compared("pytorch"),
        compared(None, "undecided"),
        compared("tensorflow", "undecided"),
        compared(None, "disturbed"),
        compared(None, "equivalent"),
        compared(None, None),
        compared("tensorflow", name="latency/resnet50"),
    ],
)
def test_what_is_not_known_contradicts_nothing(other: Compared) -> None:
    assert questions(card(compared("pytorch")), card(other)) == []


def ranked(best: str, slower: str, question: str = "latency") -> Ranked:
    return Ranked(scenario="bert", device="cpu", question=question, best=tuple(best), slower=tuple(slower))


def test_a_ranking_whose_order_turns_is_a_contradiction() -> None:
    ours = card(rankings=(ranked("ab", "c"),))
    assert questions(ours, card(rankings=(ranked("c", "ab"),))) == ["ranking/latency/bert/cpu"]
    assert questions(ours, card(rankings=(ranked("ac", "b"),))) == ["ranking/latency/bert/cpu"]  # b and c
    assert questions(ours, card(rankings=(ranked("a", "bc"),))) == []
    assert questions(ours, card(rankings=(ranked("abc", ""),))) == []
    assert questions(ours, card(rankings=(ranked("c", "ab", "throughput"),))) == []


def test_first_screens_that_name_different_frameworks_contradict_each_other() -> None:
    assert questions(card(lead=0.54), card(lead=0.0)) == ["first screen, weightings"]
    assert questions(card(lead=0.54), card(lead=0.5)) == []
    assert questions(card(lead=0.54), card()) == []


def test_first_screens_that_call_different_frameworks_ready_contradict_each_other() -> None:
    def judged(pytorch: str, tensorflow: str) -> Card:
        scores = (Scored(candidate="pytorch", verdict=pytorch), Scored(candidate="tensorflow", verdict=tensorflow))
        return Card(comparisons=(), scores=scores)

    assert questions(judged("ready", "not ready"), judged("not ready", "ready")) == ["first screen, readiness"]
    assert questions(judged("ready", "not ready"), judged("ready", "ready")) == []
    assert questions(judged("ready", "not ready"), judged("insufficient evidence", "ready")) == []


def test_a_run_contradicts_itself_in_nothing(tmp_path: Path) -> None:
    folder = made_run.write(tmp_path / "run")
    assert contradictions.main([str(folder.path), str(folder.path)]) == 0
    read = contradictions.read(folder.path / "scorecard.json")
    assert len(read.comparisons) == sum(contradictions.agreement(read, read).values()) > 0


def test_contradictions_are_told_on_the_command_line(tmp_path: Path) -> None:
    runs = []
    for winner in ("pytorch", "tensorflow"):
        (tmp_path / winner).mkdir()
        path = tmp_path / winner / "scorecard.json"
        path.write_bytes(msgspec.json.encode(card(compared(winner), compared(None, "undecided", "size"))))
        runs.append(str(path.parent))
    command = [sys.executable, "-m", "bench.contradictions"]
    told = subprocess.run([*command, *runs], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert told.returncode == 1, told.stderr
    assert "latency/bert: one says: pytorch is ahead; the other: tensorflow is ahead" in told.stdout
    assert "1 contradictions in 2 questions (1 different/different, 1 undecided/undecided)" in told.stdout
    assert contradictions.main([runs[0], str(tmp_path)]) == 2
    with pytest.raises(IncompleteEvidence):
        contradictions.read(tmp_path)


def test_time_in_which_two_things_were_done_counts_once() -> None:
    assert work_share.covered([]) == 0
    assert work_share.covered([Span(5, 6), Span(0, 2), Span(1, 3), Span(1, 2)]) == 4


def test_a_run_lasts_from_its_first_event_to_its_last() -> None:
    lines = [b'{"at":"2026-01-01T00:00:10+00:00","event":"session"}', b'{"at":"2026-01-01T00:01:00+00:00"}', b""]
    assert work_share.sessions(lines) == 50
    assert work_share.sessions([]) == 0


def test_of_what_takes_turns_the_blocks_count_and_of_trainings_all(tmp_path: Path) -> None:
    """Two that are alive together do not count twice, and what else was at work at the same time counts once."""

    def step(name: str, stage: str, **fields: object) -> Step:
        return msgspec.convert({"id": name, "stage": stage, "scenario": "tiny", "framework": "pytorch", **fields}, Step)

    steps = (
        step("run-a", "run", measures=True, in_turns=True),
        step("train", "train", measures=True, in_turns=True),
        step("export-a", "export"),
        step("export-b", "export"),
        step("probe", "probe", measures=True),
        step("align", "align"),
    )
    folder = RunFolder.create(tmp_path / "run", fakes.run_record(("tiny",), 1))
    files.write_record(folder.path / "plan.json", Plan(steps=steps, impossible=()))
    for each, (begin, seconds) in zip(steps, ((50, 9), (40, 7), (10, 5), (12, 6), (60, 20), (0, 4)), strict=True):
        at = f"2026-01-01T00:{begin // 60:02}:{begin % 60:02}+00:00"
        folder.save(Result(step=each.id, outcome=Outcome.PASSED, started_at=at, seconds=seconds))
        if each.in_turns:
            block = Block(track="latency", turn=0, calls=1, begin_s=0.0, elapsed_s=1.5)
            files.write_samples(folder.folder(each.id), {"latency": [0.1, 0.1]})
            files.write_record(
                folder.folder(each.id) / "blocks.json", Blocks(blocks=(block, msgspec.structs.replace(block, turn=1)))
            )
    (folder.path / "events.jsonl").write_text(
        '{"at":"2026-01-01T00:00:00+00:00"}\n{"at":"2026-01-01T00:01:40+00:00"}\n'
    )
    wall, spent = work_share.spent(folder.path)
    assert wall == 100
    assert spent == {"measured": 3 + 20, "train": 7, "export": 8, "other": 4}


def test_rates_that_were_offered_count_and_looks_for_a_crowd_do_not(tmp_path: Path) -> None:
    """Closed loops in turns are blocks, which count already."""

    def load(kind: Literal["open", "closed"], wall_s: float) -> Load:
        return Load(kind=kind, clients=1, seconds=(0.1,), errors={}, wall_s=wall_s, client_cpu_s=0.0)

    path = tmp_path / LOADS
    assert work_share.offered(path) == 0
    files.write_record(path, {"rest": (load("closed", 5.0), load("open", 2.0)), "grpc": (load("open", 1.5),)})
    assert work_share.offered(path) == 3.5


def test_scoring_is_told_in_seconds_of_the_reference_machine(tmp_path: Path) -> None:
    (found, *_), raw = score_time.told(
        {"fixed work": [2.0, 3.0], "score": [9.0, 5.0], "read": [1.0], "judge": [1.0]}, findings=5_000
    )
    assert found.reached == pytest.approx(5 / 2 * REFERENCE_S * 2)
    assert found.at_most == 1
    assert raw["findings"] == 5_000
    folder = score_time.made_up(tmp_path / "run", 2)
    assert len(folder.plan.steps) == 2 * len(score_time.made_up(tmp_path / "one", 1).plan.steps)


def test_questions_are_asked_and_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[How] = []

    def lines(how: How) -> tuple[tuple[Line, ...], dict[str, object]]:
        asked.append(how)
        return (line(0.9, unit="share", at_least=0.94, what="Coverage"),), {}

    monkeypatch.setattr(bench, "find", lambda name: Question(name=name, title="Is it so?", lines=lines))
    shown = CliRunner().invoke(bench.main, ["score_time", "--quick", "--scratch", str(tmp_path / "new")])
    assert shown.exit_code == 0, shown.output
    assert [how.quick for how in asked] == [True]
    assert all(word in shown.output for word in ("Is it so?", "Coverage", "at least 94.0 %", "90.0 %", "MISSED"))
    refused = CliRunner().invoke(bench.main, ["score_time", "--quick", "--keep"])
    assert refused.exit_code == 2
