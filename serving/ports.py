"""Loopback ports: free ones, wanted ones, and whether one is still in use."""

import contextlib
import errno
import socket
from collections.abc import Iterator, Sequence

import psutil

from evaluator.core.errors import Unavailable
from serving.contract import HOST, Ports

_HIGHEST = 65535


def free_ports(roles: Sequence[str], first_port: int | None = None) -> Ports:
    """Choose a loopback port for every role: any free ones, or consecutive ones from `first_port`.

    All are held at once before any is let go, so that no two roles get the same. Raises `Unavailable` naming the port
    that is in use, and by whom where the system tells.
    """
    wanted = [0] * len(roles) if first_port is None else list(range(first_port, first_port + len(roles)))
    if wanted and not 0 <= wanted[-1] <= _HIGHEST:
        raise Unavailable(f"port {wanted[-1]} does not exist", remedy=f"choose ports below {_HIGHEST - len(roles) + 1}")
    with contextlib.ExitStack() as held:
        chosen = [_take(held, port) for port in wanted]
    return Ports(by_role=dict(zip(roles, chosen, strict=True)))


def in_use(port: int) -> bool:
    """Tell whether something listens on that loopback port."""
    try:
        with _hold(port):
            return False
    except OSError as error:
        return error.errno == errno.EADDRINUSE


def _take(held: contextlib.ExitStack, port: int) -> int:
    """Hold a port (0: any) until `held` is closed; return its number."""
    try:
        number: int = held.enter_context(_hold(port)).getsockname()[1]
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise Unavailable(f"port {port} cannot be used: {error.strerror}", remedy="choose other ports") from error
        holder = _holder(port)
        if holder is None:
            raise Unavailable(f"port {port} is in use", remedy="choose other ports") from error
        message = f"port {port} is in use by {holder}"
        raise Unavailable(message, remedy="stop that process, or choose other ports") from error
    return number


@contextlib.contextmanager
def _hold(port: int) -> Iterator[socket.socket]:
    """Bind a loopback port for a moment (0: any). REUSEADDR: connections that linger after a close do not count."""
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
        yield bound


def _holder(port: int) -> str | None:
    """Name the process that listens on a port, as far as the system shows it to us."""
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if listens and connection.pid:
                return f"{psutil.Process(connection.pid).name()}, process {connection.pid}"
    return None
