"""Ports: free ones for every role, wanted ones, and a clear word about one that is taken."""

import os
import socket

import pytest

from evaluator.core.errors import Unavailable
from serving.contract import HOST
from serving.ports import free_ports, in_use


def _listener(port: int = 0) -> socket.socket:
    listener = socket.socket()
    listener.bind((HOST, port))
    listener.listen()
    return listener


def _neighbours() -> int:
    """Return a free port that a free one follows, below those that the system gives to clients."""
    for first in range(20000, 20100, 2):
        if not in_use(first) and not in_use(first + 1):
            return first
    pytest.fail("no two free neighbours in a hundred ports")


def test_every_role_gets_a_port_of_its_own() -> None:
    ports = free_ports(("rest", "grpc", "metrics"))
    assert len(set(ports.by_role.values())) == 3
    assert not any(in_use(port) for port in ports.by_role.values())


def test_wanted_ports_are_consecutive() -> None:
    first = free_ports(("any",))["any"]
    assert free_ports(("rest",), first)["rest"] == first


def test_two_wanted_ports_follow_each_other() -> None:
    first = _neighbours()
    assert dict(free_ports(("rest", "grpc"), first).by_role) == {"rest": first, "grpc": first + 1}


def test_a_taken_port_is_named_with_its_holder() -> None:
    with _listener() as listener:
        port = listener.getsockname()[1]
        assert in_use(port)
        with pytest.raises(Unavailable, match=f"port {port} is in use by .*{os.getpid()}") as raised:
            free_ports(("rest",), port)
    assert raised.value.remedy
    assert not in_use(port)


def test_the_second_of_the_wanted_ports_is_looked_at_too() -> None:
    first = _neighbours()
    with _listener(first + 1), pytest.raises(Unavailable, match=f"port {first + 1} "):
        free_ports(("rest", "grpc"), first)


def test_ports_end_at_65535() -> None:
    with pytest.raises(Unavailable, match="65536"):
        free_ports(("rest", "grpc"), 65535)
