"""`fweval report`: write a run's scorecard in every form."""

from pathlib import Path

import click

from evaluator.commands._options import find_run, plugins_option, run_argument
from evaluator.commands._topics import READ

TOPIC = READ


@click.command(epilog="Example: fweval report latest --open")
@plugins_option
@click.option("--open", "shown", is_flag=True, help="Open the page in the browser.")
@run_argument
def command(*, run: str, shown: bool) -> int:
    """Write scorecard.html, .md, .csv, .xml and the memo from the run's scorecard.json. Measures nothing."""
    from evaluator.core.store import RunFolder
    from evaluator.core.text import line
    from evaluator.judging import replay
    from evaluator.report.html import plugin as html

    for path in replay.report(RunFolder.open(find_run(run))):
        click.echo(line(str(path)))
        if shown and path.name == html.filename:
            _open(path)
    return 0


def _open(path: Path) -> None:
    """Show a page, and say so where there is nothing that could."""
    import webbrowser

    from evaluator.core.text import line

    if not webbrowser.open(path.absolute().as_uri()):
        click.echo(line(f"no browser was found to open it in: open {path} yourself"), err=True)
