"""Half as many threads as cores: the others are left to whatever else runs on the machine."""

from exports.contract import Runtime, Variant


class HalfThreads(Variant):
    """Gives a runtime half of the cores, at least one."""

    name = "half_threads"
    title = "half the threads"
    summary = "a thread for every second core, at least one"

    def threads(self, cores: int) -> int:
        """Return half of them, at least one."""
        return max(1, cores // 2)

    def applies(self, runtime: Runtime, cores: int) -> bool:
        """Tell whether that is fewer."""
        return cores > 1


plugin = HalfThreads()
