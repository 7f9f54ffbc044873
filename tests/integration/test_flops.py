"""Operations as each framework counts them: what is worked out by hand, and the same in both."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from evaluator.core.records import FRAMEWORKS

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("flops_child.py")
# Two for each multiply and add: a convolution of 3 channels in 3 by 3, one of a channel each, a matrix of 200 by 4, and
# a transposed convolution, which lays 6 filters of 2 by 2 on 4 channels. The backward pass takes each again for the
# weights, and again for the input, which the first one's images do not want.
CONVOLUTION, DEPTHWISE, DENSE = 2 * (2 * 8 * 5 * 5) * 27, 2 * (2 * 8 * 5 * 5) * 9, 2 * 2 * 200 * 4
TRANSPOSED = 2 * (2 * 4) * 6 * 2 * 2
PROJECTION, PRODUCT = 2 * (2 * 5) * 8 * 8, 2 * (2 * 2) * 5 * 5 * 4  # two heads over five positions


@pytest.fixture(scope="module")
def told() -> dict[str, dict[str, Any]]:
    """Let both frameworks count, one after the other."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    found = {}
    for framework in FRAMEWORKS:
        command = [sys.executable, str(CHILD), framework]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        found[framework] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_small_networks_take_what_is_worked_out_by_hand(told: dict[str, dict[str, Any]], framework: str) -> None:
    found = told[framework]
    assert found["convolutions"] == [
        CONVOLUTION + DEPTHWISE + DENSE + TRANSPOSED,
        2 * CONVOLUTION + 3 * (DEPTHWISE + DENSE + TRANSPOSED),
    ]
    assert found["attention"] == [
        4 * PROJECTION + 2 * PRODUCT,
        2 * 3 * PROJECTION + 3 * PROJECTION + 3 * 2 * PRODUCT,
    ]
    assert found["none"] == [0, 0]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_the_counters_do_not_see_is_no_number(told: dict[str, dict[str, Any]], framework: str) -> None:
    assert all("does not see into" in each for each in told[framework]["recurrent"])


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_counting_changes_nothing(told: dict[str, dict[str, Any]], framework: str) -> None:
    left = {about: kept for about, kept in told[framework].items() if about.endswith("is left as it was")}
    assert left
    assert all(left.values())


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_resnet_50_takes_what_is_published_of_it(told: dict[str, dict[str, Any]], framework: str) -> None:
    """4.1 billion multiplies and adds at 224 pixels, and a thousand classes instead of ten."""
    forward, step = told[framework]["resnet50 224"]
    assert forward == pytest.approx(8.18e9, rel=0.005)
    assert step / forward == pytest.approx(3, rel=0.02)


def test_both_frameworks_count_the_same(told: dict[str, dict[str, Any]]) -> None:
    one, other = (told[framework] for framework in FRAMEWORKS)
    both = {about: (one[about], other[about]) for about in one if isinstance(one[about], list) and about != "recurrent"}
    assert len(both) == 6
    for about, (first, second) in both.items():
        assert first == second, about
