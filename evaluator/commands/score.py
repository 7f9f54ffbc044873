"""`fweval score`: judge and score a run again, from its evidence."""

import click

from evaluator.commands._options import find_run, run_argument
from evaluator.commands._topics import READ

TOPIC = READ


@click.command(epilog="Example: fweval score latest")
@run_argument
@click.option("--json", "as_json", is_flag=True, help="Print the scorecard as JSON.")
def command(*, run: str, as_json: bool) -> int:
    """Judge and score a run from the evidence in its folder. Measures nothing.

    The same evidence gives the same scorecard.json, byte for byte.
    """
    from evaluator import pipeline
    from evaluator.core.store import RunFolder
    from evaluator.judging import replay
    from evaluator.report._terminal import show

    folder = RunFolder.open(find_run(run))
    replay.judge(folder)
    scorecard = replay.score(folder)
    show(scorecard, folder.path, as_json=as_json)
    return pipeline.exit_code(scorecard)
