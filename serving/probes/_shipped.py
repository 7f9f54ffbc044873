"""An instance that runs with the settings that its makers ship."""

from collections.abc import Iterator
from contextlib import contextmanager

from evaluator.core.errors import Unavailable
from serving.contract import Running, Setup
from serving.probing import Field


@contextmanager
def as_shipped(field: Field) -> Iterator[tuple[Setup, Running]]:
    """Start one where nobody beyond this machine can reach it; raises `Unavailable` where somebody could."""
    contained = field.launcher.image(field.images or field.server.images) is not None
    if not contained and field.server.exposed_by_default(field.launcher.name):
        raise Unavailable(
            f"with its defaults {field.server.title} would listen beyond this machine: it is not started so here",
            remedy="use the container launcher: its network is confined",
        )
    with field.launch(defaults=True) as started:
        yield started
