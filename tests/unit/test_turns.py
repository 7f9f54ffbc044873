"""Measuring in turns: who is asked when, what becomes of those that end, and what a candidate makes of its blocks."""

import io
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from evaluator.children.turns import Elsewhere, Line, Turns
from evaluator.core.errors import IncompleteEvidence
from evaluator.core.files import read_blocks
from evaluator.core.outcome import Outcome
from evaluator.core.records import Step
from evaluator.core.store import RunFolder
from evaluator.core.turns import Ask, Block, Blocks, Mark, Over, Track, medians
from evaluator.measure.disturbance import (
    OTHERS_FROM,
    SHARED_CORE,
    SLOW_FROM,
    Sight,
    marks,
    others_limit,
    sight,
    slow_limit,
)
from evaluator.measure.neighbours import Counters
from evaluator.running.candidates import Asked, Candidate, Progress
from evaluator.running.execution import execute
from evaluator.running.looks import Looks, questions
from evaluator.running.progress import Reporter
from tests.engine import PROFILE, PaperMachine, make_step, run_folder
from tests.paper_executor import PaperExecutor

LATENCY = {"name": "latency", "min_calls": 6, "min_blocks": 2}
THROUGHPUT = {"name": "throughput", "min_calls": 3}
GIB = 1 << 30


def step(name: str, *tracks: dict[str, Any], **settings: Any) -> Step:
    return make_step(
        name,
        stage="run",
        machine="one",
        measures=True,
        in_turns=True,
        settings={"tracks": list(tracks) or [LATENCY], "seed": 1, **settings},
    )


def run(steps: list[Step], path: Path, paper: PaperExecutor | None = None) -> tuple[RunFolder, PaperExecutor, str]:
    folder, paper = run_folder(path / "run"), paper or PaperExecutor(root=path / "machines")
    console = Console(file=io.StringIO(), width=200)
    execute(steps, folder, Reporter(console), paper)
    return folder, paper, console.file.getvalue()  # type: ignore[attr-defined]


def test_all_are_alive_at_once_and_each_turn_asks_each_of_them_once(tmp_path: Path) -> None:
    _, paper, _ = run([step(name) for name in "abc"], tmp_path)
    assert max(map(len, paper.together)) == 3
    turns = Counter((track, turn) for _, track, turn in paper.asked)
    assert set(turns.values()) == {3}
    assert all(len(over.marks) == 2 for over in paper.over.values())
    assert {over.together for over in paper.over.values()} == {("a", "b", "c")}


def test_the_order_of_a_turn_is_mirrored_in_the_next_one_and_drawn_by_the_seed(tmp_path: Path) -> None:
    track = {**LATENCY, "min_blocks": 8}
    orders: list[list[list[str]]] = []
    for seed in (1, 1, 2):
        _, paper, _ = run([step(name, track, seed=seed) for name in "abcde"], tmp_path / f"{len(orders)}")
        asked = [[who for who, _, at in paper.asked if at == turn] for turn in range(8)]
        assert all(asked[turn] == asked[turn + 1][::-1] for turn in range(0, 8, 2))
        orders.append(asked)
    assert orders[0] == orders[1] != orders[2]
    assert len({tuple(order) for order in orders[0]}) > 2


def test_tracks_alternate_so_that_drift_meets_them_alike(tmp_path: Path) -> None:
    _, paper, _ = run([step(name, LATENCY, THROUGHPUT) for name in "ab"], tmp_path)
    assert [track for _, track, _ in paper.asked] == ["latency"] * 2 + ["throughput"] * 2 + ["latency"] * 2


def test_it_is_said_how_far_the_turns_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluator.running.progress.SILENCE_S", 0.0)
    _, _, said = run([step(name, {**LATENCY, "min_blocks": 4}, THROUGHPUT) for name in "ab"], tmp_path)
    told = re.findall(r"… run made-up, 2 in turns: (\d+)% measured", said)
    assert told == ["62", "75", "88", "100"]  # of one track a quarter with each block; the other one's is all of it


@pytest.mark.parametrize(
    ("taken", "share"),
    [
        ({}, 0.0),
        ({"calls": 3, "timed_s": 1.0}, 0.25),  # of both minima, the one that is further off
        ({"calls": 30, "timed_s": 1.0}, 0.5),
        ({"calls": 1, "timed_s": 0.1, "elapsed_s": 8.0}, 0.8),  # of its cap
        ({"calls": 12, "timed_s": 2.0}, 1.0),
        ({"calls": 1, "finished": True}, 1.0),
    ],
)
def test_how_much_of_a_track_is_taken(taken: dict[str, Any], share: float) -> None:
    track = Track(name="latency", min_calls=12, min_seconds=2.0, cap_seconds=10.0)
    assert Progress(track, medians={0: 0.1}, **taken).share == pytest.approx(share)


