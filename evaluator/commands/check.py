"""`fweval check`: the contract's questions to plug-ins from outside."""

from pathlib import Path

import click

from evaluator.commands._options import plugins_option
from evaluator.commands._topics import PREPARE
from evaluator.core.text import line

TOPIC = PREPARE


@click.command(epilog="Example: fweval check my-plugins")
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@plugins_option
def command(*, folder: Path, as_json: bool) -> int:
    """Ask the plug-ins in a folder of yours what every plug-in is asked.

    Prints a line for each question that one does not answer: the file, what must be so, and what to do. Their code is
    imported, in a process of its own; no framework is, and nothing is measured. Exits with 1 when something is amiss.
    """
    from evaluator.contracts.checking import check
    from evaluator.core import output
    from evaluator.report import json

    found = check(folder)
    if as_json:
        output.write_data(json.encode(found))
    else:
        for each in found.failed:
            click.echo(line(f"{each.file}: {each.sentence} → {each.todo}"))
        many, ends = len(found.plugins), "" if len(found.plugins) == 1 else "s"
        click.echo(f"{many} plug-in{ends}, {found.asked} questions, {len(found.failed)} not answered as they must be")
    return 1 if found.failed else 0
