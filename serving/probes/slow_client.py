"""Clients that send next to nothing, and keep their connections (slow loris).

Each costs the attacker a few bytes a second. A server with one thread or worker for each connection runs out of them;
one that reads asynchronously does not notice. Cutting such clients off is better still. See CWE-400 and
https://en.wikipedia.org/wiki/Slowloris_(cyber_attack).
"""

import contextlib
import socket
import time

from serving.contract import HOST
from serving.life import Service
from serving.probes._under_load import during
from serving.probing import Field, Probe, Reply, failed, passed

_CLIENTS = 32
_BETWEEN_S = 0.1  # from one byte of a header to the next
_CONNECT_S = 5.0
_STARVED_S = 1.0  # without an answer, and
_LONGER = 5  # times as long as without slow clients: others starve


class SlowClient(Probe):
    """Opens slow connections while others are served."""

    name = "slow_client"
    title = "Slow clients"
    question = "Are others served while slow clients keep connections open?"
    risk = "medium"
    harm = "none"

    def ask(self, field: Field) -> Reply:
        """Half of the clients send a header byte by byte, half promise a body and send a part of it."""
        service = field.service
        _, usual = during(field, service, lambda: time.sleep(field.seconds / 4))
        cut_off, noticed = during(field, service, lambda: _slow(field, service))
        figures = {
            **noticed.figures(),
            "slow_clients": _CLIENTS,
            "cut_off": cut_off,
            "watched_s": field.seconds,
            "usual_call_s": usual.call_s,
            "call_s": noticed.call_s,
        }
        told = (
            f"beside {_CLIENTS} slow clients {noticed.summary()}; the longest gap between answers was "
            f"{noticed.longest_gap_s:.3f} s; {cut_off} slow clients were cut off within {field.seconds:.0f} s"
        )
        if noticed.failed or noticed.longest_gap_s > max(_STARVED_S, _LONGER * usual.longest_gap_s):
            return failed(told, "put a proxy in front that reads requests whole before it passes them on", **figures)
        return passed(told, **figures)


def _slow(field: Field, service: Service) -> int:
    """Keep slow REST connections for the field's seconds; return how many the server cut off."""
    path = field.server.predict_path(service.bundle)
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n".encode()
    body = head + b'Content-Length: 1000\r\n\r\n{"inputs": '
    with contextlib.ExitStack() as stack:
        address = (HOST, service.ports["rest"])
        clients = [stack.enter_context(socket.create_connection(address, timeout=_CONNECT_S)) for _ in range(_CLIENTS)]
        for client in clients:
            client.setblocking(False)
        half = _CLIENTS // 2
        kept = [client for client in clients[half:] if _send(client, body)]
        kept += clients[:half]
        end, sent = time.perf_counter() + field.seconds, 0
        while time.perf_counter() < end:
            slow = head[sent : sent + 1] if sent < len(head) - 2 else b"x"  # the header never ends
            kept = [client for client in kept if _send(client, slow if client in clients[:half] else b"")]
            sent += 1
            time.sleep(_BETWEEN_S)
    return _CLIENTS - len(kept)


def _send(client: socket.socket, data: bytes) -> bool:
    """Send a few bytes; return whether the connection is still there, and unanswered."""
    try:
        client.send(data)
        client.recv(1)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False  # an answer, or the end of the connection


plugin = SlowClient()
