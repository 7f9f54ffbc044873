"""`fweval load`: the stage of that name alone, with what it rests on."""

from typing import Any

import click

from evaluator.commands._options import run_options, stage_command


@click.command(epilog="Example: fweval load resnet50 --device cpu")
@run_options
def command(**given: Any) -> int:
    """Load the servers at growing rates, without and with batching.

    Goes through the stages that this one needs, and stops after it. `fweval full --resume RUN` does the rest.
    """
    return stage_command("load", given)
