"""One thread: how replicas are run that share a machine, one for each core."""

from exports.contract import Runtime, Variant


class OneThread(Variant):
    """Gives a runtime one thread."""

    name = "one_thread"
    title = "one thread"
    summary = "one thread, however many cores there are"

    def threads(self, cores: int) -> int:
        """Return one."""
        return 1

    def applies(self, runtime: Runtime, cores: int) -> bool:
        """Tell whether half the threads are more than one: on fewer cores `half_threads` is the same."""
        return cores // 2 > 1


plugin = OneThread()
