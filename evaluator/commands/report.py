"""`fweval report`: write a run's scorecard in every form."""

import click

from evaluator.commands._options import find_run, plugins_option, run_argument
from evaluator.commands._topics import READ

TOPIC = READ


@click.command(epilog="Example: fweval report latest")
@plugins_option
@run_argument
def command(*, run: str) -> int:
    """Write scorecard.html, .md, .csv and .xml from the run's scorecard.json. Measures nothing."""
    from evaluator.core.store import RunFolder
    from evaluator.core.text import line
    from evaluator.judging import replay

    for path in replay.report(RunFolder.open(find_run(run))):
        click.echo(line(str(path)))
    return 0
