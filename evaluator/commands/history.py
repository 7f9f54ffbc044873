"""`fweval history`: the runs below a folder, over time."""

from pathlib import Path

import click

from evaluator.commands._topics import READ

TOPIC = READ


@click.command(epilog="Example: fweval history --figure score/pytorch")
@click.option(
    "--below",
    default="runs",
    show_default=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The folder of the runs.",
)
@click.option(
    "--figure", metavar="ID", help="Plot this figure: the id of a finding, score/pytorch … or a pattern of ids."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write the plot as .svg or .html, too.")
@click.option("--rebuild", is_flag=True, help="Make the index anew, from the runs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, below: Path, figure: str | None, out: Path | None, rebuild: bool, as_json: bool) -> int:
    """List the runs below a folder, the oldest first, and plot a figure over them. Measures nothing.

    Runs of machines of different kinds, and of scenarios that mean something else, are different lines. The index is a
    file beside the runs; it follows them by itself, and can be deleted at any time.
    """
    from evaluator.core import output
    from evaluator.core.errors import UsageError
    from evaluator.core.text import cleaned
    from evaluator.following import _past, _plotted, history
    from evaluator.following._told import write
    from evaluator.report import json

    if out is not None and (figure is None or out.suffix not in (".svg", ".html")):
        raise UsageError(f"{out}: a plot of a figure is written as .svg or .html", remedy="give --figure ID as well")
    found = history.read(below, figure, rebuild=rebuild)
    shown = cleaned(found)
    if out is not None:
        write(out, _plotted.svg(shown.series) if out.suffix == ".svg" else _plotted.page(shown.series, str(figure)))
    if as_json:
        output.write_data(json.encode(found))
    else:
        _past.show(shown)
    return 0
