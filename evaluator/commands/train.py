"""`fweval train`: the stage of that name, with what it rests on, and what the planned training would cost."""

from typing import Any

import click

from evaluator.commands._options import run_options, stage_command
from evaluator.commands._topics import PARTS

TOPIC = PARTS


@click.command(epilog="Example: fweval train resnet50 --device cpu")
@run_options
def command(**given: Any) -> int:
    """Train the same weights in both frameworks, and say what the training that is planned would take.

    Goes through the stages that this one needs, and stops after it. `fweval full --resume RUN` does the rest.
    """
    from evaluator.core.text import cleaned
    from evaluator.judging import replay
    from evaluator.report import _terminal
    from evaluator.report.sections import planned

    code, folder = stage_command("train", given)
    _terminal.show_blocks(*planned.shown([cleaned(each) for each in replay.trainings(folder)]))
    return code
