"""What every test may rely on, whoever starts the suite and however busy the machine is."""

import signal

import hypothesis
import pytest

# How long an example takes says how busy the machine is, and nothing about the code.
hypothesis.settings.register_profile("any-machine", deadline=None)
hypothesis.settings.load_profile("any-machine")


def pytest_configure() -> None:
    """Hear Ctrl-C and be ended as from a terminal: the processes that tests start, and interrupt, inherit this.

    Shells start background jobs with SIGINT ignored, and so do cron and many CI systems.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests of a file, which share what is dear, run in one process where the suite runs in several.

    Files that count what all of us leave in the container engine share one, too (`xdist_group` in the file).
    """
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
