"""`fweval compare`: what is really different between two runs."""

import click

from evaluator.commands._options import find_run
from evaluator.commands._topics import READ

TOPIC = READ


@click.command(epilog="Example: fweval compare runs/monday runs/tuesday")
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="AFTER")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: also what is not shown to differ.")
def command(*, before: str, after: str, as_json: bool) -> int:
    """Say what is really different between two runs: what changed, what appeared, what went. Measures nothing.

    Two runs were not measured in turns: a figure counts as changed only where the interval of its ratio lies beyond the
    margin. Runs of different machines, or of different versions of fweval, may be compared; it is said, and figures of
    different machines stand side by side.
    """
    from evaluator.core import output
    from evaluator.core.store import RunFolder
    from evaluator.core.text import cleaned
    from evaluator.following import differences
    from evaluator.following._shown import blocks
    from evaluator.following._told import told
    from evaluator.report import _terminal, json

    one, two = (told(RunFolder.open(find_run(name))) for name in (before, after))
    found = differences.compare(one, two)
    if as_json:
        output.write_data(json.encode(found))
    else:
        _terminal.show_blocks(*blocks(cleaned(found)))
    return 0