def test_a_slow_one_is_not_asked_beyond_its_cap_and_a_finite_one_not_beyond_its_end(tmp_path: Path) -> None:
    track = {"name": "latency", "min_calls": 30, "cap_seconds": 1.0}
    steps = [step("slow", track, call_s=0.4), step("quick", track), step("short", track, blocks=2)]
    _, paper, _ = run(steps, tmp_path)
    assert Counter(who for who, _, _ in paper.asked) == {"slow": 1, "short": 2, "quick": 7}  # 7 blocks of 0.15 s


@pytest.mark.parametrize("ending", [{"dies_at": 1}, {"never_ready": True}])
def test_one_that_dies_ends_its_own_row_only(ending: dict[str, Any], tmp_path: Path) -> None:
    dying = step("b", ending="crashed", **ending)
    folder, paper, _ = run([step("a"), dying, step("c")], tmp_path)
    outcomes = [(folder.result(name) or pytest.fail(name)).outcome for name in "abc"]
    assert outcomes == [Outcome.PASSED, Outcome.CRASHED, Outcome.PASSED]
    assert [len(paper.over[name].marks) for name in "ac"] == [2, 2]


def test_one_that_never_sleeps_is_named_and_left_out(tmp_path: Path) -> None:
    track = {**LATENCY, "min_blocks": 6}
    steps = [step("a", track), step("b", track, idle_cores=0.5), step("c", track, idle_cores=0.1)]
    folder, paper, said = run(steps, tmp_path)
    assert "kept 0.5 of a core busy while others were measured" in said
    counts = Counter(who for who, _, _ in paper.asked)
    assert counts == {"a": 6, "b": 3, "c": 6}
    assert not any(mark.quiet for mark in paper.over["b"].marks)
    assert (folder.result("b") or pytest.fail("b")).outcome is Outcome.PASSED


def test_what_is_measured_after_the_turns_is_measured_alone(tmp_path: Path) -> None:
    """Such as a server's stop, or an evaluation; who is done ends beside others."""
    steps = [step("a"), step("b", last=True), step("c"), step("d", last=True)]
    _, paper, _ = run(steps, tmp_path)
    told, ended = "told", "ended"
    together = [("b", told), ("d", told), ("b", ended), ("d", ended)]
    assert paper.endings == [*together, ("a", told), ("a", ended), ("c", told), ("c", ended)]


def test_an_interrupt_cancels_all_of_them(tmp_path: Path) -> None:
    paper = PaperExecutor(root=tmp_path / "machines", interrupt_at=0.5, interrupt_in="hear")
    with pytest.raises(KeyboardInterrupt):
        run([step(name, {**LATENCY, "min_blocks": 9}) for name in "abc"], tmp_path, paper)
    assert sorted(paper.cancelled) == ["a", "b", "c"]


class Small(PaperMachine):
    """A machine with room for two candidates at a time."""

    def __init__(self, paper: "SmallExecutor") -> None:
        self._paper = paper
        super().__init__()

    @property
    def free_memory_bytes(self) -> int:
        return 8 * GIB - 3 * GIB * len((self._paper.together or [frozenset()])[-1])

    @free_memory_bytes.setter
    def free_memory_bytes(self, _: int) -> None:
        pass


class SmallExecutor(PaperExecutor):
    def machines(self) -> dict[str, Any]:
        return {"one": Small(self)}


def test_what_does_not_fit_into_memory_is_measured_in_groups_that_share_the_first(tmp_path: Path) -> None:
    _, paper, _ = run([step(name) for name in "abcd"], tmp_path, SmallExecutor(root=tmp_path / "machines"))
    assert max(map(len, paper.together)) == 2
    by_turn: dict[int, set[str]] = {}
    for who, _, turn in paper.asked:
        by_turn.setdefault(turn, set()).add(who)
    assert list(by_turn.values()) == [{"a", "b"}] * 2 + [{"a", "c"}] * 2 + [{"a", "d"}] * 2
    assert paper.over["d"].together == ("a", "b", "c", "d")
    assert len(paper.over["a"].marks) == 6


def test_rounds_are_groups_of_their_own(tmp_path: Path) -> None:
    steps = [step("a"), step("b")]
    again = [make_again(each) for each in steps]
    _, paper, _ = run([*steps, *again], tmp_path)
    assert max(map(len, paper.together)) == 2
    assert [who for who, _, _ in paper.asked[4:]] != [who for who, _, _ in paper.asked[:4]]


def make_again(first: Step) -> Step:
    return msgspec.structs.replace(first, id=f"{first.id}2", round=2)


# A candidate's side ---------------------------------------------------------------------------------------------------


