"""Start fweval's own reference implementation of a server: a process like any other, under a label that says so.

It proves the bundle, the protocol, parity and the error contract. Its latency says nothing about the real server.
"""

from collections.abc import Sequence

from serving.contract import Server
from serving.launchers.process import ProcessLauncher


class EmbeddedLauncher(ProcessLauncher):
    """Starts a server's labelled stand-in."""

    name = "embedded"
    title = "embedded reference server"

    def reference(self, server: Server, images: Sequence[str]) -> bool:
        """Return True, always."""
        return True


plugin = EmbeddedLauncher()
