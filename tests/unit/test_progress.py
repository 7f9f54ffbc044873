"""What a person sees while a run is at work."""

import io
import re
from typing import Any

import msgspec
import pytest
from rich.console import Console

from evaluator.core.outcome import Outcome
from evaluator.core.records import Figure, Result, Step
from evaluator.running.progress import Reporter, expected_seconds, figures
from tests.engine import PROFILE, make_step


def plain() -> Console:
    return Console(file=io.StringIO(), width=60, force_terminal=False)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def steps(count: int, stage: str = "export") -> list[Step]:
    return [make_step(f"{number}", stage=stage, format="onnx") for number in range(count)]


def passed(step: Step, seconds: float = 1.0, **fields: object) -> Result:
    return Result(step=step.id, **{"outcome": Outcome.PASSED, "seconds": seconds, **fields})  # type: ignore[arg-type]


def test_off_a_terminal_there_is_one_plain_counted_line_per_step() -> None:
    console = plain()
    one, two = steps(2)
    with Reporter(console) as reporter:
        reporter.begin([one, two])
        reporter.started(one)
        reporter.ended(one, passed(one, metrics={"export_s": 2.04}))
        reporter.started(two)
        reporter.ended(two, passed(two, outcome=Outcome.FAILED, reason="outputs differ " + "a lot " * 20))
    first, second = printed(console).splitlines()
    assert re.fullmatch(
        r"\[1/2\] ✓ export made-up pytorch onnx: passed 2.04 s \(\d+:\d\d left, until \d\d:\d\d\)", first
    )
    assert second.startswith("[2/2] ✗ export made-up pytorch onnx: failed outputs differ a lot")
    assert "\x1b" not in printed(console)


def test_off_a_terminal_a_long_step_is_spoken_of() -> None:
    console = plain()
    one, two = steps(2)
    with Reporter(console) as reporter:
        reporter.begin([one, two])
        reporter.started(one)
        reporter.going_on([one])
    said = r"\[0/2\] … export made-up pytorch onnx: at work for 0:0\d \(\d+:\d\d left, until \d\d:\d\d\)"
    assert re.fullmatch(said, printed(console).strip())


def test_colours_in_a_pipe_draw_no_bar() -> None:
    """FORCE_COLOR asks for colours, and not for signs that move a cursor which is not there."""
    console = Console(file=io.StringIO(), width=100, force_terminal=True, force_interactive=False)
    one, two = steps(2)
    with Reporter(console) as reporter:
        reporter.begin([one, two])
        reporter.started(one)
        reporter.ended(one, passed(one))
    assert "[1/2]" in printed(console)
    assert "\x1b[32m" in printed(console)
    assert not re.search(r"\x1b\[[0-9?]*[A-Zhl]", printed(console))


