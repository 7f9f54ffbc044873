"""`fweval verify`: whether a run is what it says it is."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from evaluator.commands._options import find_run, plugins_option, run_argument
from evaluator.commands._topics import READ
from evaluator.core.text import line

if TYPE_CHECKING:
    from evaluator.auditing.tracing import Trace
    from evaluator.auditing.verdicts import Verification

TOPIC = READ
_WORDS = {0: "verified", 1: "not verified: something differs", 3: "not verified: something is missing"}
_SHOWN, _FEW = 20, 3  # lines of a list, and of what is missing


@click.command(epilog="Example: fweval verify latest --key board.pub")
@plugins_option
@run_argument
@click.option("--key", type=click.Path(path_type=Path), metavar="FILE", help="The public key that signed it (PEM).")
@click.option(
    "--signature",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the signature lies; evidence.intoto.jsonl in the run folder.",
)
@click.option("--trace", "traced", metavar="TEXT", help='Say where a figure of the report comes from: "12.0 ms".')
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, run: str, key: Path | None, signature: Path | None, traced: str | None, as_json: bool) -> int:
    """Check that a run is what it says it is.

    Compares every recorded digest, reads every record strictly, computes every score again from the raw samples, and
    writes every report again; with a key, checks the signature, too. Reads the run folder and changes nothing. Exits
    with 0 when all holds, 1 when something differs, 3 when something is missing. See docs/evidence.md.
    """
    from evaluator.auditing import signing, tracing, verifying
    from evaluator.core import output
    from evaluator.core.errors import UsageError
    from evaluator.core.store import RunFolder
    from evaluator.judging import replay
    from evaluator.report import json

    folder = RunFolder.open(find_run(run))
    if traced is not None:
        found = tracing.trace(folder, replay.read_scorecard(folder), traced)
        output.write_data(json.encode(found)) if as_json else _show_trace(found)
        return 0
    if signature is not None and key is None:
        raise UsageError("a signature is checked with the key that made it", remedy="--key FILE, the public one")
    signed = None if key is None else verifying.Signature(key=key, file=signature or folder.path / signing.NAME)
    verified = verifying.verify(folder, signed, tell=lambda words: click.echo(f"fweval: {words}", err=True))
    if as_json:
        problems, code = verified.problems, verified.code
        output.write_data(json.encode({"code": code, "problems": problems, "verification": verified}))
    else:
        _show(verified)
    return verified.code


def _show(verified: "Verification") -> None:
    """Print one line for each question, then what is amiss."""
    from evaluator.report._format import SIGNS

    for each in verified.checks:
        sign = SIGNS["good"] if each.holds else SIGNS["bad"] if each.problems else SIGNS["none"]
        said = f"{each.said}: {each.skipped}" if each.skipped else each.said
        click.echo(line(f"{sign} {each.name:<10} {said}"))
        for note in each.notes:
            click.echo(line(f"  {'':<10} {note}"))
    gone = [each for each in verified.problems if each.kind == "missing"]
    others = [each for each in verified.problems if each.kind != "missing"]
    for problem in (*others[:_SHOWN], *gone[:_FEW]):
        click.echo(line(str(problem)))
    if len(others) > _SHOWN:
        click.echo(f"{len(others) - _SHOWN:,} more lines: --json has them all")
    if len(gone) > _FEW:
        click.echo(f"{len(gone) - _FEW:,} more files are missing: this is half a copy; copy the folder whole (cp -a)")
    click.echo(line(f"{_WORDS[verified.code]}: run {verified.run}, by {verified.verifier}"))


def _show_trace(found: "Trace") -> None:
    for where in found.shown[:_SHOWN]:
        click.echo(line(f"shown in {where}"))
    if not found.fields:
        click.echo("no field has this value: the report computed it, and writing it again gives the same")
    for each in found.fields[:_SHOWN]:
        about = f" of {each.about}" if each.about else ""
        click.echo(line(f"scorecard.json {each.pointer}: {each.value}{about}"))
        for path in each.evidence[:_SHOWN]:
            click.echo(line(f"    rests on {path}"))
    if len(found.fields) > _SHOWN:
        click.echo(f"{len(found.fields) - _SHOWN:,} more fields: --json has them all")
