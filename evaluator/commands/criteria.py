"""`fweval criteria`: by what runs are judged, looked at and checked before anything is measured."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evaluator.commands._options import find_run
from evaluator.commands._topics import PREPARE
from evaluator.core.text import line

if TYPE_CHECKING:
    from evaluator.core.criteria import Criteria

TOPIC = PREPARE


@click.group(epilog="Example: fweval criteria show balanced")
def command() -> None:
    """Show criteria: weights, targets, must-haves, and who decided them; or check a file of your own.

    Give them to a run with --criteria: their SHA-256 is recorded before the first step. See docs/criteria.md.
    """


@command.command(name="list", epilog="Example: fweval criteria list")
def list_them() -> int:
    """List the criteria that are built in."""
    from evaluator.core import criteria

    width = max(map(len, criteria.names()), default=0)
    for name in criteria.names():
        click.echo(line(f"{name:<{width}}  {criteria.built_in(name).title}"))
    return 0


@command.command(epilog="Example: fweval criteria show cloud_serving")
@click.argument("which", metavar="NAME|FILE|RUN")
@click.option("--json", "as_json", is_flag=True, help="Print the record as JSON, every default filled in.")
def show(*, which: str, as_json: bool) -> int:
    """Show criteria: built-in ones, those of a file, or those that a run is judged by."""
    from evaluator.core.output import write_data
    from evaluator.core.text import cleaned
    from evaluator.report import _terminal, json
    from evaluator.report.sections import criteria as section

    record, sha256 = _found(which)
    if as_json:
        write_data(json.encode({"sha256": sha256, "criteria": record}))
    else:
        _terminal.show_blocks(*section.described(cleaned(record), sha256, bars=True))
    return 0


@command.command(epilog="Example: fweval criteria check criteria.toml")
@click.argument("file", type=click.Path(path_type=Path))
def check(*, file: Path) -> int:
    """Check a file of criteria: one line for each mistake, and exit code 2 when there is one."""
    from evaluator.core import criteria, given_files

    given = given_files.read(file, criteria.NAME)
    found = criteria.mistakes(given)
    for each in found:
        click.echo(line(f"{each.message}{f' ({each.remedy})' if each.remedy else ''}"), err=True)
    if found:
        return 2
    click.echo(line(f"{file}: no mistake; sha256 {given.sha256}"))
    return 0


def _found(which: str) -> "tuple[Criteria, str]":
    """Return the record that is meant, and its digest."""
    from evaluator.core import criteria
    from evaluator.core.errors import UsageError
    from evaluator.core.store import RunFolder

    if which in criteria.names() or which.endswith(".toml"):
        file = criteria.given(which)
        return criteria.read(file.source, file.text), file.sha256
    try:
        path = find_run(which)
    except UsageError:
        file = criteria.given(which)  # which names what comes nearest
        return criteria.read(file.source, file.text), file.sha256
    folder = RunFolder.open(path)
    used = criteria.in_force(folder.path, folder.record)
    if used is None:
        raise UsageError(f"{path} had no criteria record", remedy="score it by some: fweval score RUN --criteria NAME")
    return used.record, used.sha256
