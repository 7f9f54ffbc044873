"""The machine's own limit, as tracks beside a candidate's: what is asked, what is kept, and what changes nothing."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from evaluator.children.turns import Call, Taken, Turns
from evaluator.core import machine
from evaluator.core.turns import Block, Blocks, Track
from evaluator.running.candidates import Asked, Candidate, Progress
from evaluator.running.looks import Looks
from evaluator.stages import _peak
from evaluator.stages._evidence import Assignment
from evaluator.stages._peak import BLOCKS, PREFIX, Peak, last_cache, on_cpu
from scenarios.contract import Kernel, Sizes
from tests.engine import make_step
from tests.unit.test_turns import seen

WORK = {"gemm": 200, "convolution": 100, "memory": 1000}


class Paper:
    """A framework whose kernels do nothing, or refuse."""

    def __init__(self, refuses: str = "") -> None:
        self.refuses = refuses
        self.made: list[str] = []
        self.sizes: list[Sizes] = []

    def kernels(self, sizes: Sizes, precision: str, device: str) -> tuple[Kernel, ...]:
        del device
        self.sizes.append(sizes)
        names = ("gemm", "convolution", "memory") if precision == "fp32" else ("gemm", "convolution")
        return tuple(
            Kernel(name=name, precision=precision, work=WORK[name], make=lambda name=name: self._made(name))  # type: ignore[misc]
            for name in names
        )

    def _made(self, name: str) -> Callable[[], object]:
        self.made.append(name)
        if name == self.refuses:
            raise MemoryError("no room")
        return lambda: None


def assignment(framework: Paper, *, cuda: bool = False) -> Assignment:
    device = SimpleNamespace(name="somewhere", cuda=cuda, state=lambda: None)
    return cast("Assignment", SimpleNamespace(framework=framework, device=device, threads=2))


def taken(peak: Peak, seconds: dict[str, list[tuple[float, ...]]]) -> Taken:
    """Return blocks of these seconds, by track; those of which nothing is said have none."""
    blocks = tuple(
        Block(track=name, turn=turn, calls=len(each), begin_s=0.0, elapsed_s=1.0, own_cores=2.0, quiet=turn > 0)
        for name, found in seconds.items()
        for turn, each in enumerate(found)
    )
    flat = {track.name: tuple(s for each in seconds.get(track.name, ()) for s in each) for track in peak.calls}
    return Taken(found=Blocks(blocks=blocks), series=flat, tracks={track.name: track for track in peak.calls})


@pytest.fixture(autouse=True)
def _without_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "flags", lambda: frozenset({"avx2"}))


def test_the_best_block_of_each_kernel_is_the_peak() -> None:
    peak = Peak(assignment(Paper()))
    found = taken(
        peak,
        {
            "peak_gemm_fp32": [(0.5, 0.1, 0.4), (0.2, 0.2)],
            "peak_convolution_fp32": [(1.0,)],
            "peak_memory_fp32": [(2.0, 4.0, 4.0), (8.0,)],
        },
    )
    assert {each.labels["kernel"]: each.value for each in peak.figures(found)} == {"gemm": 1000.0, "convolution": 100.0}
    assert all(each.labels["precision"] == "fp32" for each in peak.figures(found))
    assert peak.metrics(found) == {"bfloat16": "emulated", "memory_bytes_per_s": 250.0}


def test_nothing_is_allocated_before_the_first_block_and_the_memory_is_read_before_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    framework = Paper()
    monkeypatch.setattr(_peak, "peak_memory", lambda: {"peak_rss_bytes": 100 + 10 * len(framework.made)})
    peak = Peak(assignment(framework))
    calls = peak.calls
    assert framework.made == []
    assert peak.memory == {"peak_rss_bytes": 100}
    for call in calls.values():
        call(0)
        call(1)
    assert framework.made == ["gemm", "convolution", "memory"]
    assert peak.memory == {"peak_rss_bytes": 100}


def test_a_kernel_that_refuses_ends_its_track_and_nothing_else() -> None:
    peak = Peak(assignment(Paper(refuses="gemm")))
    found = Turns().take(_short(peak))
    assert not found.series["peak_gemm_fp32"]
    assert found.series["peak_convolution_fp32"]
    assert {each.labels["kernel"] for each in peak.figures(found)} == {"convolution"}
    assert peak.metrics(found)["peak_unknown"] == "gemm fp32: no room"


def _short(peak: Peak) -> dict[Track, Call]:
    return {msgspec.structs.replace(track, block_s=0.001): call for track, call in peak.calls.items()}


def test_bfloat16_is_asked_for_where_there_are_instructions_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"gemm", "convolution"}
    assert not {each.name for each in Peak(assignment(Paper())).calls} & {f"{PREFIX}{name}_bfloat16" for name in names}
    for flag in ("avx512_bf16", "amx_bf16", "bf16"):
        monkeypatch.setattr(machine, "flags", lambda flag=flag: frozenset({flag}))
        peak = Peak(assignment(Paper()))
        assert {each.name for each in peak.calls} >= {f"{PREFIX}{name}_bfloat16" for name in names}
        assert peak.metrics(taken(peak, {})) == {"bfloat16": "instructions"}


def test_an_artifact_is_not_asked_what_the_machine_can_do() -> None:
    peak = Peak(assignment(Paper()), wanted=False)
    assert (peak.calls, peak.metrics(taken(peak, {})), peak.figures(taken(peak, {}))) == ({}, {}, ())
    assert peak.memory["peak_rss_bytes"]


def test_sizes_grow_with_the_cores_and_a_gpu_has_its_own(tmp_path: Path) -> None:
    assert [on_cpu(threads).side for threads in (1, 2, 4, 16, 64)] == [1024, 1024, 1024, 2048, 3072]
    assert [on_cpu(threads).images for threads in (1, 16)] == [4, 64]
    framework = Paper()
    Peak(assignment(framework, cuda=True))
    assert {sizes.side for sizes in framework.sizes} == {8192}
    assert last_cache(tmp_path) == 32 << 20
    for number, size in enumerate(("48K", "2048K", "107520K")):
        (tmp_path / f"index{number}").mkdir()
        (tmp_path / f"index{number}" / "size").write_text(f"{size}\n")
    assert last_cache(tmp_path) == 105 << 20


def test_no_question_asks_for_more_blocks_of_it() -> None:
    """Both are as undecided as can be: a candidate's own track would be asked for more."""
    (gemm, *_), latency = Peak(assignment(Paper())).calls, Track(name="latency")

    def pair(track: Track) -> list[Candidate]:
        return [
            Candidate(
                job=None,
                step=msgspec.structs.replace(make_step(name, stage="train"), framework=name),
                tracks={track.name: Progress(track, medians={turn: 1.0 + 0.3 * (turn % 3) for turn in range(BLOCKS)})},
                asked=[Asked(track=track.name, turn=turn, neighbours=False, sight=seen()) for turn in range(BLOCKS)],
            )
            for name in ("pytorch", "tensorflow")
        ]

    assert Looks().undecided(latency.name, pair(latency))
    assert Looks().undecided(gemm.name, pair(gemm)) == set()


def test_it_says_nothing_of_the_candidate() -> None:
    own, (gemm, *_) = Track(name="step"), Peak(assignment(Paper())).calls
    blocks = [
        Block(track="step", turn=0, calls=1, begin_s=0.0, elapsed_s=1.0, own_cores=1.0),
        Block(track=gemm.name, turn=0, calls=1, begin_s=1.0, elapsed_s=1.0, own_cores=2.0, quiet=False),
    ]

    def told(*tracks: Track) -> dict[str, Any]:
        names = {track.name: track for track in tracks}
        found = Blocks(blocks=tuple(block for block in blocks if block.track in names))
        return dict(Taken(found=found, series=dict.fromkeys(names, (1.0,)), tracks=names).metrics())

    assert told(own, gemm) == told(own) == {"blocks": 1, "own_cores": 1.0, "disturbed_share": 0.0}
