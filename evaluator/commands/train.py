"""`fweval train`: the stage of that name, with what it rests on, and what the planned training costs in which way."""

from typing import Any

import click

from evaluator.commands._options import run_options, stage_command
from evaluator.commands._topics import PARTS

TOPIC = PARTS


HEADLINE = ("resnet50_224", "bert_base_128")


@click.command(epilog="Example: fweval train resnet50 --device cpu")
@run_options
@click.option("--headline", is_flag=True, help=f"The article's sizes, a few steps each: {' and '.join(HEADLINE)}.")
def command(**given: Any) -> int:
    """Train the same weights in both frameworks, and say what the training that is planned would take.

    First both are shown to take the same step. Then the defaults and other ways to train (a fused optimizer, channels
    last, torch.compile, bfloat16, XLA, model.fit) take turns: --only NAME takes one of them, `fweval list` names them.

    Goes through the stages that this one needs, and stops after it. `fweval full --resume RUN` does the rest.
    """
    from evaluator.core.errors import UsageError
    from evaluator.core.text import cleaned
    from evaluator.judging import replay
    from evaluator.report import _terminal
    from evaluator.report.sections import equivalence, planned, variants

    if given["headline"] and not given["resume"]:
        if given["scenarios"]:
            names = " ".join(given["scenarios"])
            raise UsageError(
                f"--headline is about {' and '.join(HEADLINE)}, and no other scenario", remedy=f"leave out {names}"
            )
        given["scenarios"] = HEADLINE
    code, folder = stage_command("train", given)
    card = cleaned(replay.of_training(folder))
    _terminal.show_blocks(*planned.shown(card.trainings), *variants.shown(card), *equivalence.plugin.blocks(card))
    return code
