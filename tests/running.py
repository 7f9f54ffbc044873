"""Questions that every running server must answer, whatever launched it."""

from serving.contract import Running

_ROUNDING = 1.02  # the kernel notes a peak from counters that lag a little on each processor


def assert_memory_known(running: Running, at_least: int) -> None:
    """Fail unless the memory in use (bytes) is plausible and the peak is no lower.

    The peak is asked for last: a server goes on growing between the two questions.
    """
    now = running.memory_bytes()
    assert at_least < now <= _ROUNDING * running.peak_memory_bytes()
