import psutil

from evaluator.measure.resources import peak_memory


def test_the_peak_is_at_least_what_is_resident() -> None:
    held = b"x" * (64 << 20)  # written, so resident
    found = peak_memory()
    peak = found["peak_rss_bytes"]
    assert isinstance(peak, int)
    assert peak >= psutil.Process().memory_info().rss * 0.9
    assert peak >= len(held)
    assert str(found["peak_rss_provenance"]).startswith("measured: ")
    del held
    later = peak_memory()["peak_rss_bytes"]
    assert isinstance(later, int)
    assert later >= peak * 0.99  # a peak does not fall; the kernel's counters lag by a few pages
