"""`fweval learn`: the stage of that name, with what it rests on, and how long each framework takes to its target."""

from typing import Any

import click

from evaluator.commands._options import run_options, stage_command
from evaluator.commands._topics import PARTS

TOPIC = PARTS


@click.command(epilog="Example: fweval learn tiny --profile quick")
@run_options
def command(**given: Any) -> int:
    """Train until a target on held-out data is reached, in several orders of the data, and say how long that takes.

    Goes through the stages that this one needs, and stops after it. `fweval full --resume RUN` does the rest.
    """
    from evaluator.core.text import cleaned
    from evaluator.judging import replay
    from evaluator.report import _learning, _terminal

    code, folder = stage_command("learn", given)
    _terminal.show_blocks(*_learning.shown([cleaned(each) for each in replay.times_to_quality(folder)]))
    return code
