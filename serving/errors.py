"""What can go wrong with a server: it refuses a call, it never becomes ready, or it ends."""

from evaluator.core.errors import FwevalError


class ServerError(FwevalError):
    """A call that did not succeed: the protocol's own code ("404", "NOT_FOUND") and the server's own words.

    The code is "UNREACHABLE" or "TIMEOUT" when REST brought no answer at all (gRPC has codes for these).
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"the server answered {code}: {message}")
        self.code = code
        self.said = message


class NotReady(FwevalError):
    """A server that died, gave up or ran out of time before its model was ready; the message ends with its log."""


class Ended(FwevalError):
    """A server that ended while it was asked; the message ends with its log."""


class BundleError(FwevalError):
    """An artifact that could not be packed for its server."""
