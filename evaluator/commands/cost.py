"""`fweval cost`: what the paths of a run cost, by a price sheet."""

from pathlib import Path

import click

from evaluator.commands._options import find_run, prices_option, run_argument
from evaluator.commands._topics import READ

TOPIC = READ


@click.command(epilog="Example: fweval cost latest --prices prices.toml")
@run_argument
@prices_option
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(*, run: str, prices: Path | None, as_json: bool) -> int:
    """Say what training and serving cost by your prices, with the arithmetic. Measures and writes nothing.

    `fweval score RUN --prices FILE` puts it into the run's report.
    """
    from evaluator.core import files
    from evaluator.core.cost import read_prices
    from evaluator.core.errors import UsageError
    from evaluator.core.store import RunFolder
    from evaluator.core.text import cleaned
    from evaluator.judging import cost, replay
    from evaluator.report import _terminal
    from evaluator.report.sections.cost import told

    if prices is None:
        raise UsageError("fweval knows no prices", remedy="give yours: --prices FILE; docs/cost.md shows a sheet")
    card = replay.read_scorecard(RunFolder.open(find_run(run)))
    found = cost.cost(card, read_prices(prices))
    if as_json:
        click.echo(files.encoded_record(found), nl=False)
    else:
        _terminal.show_blocks(*told(cleaned(card), cleaned(found)))
    return 0