def asked(calls: Any, *wanted: Ask | Over) -> Any:
    """Let a candidate be asked over a real socket; return what it took and what it said."""
    ours, theirs = socket.socketpair()
    line, said = Line(ours), []

    def conduct() -> None:
        said.append(line.receive())
        for each in wanted:
            line.send(each)
            if isinstance(each, Ask):
                said.append(line.receive())

    thread = threading.Thread(target=conduct)
    thread.start()
    try:
        return Turns(Line(theirs)).take(calls), said
    finally:
        thread.join(20)
        ours.close()
        theirs.close()


def test_a_candidate_makes_the_blocks_that_it_is_asked_for_and_keeps_what_was_seen() -> None:
    made: list[int] = []
    track = Track(name="latency", block_s=0.0, block_calls=3, untimed=1)
    over = Over(together=("a", "b"), begun=7, marks=(Mark(others_cores=0.1), Mark(others_cores=1.5, quiet=False)))
    taken, said = asked({track: made.append}, Ask(track="latency", turn=0), Ask(track="latency", turn=1), over)
    assert made == list(range(8))  # two untimed ones among them
    assert [(block.turn, block.calls, block.quiet) for block in taken.found.blocks] == [(0, 3, True), (1, 3, False)]
    assert taken.seconds("latency") == taken.blocks("latency")[0]
    assert len(taken.series["latency"]) == 6
    assert taken.metrics()["disturbed_share"] == 0.5
    assert len(said) == 3


def test_alone_a_candidate_goes_through_its_blocks_until_all_minima_hold() -> None:
    track = Track(name="latency", min_calls=7, min_blocks=4, block_s=0.0)
    taken = Turns().take({track: lambda _: None})
    assert [block.calls for block in taken.found.blocks] == [3, 3, 3, 3]
    assert not taken.capped("latency")
    assert "idle_cores" not in taken.metrics()


def test_a_finite_track_ends_where_its_calls_end() -> None:
    calls = iter(range(7))
    track = Track(name="step", min_calls=10**6, block_s=0.0, untimed=0)
    taken = Turns().take({track: lambda _: next(calls)})
    assert [block.calls for block in taken.found.blocks] == [3, 3, 1]
    assert taken.capped("step")


def test_calls_that_were_timed_elsewhere_count_as_they_were_timed() -> None:
    track = Track(name="latency", min_calls=2, block_s=0.0, block_calls=1, untimed=0)
    taken = Turns().take({track: lambda _: Elsewhere((0.5, 0.25))})
    assert taken.series["latency"] == (0.5, 0.25)


def test_a_failing_call_goes_to_the_caller() -> None:
    def fail(_: int) -> None:
        raise ValueError("no ink")

    with pytest.raises(ValueError, match="no ink"):
        Turns().take({Track(name="latency"): fail})


def test_blocks_and_samples_are_written_and_read_again(tmp_path: Path) -> None:
    taken = Turns().take({Track(name="latency", min_calls=6, block_s=0.0): lambda _: None})
    taken.write(tmp_path)
    assert read_blocks(tmp_path) == taken.found
    told = medians(taken.found, "latency", taken.series["latency"])
    assert list(told) == [0, 1]
    (tmp_path / "samples" / "latency.jsonl").write_text("0.5\n")
    with pytest.raises(IncompleteEvidence, match="counts 6 calls of 'latency', not 1"):
        read_blocks(tmp_path)


def test_medians_are_of_quiet_blocks_by_turn_and_turns_of_two_groups_are_never_one() -> None:
    def blocks(begun: int) -> Blocks:
        kinds = ((0, True), (1, False), (2, True))
        return Blocks(
            begun=begun,
            blocks=tuple(
                Block(track="latency", turn=turn, calls=2, begin_s=0, elapsed_s=1, quiet=quiet) for turn, quiet in kinds
            ),
        )

    first, second = (medians(blocks(begun), "latency", (1, 3, 9, 9, 4, 6)) for begun in (100, 101))
    assert list(first.values()) == [2, 5]
    assert not set(first) & set(second)


# What disturbs --------------------------------------------------------------------------------------------------------


def seen(others: float | None = 0.05, beat: float = 0.004, steal: float = 0.0) -> Sight:
    return Sight(
        others_cores=others, steal_cores=steal, stalled=0.0, throttled=0, beats=((0.004, 0.004), (0.004, beat))
    )


def test_blocks_beside_others_or_in_a_slow_state_do_not_count() -> None:
    cases = [seen()] * 20 + [seen(0.9), seen(None), seen(beat=0.007), seen(steal=0.5), seen(0.19)]
    assert [mark.quiet for mark in marks(cases)[20:]] == [False, True, False, False, True]
    assert marks(cases)[22].slowdown == pytest.approx(1.75)


def test_the_limit_for_others_follows_the_quietest_blocks_up_to_as_much_again() -> None:
    assert others_limit([]) == OTHERS_FROM
    assert others_limit([0.1] * 20) == pytest.approx(OTHERS_FROM + 0.1)
    assert others_limit([0.8] * 20) == pytest.approx(2 * OTHERS_FROM)  # a neighbour that never stops is one


