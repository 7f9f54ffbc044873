"""An instance that runs with the settings that its makers ship."""

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager

from evaluator.core.errors import Unavailable
from serving.contract import Running, Setup
from serving.probing import Field


@contextmanager
def as_shipped(field: Field) -> Iterator[tuple[Setup, Running]]:
    """Start one where nobody beyond this machine can reach it; raises `Unavailable` where somebody could."""
    if not contained(field) and field.server.exposed_by_default(field.launcher.name):
        raise Unavailable(
            f"with its defaults {field.server.title} would listen beyond this machine: it is not started so here",
            remedy="use the container launcher: its network is confined",
        )
    with field.launch(defaults=True) as started:
        yield started


def contained(field: Field) -> bool:
    """Tell whether instances have a network of their own."""
    return field.launcher.image(field.images) is not None


def is_loopback(listening: str) -> bool:
    """Tell whether an "address:port" can be reached from the same machine only."""
    address, _, _ = listening.rpartition(":")
    parsed = ipaddress.ip_address(address.strip("[]"))
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback
