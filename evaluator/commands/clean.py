"""`fweval clean`: remove what killed evaluations left."""

import json

import click

from evaluator.commands._topics import PREPARE
from evaluator.core.text import line

TOPIC = PREPARE


@click.command(epilog="Example: fweval clean --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, as_json: bool) -> int:
    """Remove what evaluations that were killed left: containers, networks and temporary folders.

    Runs that are at work, the folders of runs and container images are never touched. Exits with 3 when something
    could not be removed.
    """
    from evaluator.children.cleaning import clean

    cleaned = clean()
    if as_json:
        click.echo(json.dumps(cleaned.as_dict(), indent=2))
    else:
        for leftover in cleaned.found:
            click.echo(line(leftover.line()))
        if not cleaned.found:
            click.echo("nothing was left")
        if cleaned.no_engine:
            click.echo(f"containers were not looked for: {cleaned.no_engine}", err=True)
    return 0 if cleaned.complete else 3
