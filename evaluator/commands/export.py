"""`fweval export`: the stage of that name alone, with what it rests on; or the whole export matrix."""

from typing import Any

import click

from evaluator.commands._options import pursue, run_options, stage_command
from evaluator.commands._topics import PARTS

TOPIC = PARTS


@click.command(epilog="Example: fweval export bert --matrix")
@run_options
@click.option("--matrix", is_flag=True, help="Every exporter at every precision, each proven or explained.")
@click.option("--json", "as_json", is_flag=True, help="With --matrix: print its cells as JSON.")
def command(*, matrix: bool, as_json: bool, **given: Any) -> int:
    """Export what was trained to every format, or with --matrix by every exporter at every precision.

    Goes through the stages that this one needs, and stops after it. The matrix also verifies each artifact in every
    runtime that reads it. `fweval full --resume RUN` does the rest.
    """
    if as_json and not matrix:
        raise click.UsageError("--json prints the matrix: it goes with --matrix")
    return _matrix(given, as_json=as_json) if matrix else stage_command("export", given)[0]


def _matrix(given: dict[str, Any], *, as_json: bool) -> int:
    """Export everything, prove it, and print what became of it; the run gets its report as well."""
    from evaluator import pipeline
    from evaluator.commands import _exits
    from evaluator.core import output
    from evaluator.judging import replay
    from evaluator.report import _terminal, json
    from evaluator.report.sections import matrix

    stages = (*pipeline.through("verify"), pipeline.judge, pipeline.score, pipeline.report)
    run = pursue({**given, "everything": True}, stages)
    cells = replay.read_scorecard(run.folder).matrix
    if as_json:
        output.write_data(json.encode(cells))
    else:
        _terminal.show_blocks(*matrix.short(cells))
    asked = [result.outcome for step, result in run.folder.judged() if step.stage in ("export", "verify")]
    return _exits.of_steps(asked)
