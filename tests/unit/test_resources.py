import sys

import psutil
import pytest

from evaluator.measure import resources


def test_the_peak_is_at_least_what_is_resident() -> None:
    held = bytearray(64 << 20)
    assert resources.peak_rss_bytes() >= psutil.Process().memory_info().rss * 0.9
    assert resources.peak_rss_bytes() >= len(held)
    assert resources.provenance().startswith("measured: ")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux resets peaks")
def test_the_peak_can_start_anew() -> None:
    held = bytearray(256 << 20)
    before = resources.peak_rss_bytes()
    del held
    if not resources.reset_peak():
        pytest.skip("this kernel does not let us reset the peak")
    assert resources.peak_rss_bytes() < before - (128 << 20)
