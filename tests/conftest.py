"""What every test may rely on, whoever starts the suite and however busy the machine is."""

import signal

import hypothesis

# How long an example takes says how busy the machine is, and nothing about the code.
hypothesis.settings.register_profile("any-machine", deadline=None)
hypothesis.settings.load_profile("any-machine")


def pytest_configure() -> None:
    """Hear Ctrl-C and be ended as from a terminal: the processes that tests start, and interrupt, inherit this.

    Shells start background jobs with SIGINT ignored, and so do cron and many CI systems.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
