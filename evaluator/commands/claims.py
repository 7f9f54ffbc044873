"""`fweval claims`: what a run says of claims that others made."""

import click

from evaluator.commands._options import find_run, run_argument
from evaluator.commands._topics import READ

TOPIC = READ


@click.command(epilog="Example: fweval claims latest vendor.toml")
@run_argument
@click.argument("file", required=False, metavar="[FILE]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list of claims, each with its verdict.")
def command(*, run: str, file: str | None, as_json: bool) -> int:
    """Say which claims of others a run supports or contradicts, and what it could not test.

    Without FILE those that come with fweval: `article` and `serving`, which can be named, too. A file of your own, a
    vendor's figures say, is described in docs/claims.md. Measures nothing.
    """
    from evaluator.claims import reading
    from evaluator.core import output
    from evaluator.core.store import RunFolder
    from evaluator.core.text import cleaned
    from evaluator.judging import claims, replay
    from evaluator.report import _terminal, json
    from evaluator.report.sections import claims as section

    folder = RunFolder.open(find_run(run))
    card = replay.read_scorecard(folder)
    asked = reading.builtin() if file is None else (reading.load(reading.find(file), card),)
    audited = claims.audit(card, asked, replay.gather(folder).entries)
    if as_json:
        output.write_data(json.encode(audited))
    else:
        _terminal.show_blocks(*section.table([cleaned(each) for each in audited]))
    return 0