def test_a_state_that_never_ends_is_the_machines_and_one_that_comes_and_goes_is_not() -> None:
    assert slow_limit([]) == slow_limit([0.9] * 20) == SLOW_FROM
    assert slow_limit([1.6] * 20) == pytest.approx(1.6 * SLOW_FROM), "a guest on the other half that never leaves"
    assert slow_limit([3.0] * 20) == pytest.approx(SHARED_CORE * SLOW_FROM), "what no such guest explains"
    assert slow_limit([1.1] * 20) == pytest.approx(1.1 * SLOW_FROM)
    assert slow_limit([1.0] * 10 + [1.6] * 10) == SLOW_FROM
    rare, usual = 0.004, 0.0064  # one block in eight has the core alone
    always = [
        Sight(others_cores=0.0, steal_cores=0.0, stalled=0.0, throttled=0, beats=((beat,), (beat,)))
        for beat in ([rare] + [usual] * 7) * 5 + [2 * usual]
    ]
    assert [mark.quiet for mark in marks(always)] == [True] * 40 + [False]
    assert marks(always)[1].slowdown == pytest.approx(1.6)


def test_others_have_what_the_machine_was_busy_less_what_the_asked_one_had() -> None:
    begin = Counters(busy_s=100.0, steal_s=1.0, stalled_s=5.0, throttled=2)
    end = Counters(busy_s=104.5, steal_s=1.5, stalled_s=5.1, throttled=3)
    found = sight(begin, end, 2.0, 3.5, ((), ()))
    assert found.others_cores == pytest.approx(0.5)
    assert (found.steal_cores, found.throttled) == (0.25, 1)
    assert found.stalled == pytest.approx(0.05)
    assert sight(begin, end, 2.0, None, ((), ())).others_cores is None


# When it is enough ----------------------------------------------------------------------------------------------------


def sided(name: str, framework: str, median_s: Callable[[int], float], blocks: int = 12, **fields: Any) -> Candidate:
    about = make_step(name, stage="run", format="onnx", **fields)
    about = msgspec.structs.replace(about, framework=framework)
    track = Progress(Track(name="latency"), medians={turn: median_s(turn) for turn in range(blocks)})
    asked = [Asked(track="latency", turn=turn, neighbours=False, sight=seen()) for turn in range(blocks)]
    return Candidate(job=None, step=about, tracks={"latency": track}, asked=asked)


def wobble(turn: int) -> float:
    return 1.0 + 0.3 * ((turn * 7) % 5 - 2)


def test_a_question_that_is_decided_needs_no_more_blocks_and_an_open_one_has_three_looks() -> None:
    clear = [sided("a", "pytorch", lambda _: 0.010), sided("b", "tensorflow", lambda turn: 0.02 + turn * 1e-6)]
    assert Looks().undecided("latency", clear) == set()
    looks = Looks()
    still = {}
    for blocks in range(12, 50):
        pair = [sided("a", "pytorch", lambda _: 1.0, blocks), sided("b", "tensorflow", wobble, blocks)]
        looks_at = looks._looks.get("latency")
        if looks_at is not None and looks_at.open:
            looks_at.open = set(pair)  # the same two, as they are now
        still[blocks] = bool(looks.undecided("latency", pair))
    assert [blocks for blocks, is_open in still.items() if not is_open] == [48, 49]


def test_only_those_whose_question_is_open_are_asked_for_more() -> None:
    pair = [sided("a", "pytorch", lambda _: 1.0), sided("b", "tensorflow", wobble)]
    slow = sided("c", "pytorch", lambda _: 9.0)
    assert Looks().undecided("latency", [*pair, slow]) == set(pair)


def test_the_best_of_either_side_are_asked_about_and_neither_repeats_nor_variants() -> None:
    best, slow, other = (
        sided(name, framework, lambda _, each=each: each)  # type: ignore[misc]
        for name, framework, each in (("a", "pytorch", 1.0), ("b", "pytorch", 2.0), ("c", "tensorflow", 3.0))
    )
    again = sided("d", "tensorflow", lambda _: 0.1, control=True)
    variant = sided("e", "tensorflow", lambda _: 0.1, variant="one_thread")
    assert list(questions("latency", [best, slow, other, again, variant])) == [(best, other)]


def test_rounds_that_carry_the_interval_take_no_more_than_their_minima() -> None:
    about = {"profile": msgspec.to_builtins(msgspec.structs.replace(PROFILE, rounds=3))}
    pair = [sided("a", "pytorch", lambda _: 1.0, settings=about), sided("b", "tensorflow", wobble, settings=about)]
    assert Looks().undecided("latency", pair) == set()