def test_on_a_terminal_a_bar_shows_the_time_left() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    one, two = steps(2)
    with Reporter(console) as reporter:
        reporter.begin([one, two])
        reporter.started(one)
        reporter.ended(one, passed(one))
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed(console))
    assert "50%" in shown
    assert re.search(r"\d+:\d\d left, until \d\d:\d\d", shown)
    assert "[1/2]" not in shown


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What time it is: the last of these."""
    told = [1000.0]
    monkeypatch.setattr("evaluator.running.progress.time.monotonic", lambda: told[-1])
    return told


def test_the_time_left_of_what_takes_turns_follows_how_fast_it_goes(clock: list[float]) -> None:
    """Half of the rest took 90 seconds: the other half will, too, whatever was promised."""
    one, two, later = steps(3)
    with Reporter(plain()) as reporter:
        reporter.begin([one, two, later])
        promised = reporter.seconds_left() / 3
        reporter.measured([one, two], 0.2)
        assert reporter.seconds_left() == pytest.approx(0.8 * 2 * promised + promised)
        clock.append(1090.0)
        reporter.measured([one, two], 0.6)
        assert reporter.seconds_left() == pytest.approx(90 + promised)
        reporter.measured([one, two], 1.0)
        assert reporter.seconds_left() == pytest.approx(promised)
        reporter.ended(one, passed(one, seconds=3 * promised))
        reporter.ended(two, passed(two, seconds=3 * promised))
        assert reporter.seconds_left() == pytest.approx(3 * promised)


def test_off_a_terminal_turns_are_spoken_of_once_a_minute(clock: list[float]) -> None:
    console = plain()
    one, two = steps(2, stage="run")
    with Reporter(console) as reporter:
        reporter.begin([one, two])
        for share, at in ((0.1, 1000.0), (0.2, 1030.0), (0.5, 1061.0), (0.6, 1100.0)):
            clock.append(at)
            reporter.measured([one, two], share)
        clock.append(1200.0)
        reporter.measured([two], 0.7)
    first, second, third = printed(console).splitlines()
    assert first.startswith("[0/2] … run made-up, 2 in turns: 10% measured (")
    assert second.startswith("[0/2] … run made-up, 2 in turns: 50% measured (1:16 left, until ")
    assert third.startswith("[0/2] … run made-up pytorch onnx: 70% measured (")


def test_on_a_terminal_turns_move_the_bar(clock: list[float]) -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True)
    (one,) = steps(1, stage="run")
    with Reporter(console) as reporter:
        reporter.begin([one])
        reporter.started(one)
        for share, at in ((0.25, 1002.0), (0.5, 1002.1)):  # the second one at once after the first
            clock.append(at)
            reporter.measured([one], share)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed(console))
    assert "25% measured" in shown
    assert " 25% " in shown
    assert "50%" not in shown


def test_the_time_left_shrinks_to_nothing() -> None:
    planned = steps(4)
    with Reporter(plain()) as reporter:
        reporter.begin(planned)
        left = [reporter.seconds_left()]
        for step in planned:
            reporter.started(step)
            reporter.ended(step, passed(step, seconds=expected_seconds(step)))
            left.append(reporter.seconds_left())
    assert left == sorted(left, reverse=True)
    assert left[0] == sum(map(expected_seconds, planned))
    assert left[-1] == 0


def test_the_time_left_learns_from_this_machine() -> None:
    planned = steps(3)
    with Reporter(plain()) as reporter:
        reporter.begin(planned)
        reporter.ended(planned[0], passed(planned[0], seconds=2 * expected_seconds(planned[0])))
        assert reporter.seconds_left() == pytest.approx(2 * 2 * expected_seconds(planned[1]))


def test_one_step_that_took_many_times_as_long_says_nothing_of_the_others() -> None:
    planned = steps(5)
    with Reporter(plain()) as reporter:
        reporter.begin(planned)
        for step, pace in zip(planned[:3], (2, 40, 1.5), strict=True):
            reporter.ended(step, passed(step, seconds=pace * expected_seconds(step)))
        assert reporter.seconds_left() == pytest.approx(2 * 2 * expected_seconds(planned[4]))


def test_a_longer_profile_is_expected_to_take_longer() -> None:
    longer = msgspec.structs.replace(
        PROFILE, sampling=msgspec.structs.replace(PROFILE.sampling, min_seconds=10 * PROFILE.sampling.min_seconds)
    )
    for stage, grows in (("run", True), ("serve", True), ("train", False), ("export", False)):
        short, long = (
            expected_seconds(make_step("a", stage=stage, settings={"profile": msgspec.to_builtins(profile)}))
            for profile in (PROFILE, longer)
        )
        assert (long > short) is grows


@pytest.mark.parametrize(
    "text",
    ["lost [red]weights[/red]", "a closing [/] alone", "shape [None, 3]", "C:\\[x]", "it ends in \\", "[/dim] escapes"],
)
def test_text_of_others_is_shown_as_it_is(text: str) -> None:
    console = plain()
    (step,) = steps(1)
    with Reporter(console) as reporter:
        reporter.begin([step])
        reporter.ended(step, passed(step, outcome=Outcome.FAILED, reason=text))
        reporter.note(text)
    line, note = printed(console).splitlines()
    assert line == f"[1/1] ✗ export made-up pytorch onnx: failed {text}"
    assert note == text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"stage": "train"}, "train made-up pytorch"),
        ({"stage": "train", "device": "gpu", "round": 2}, "train made-up pytorch gpu round 2"),
        (
            {"stage": "run", "format": "onnx", "runtime": "onnx_runtime", "control": True},
            "run made-up pytorch onnx onnx_runtime again (A/A)",
        ),
        (
            {"stage": "serve", "server": "torchserve", "launcher": "process"},
            "serve made-up pytorch torchserve process",
        ),
    ],
)
def test_steps_are_named_for_people(fields: dict[str, Any], said: str) -> None:
    assert make_step("a", **fields).title() == said


def test_the_most_telling_figures_are_shown() -> None:
    step = make_step("a", stage="run")
    latencies = [Figure(name="latency_s", value=0.00123456, labels={"statistic": each}) for each in ("median", "p50")]
    ended = passed(step, metrics={"throughput_per_s": 812.3, "queries": 64}, figures=tuple(latencies))
    assert figures(step, ended) == "median 1.23 ms, 812 per s"
    assert figures(step, passed(step)) == ""


def test_a_cell_of_the_matrix_is_named_by_what_makes_it_and_how() -> None:
    step = make_step("1", stage="export", format="onnx", exporter="tf2onnx", precision="int8", standard=False)
    assert step.title() == "export made-up pytorch tf2onnx int8"
