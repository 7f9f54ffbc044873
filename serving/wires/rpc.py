"""gRPC to a server on this machine: what the gRPC connections share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from serving.contract import HOST
from serving.errors import ServerError

_TIMEOUT_S = 60.0
_UNLIMITED = -1

Method = Callable[[Any], Any]


@contextmanager
def method(port: int, path: str, request: Any, response: Any) -> Iterator[Method]:
    """Open a channel and yield one unary method of it, by its path and the message classes it takes and gives.

    A call that fails raises `ServerError` with the status code's name.
    """
    import grpc

    options = [
        ("grpc.enable_http_proxy", 0),
        ("grpc.enable_retries", 0),
        ("grpc.max_send_message_length", _UNLIMITED),
        ("grpc.max_receive_message_length", _UNLIMITED),
    ]
    with grpc.insecure_channel(f"{HOST}:{port}", options=options) as channel:
        stub = channel.unary_unary(
            path, request_serializer=request.SerializeToString, response_deserializer=response.FromString
        )

        def call(message: Any) -> Any:
            try:
                return stub(message, timeout=_TIMEOUT_S)
            except grpc.RpcError as error:
                raise ServerError(error.code().name, error.details() or "") from error

        yield call
