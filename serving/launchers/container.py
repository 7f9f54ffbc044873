"""Start a server from its container image. This version only looks for the engine and says what is missing."""

from contextlib import AbstractContextManager
from pathlib import Path

from evaluator.core.errors import Unavailable
from serving.contract import NO_CONTAINERS, Bundle, Launcher, Ports, Running, Server

_ASK_S = 3  # seconds that the engine may take to answer
_NO_ENGINE = (
    "no Docker engine answers",
    "install Docker Engine (https://docs.docker.com/engine/install/), start it, and set DOCKER_HOST if it is elsewhere",
)


def engine_version() -> str | None:
    """Ask the Docker engine for its version; None when none answers. That `docker` can be imported proves nothing."""
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=_ASK_S)
        try:
            client.ping()
            return str(client.version()["Version"])
        finally:
            client.close()
    except (DockerException, OSError):  # OSError: what requests raises for a socket that does not answer
        return None


class ContainerLauncher(Launcher):
    """Will start a server's image; today it tells the truth about why not."""

    name = "container"
    title = "container"

    def missing(self, server: Server) -> tuple[str, str] | None:
        """Say that there is no engine, or that this version does not use it."""
        return _NO_ENGINE if engine_version() is None else NO_CONTAINERS

    def launch(self, server: Server, bundle: Bundle, ports: Ports, folder: Path) -> AbstractContextManager[Running]:
        """Raise `Unavailable`, always."""
        reason, remedy = self.missing(server) or NO_CONTAINERS
        raise Unavailable(reason, remedy=remedy)


plugin = ContainerLauncher()
