"""HTTP to a server on this machine, and JSON with numbers that survive: what the REST connections share.

One connection that is kept alive; no retries, no redirects, no proxies: what is measured is one request.
"""

import json
from typing import Any, Self

import orjson
import urllib3
from urllib3.exceptions import HTTPError, ReadTimeoutError

from serving.contract import HOST
from serving.errors import ServerError

JSON = "application/json"
_CONNECT_S = 5.0
_LONGEST_MESSAGE = 2_000


class Http:
    """A kept-alive connection to a loopback port."""

    def __init__(self, port: int, read_timeout_s: float = 60.0) -> None:
        self._pool = urllib3.HTTPConnectionPool(
            HOST, port, maxsize=1, block=True, timeout=urllib3.Timeout(connect=_CONNECT_S, read=read_timeout_s)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.close()

    def get(self, path: str) -> bytes:
        """Fetch a path; raises `ServerError` unless the status is 200."""
        return self._call("GET", path)

    def post(self, path: str, body: bytes, content_type: str = JSON) -> bytes:
        """Send a body; raises `ServerError` unless the status is 200."""
        return self._call("POST", path, body, content_type)

    def send(self, method: str, path: str) -> bytes:
        """Send a request of any method without a body or its type; raises `ServerError` unless the status is 200."""
        return self._call(method, path)

    def _call(self, method: str, path: str, body: bytes | None = None, content_type: str | None = None) -> bytes:
        headers = {"Content-Type": content_type} if content_type is not None else {}
        try:
            answer = self._pool.urlopen(method, path, body=body, headers=headers, retries=False, redirect=False)
        except ReadTimeoutError as error:
            raise ServerError("TIMEOUT", str(error)) from error
        except HTTPError as error:
            raise ServerError("UNREACHABLE", str(error)) from error
        if answer.status != 200:
            raise ServerError(str(answer.status), said(answer.data))
        return answer.data


def said(body: bytes) -> str:
    """Extract the message of an error body: TF Serving's `error`, TorchServe's `message`, or the text itself."""
    text = body.decode(errors="replace").strip()[:_LONGEST_MESSAGE]
    try:
        document = from_json(body)
    except ValueError:
        return text
    if isinstance(document, dict):
        return str(document.get("error", document.get("message", text)))
    return text


def to_json(document: Any) -> bytes:
    """Encode a document whose leaves may be arrays; a float32 is written so that it reads back as the same float32.

    orjson would write NaN and Infinity as null. Where there are any, the slower standard encoder writes them by these
    names, as TF Serving does (util/json_tensor.cc).
    """
    encoded = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    if b"null" not in encoded:
        return encoded
    return json.dumps(document, default=lambda array: array.tolist(), separators=(",", ":")).encode()


def from_json(text: bytes) -> Any:
    """Decode JSON, and NaN and Infinity too; raises `ValueError` when it is malformed."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return _from_standard_json(text)


def _from_standard_json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except RecursionError as error:
        raise json.JSONDecodeError("nested too deeply", "", 0) from error
