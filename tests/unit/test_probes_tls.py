"""What the probe of encryption takes for a port that speaks no TLS, on real sockets."""

import contextlib
import functools
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from serving.contract import HOST, Ports, Tls
from serving.ports import free_ports
from serving.probes import tls

WIRES = ("rest", "grpc")


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tls, Path]:
    return tls._certificate(tmp_path_factory.mktemp("authority"))


@contextlib.contextmanager
def listener(port: int, certificate: Tls) -> Iterator[None]:
    """Shake hands with whoever comes to that port, until the end."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with socket.create_server((HOST, port)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):  # that the port was closed
                while True:
                    connection, _ = server.accept()
                    with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True):
                        pass

        threading.Thread(target=serve, daemon=True).start()
        yield
        server.shutdown(socket.SHUT_RDWR)  # ends the wait for the next one


def versions(ports: Ports, authority: Path, looked: Any = lambda: None) -> dict[str, str | None]:
    """Ask a server that is ready from the first look on; `looked` is called between two looks."""
    server = SimpleNamespace(ready=lambda bundle, ports: True)
    field: Any = SimpleNamespace(server=server, wires=WIRES, ready_within_s=20.0)
    running = SimpleNamespace(alive=lambda: (looked(), True)[1], log_tail=lambda: "")
    service: Any = SimpleNamespace(bundle=None, ports=ports, running=running)
    return tls._versions(field, service, ssl.create_default_context(cafile=str(authority)))


def test_a_port_that_opens_after_the_model_is_ready_is_waited_for(certified: tuple[Tls, Path]) -> None:
    certificate, authority = certified
    ports = free_ports(WIRES)
    with contextlib.ExitStack() as opened:
        opened.enter_context(listener(ports["rest"], certificate))
        opens = functools.cache(lambda: opened.enter_context(listener(ports["grpc"], certificate)))
        found = versions(ports, authority, opens)
    assert found == {"rest": "TLSv1.3", "grpc": "TLSv1.3"}


def test_a_port_that_never_shakes_hands_speaks_no_tls(
    certified: tuple[Tls, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, authority = certified
    monkeypatch.setattr(tls, "_SETTLED_S", 0.3)
    ports = free_ports(WIRES)
    with listener(ports["rest"], certificate):
        assert versions(ports, authority) == {"rest": "TLSv1.3", "grpc": None}
