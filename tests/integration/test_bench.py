"""The benchmark measures for real: a run's conductor and children, our call and the bare loop on one artifact."""

import pytest

from bench import _live, bare_loop
from bench._loops import BARE
from bench._question import How
from evaluator.core.turns import Block

# Alone: beside others each turn of PyTorch's threads, which spin, takes 30 times as long.
pytestmark = [pytest.mark.integration, pytest.mark.alone, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def how(tmp_path_factory: pytest.TempPathFactory) -> How:
    return How(quick=True, scratch=tmp_path_factory.mktemp("bench"))


@pytest.mark.parametrize("runtime", BARE)
def test_our_call_and_the_bare_loop_take_turns(how: How, runtime: str) -> None:
    size = bare_loop.sized(how, _live.FAST, runtime)
    candidates = bare_loop.candidates(_live.FAST, runtime, 0, seconds=0.3, size=size)
    found = _live.conduct(how, runtime, candidates)
    ours, alone = (found[each.name] for each in candidates)
    assert ours.size == alone.size == size
    assert set(ours.samples) == {"ours", "bare", "ours_beside", "bare_beside"}
    assert set(alone.samples) == {"ours"}
    assert ours.blocks.together == alone.blocks.together == ("ours", "own")
    assert len(of(ours.blocks.blocks, "ours")) == len(of(alone.blocks.blocks, "ours")) >= 12
    told = list(bare_loop.shown(runtime, _live.FAST, [found]))
    beside = next(line for line in told if line.what == f"Beside neighbours: {runtime}")
    assert beside.reached is not None
    assert beside.reached > 0


def of(blocks: tuple[Block, ...], track: str) -> list[Block]:
    return [block for block in blocks if block.track == track]
