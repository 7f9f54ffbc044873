"""`fweval cells`: the flat table of everything that ran."""

import click

from evaluator.commands._options import find_run, print_cells, run_argument
from evaluator.commands._topics import READ

TOPIC = READ


@click.command(epilog="Example: fweval cells latest --csv > cells.csv")
@run_argument
@click.option("--json", "form", flag_value="json", help="Print JSON: a list of rows.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV: one column per metric.")
def command(*, run: str, form: str | None) -> int:
    """Print one row per step: what it was, how it ended, and its figures.

    A step that could not be had on this machine is a row too, with its reason and a remedy.
    """
    from evaluator.core.store import RunFolder

    path = find_run(run)
    if form is None:
        print_cells(path)
        return 0
    from evaluator.core import output
    from evaluator.core.text import cleaned
    from evaluator.judging import replay
    from evaluator.report import csv, json

    cells = replay.cells(RunFolder.open(path))
    output.write_data(csv.cells_csv([*map(cleaned, cells)]) if form == "csv" else json.cells_json(cells))
    return 0
