"""The error that every layer of the reference server raises, and its two faces: gRPC code and HTTP status."""

from enum import IntEnum


class Code(IntEnum):
    """The canonical codes (https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto)."""

    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16

    @property
    def http(self) -> int:
        """HTTP status, as ToHTTPStatusCode in tensorflow_serving/model_servers/http_server.cc maps it."""
        return _HTTP.get(self, 500)


_HTTP = {
    Code.CANCELLED: 499,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.UNAUTHENTICATED: 401,
}


class StatusError(Exception):
    """A request that is answered with an error."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def undone(what: str) -> StatusError:
    """Make the answer to what TF Serving can do and this stand-in does not."""
    return StatusError(Code.UNIMPLEMENTED, f"The reference server does not do {what}; TF Serving does.")


def invalid(message: str) -> StatusError:
    """Make the most frequent error: the request itself is wrong."""
    return StatusError(Code.INVALID_ARGUMENT, message)
