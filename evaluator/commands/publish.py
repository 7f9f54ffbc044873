"""`fweval publish`: a finished run, written where people already look."""

import click

from evaluator.commands._options import find_run, plugins_option, run_argument
from evaluator.commands._topics import READ

TOPIC = READ


@click.command(epilog="Example: fweval publish latest --to xlsx")
@plugins_option
@run_argument
@click.option("--to", "name", required=True, metavar="DESTINATION", help="One of `fweval list destination`.")
@click.option("--out", metavar="FILE", help="Where to; without it, a file in this folder that is named like the run.")
def command(*, run: str, name: str, out: str | None) -> int:
    """Write a run where people already look: a spreadsheet, a bill of materials, a model card, MLflow.

    Measures nothing. What is unmeasured stays so: an empty cell is neither zero nor full marks. MLflow needs its
    environment, which `fweval fetch --environments` makes; its FILE may also be the address of a tracking server.
    """
    from evaluator.core import registry
    from evaluator.core.store import RunFolder
    from evaluator.core.text import cleaned, line
    from evaluator.destinations._base import Published
    from evaluator.following._told import told

    destination = registry.load("destination", name)
    folder = RunFolder.open(find_run(run))
    read = told(folder)
    published = Published(folder=folder.path, card=cleaned(read.card), run=cleaned(read.run))
    click.echo(line(destination.publish(published, out or f"{folder.path.absolute().name}{destination.ending}")))
    return 0
