"""`fweval memo`: the decision on one page."""

import click

from evaluator.commands._options import find_run, run_argument
from evaluator.commands._topics import READ

TOPIC = READ


@click.command(epilog="Example: fweval memo latest > memo.md")
@run_argument
def command(*, run: str) -> int:
    """Print the decision on one page, as Markdown: problem, options, outcome, consequences. Writes nothing.

    `fweval report RUN` writes it as scorecard.memo.md, and as scorecard.memo.html to print on one sheet.
    """
    from evaluator.core import output
    from evaluator.core.store import RunFolder
    from evaluator.core.text import cleaned
    from evaluator.judging import replay
    from evaluator.report.memo import plugin

    card = replay.read_scorecard(RunFolder.open(find_run(run)))
    output.write_data(plugin.render(cleaned(card)))
    return 0
