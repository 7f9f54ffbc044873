"""`fweval edge`: the stage of that name, with what it rests on, and the table of what fits where."""

from typing import Any

import click

from evaluator.commands._options import pursue, run_options
from evaluator.commands._topics import PARTS

TOPIC = PARTS


@click.command(epilog="Example: fweval edge resnet50 --budgets mine.toml")
@run_options
def command(**given: Any) -> int:
    """Say which artifacts fit which classes of devices, by memory, disk and latency.

    Goes through the stages that this one needs, and stops after it. `fweval full --resume RUN` does the rest.
    """
    from evaluator import pipeline
    from evaluator.commands import _exits
    from evaluator.core.text import cleaned
    from evaluator.judging import replay
    from evaluator.report import _terminal
    from evaluator.report.sections import edge

    run = pursue(given, pipeline.through("edge"))
    cells = [cleaned(cell) for cell in run.folder.cells() if cell.stage == "edge"]
    verdicts = [cleaned(each) for each in replay.edge(run.folder)]
    judged = edge.judged(cells, verdicts, cleaned(run.folder.catalogue).all_titles)
    _terminal.show_blocks(*edge.short(judged, [cleaned(each) for each in run.record.device_classes]))
    return _exits.of_steps([result.outcome for step, result in run.folder.judged() if step.stage == "edge"])
