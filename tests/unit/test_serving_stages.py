"""What stages that start servers need to know: which ports are whose, and whose processor time counts."""

from types import SimpleNamespace
from typing import Any

from evaluator.core import registry
from evaluator.stages import _serving
from serving.contract import Launcher, Server


def test_servers_that_are_alive_at_once_never_want_the_same_port() -> None:
    """A scenario may say from where ports are counted: then all that may be alive together have theirs."""
    servers: tuple[Server, ...] = registry.load_all("server")
    launchers: dict[str, Launcher] = {each.name: each for each in registry.load_all("launcher")}
    taken: list[int] = []
    for server in servers:
        for name in server.launchers:
            for batching in (False, True):
                first = _serving._ports_before(server, launchers[name], batching=batching)
                taken += range(first, first + len(server.ports))
    assert len(taken) == len(set(taken))
    assert min(taken) == 0


def test_processor_time_is_known_when_all_tell_theirs() -> None:
    def service(seconds: float | None) -> Any:
        return SimpleNamespace(running=SimpleNamespace(cpu_s=lambda: seconds))

    assert _serving.cpu_seconds(lambda: 1.0, service(2.0), service(0.0))() == 3.0
    assert _serving.cpu_seconds(lambda: 1.0, service(2.0), service(None))() is None
