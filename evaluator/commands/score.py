"""`fweval score`: judge and score a run again, from its evidence."""

import gc
from pathlib import Path

import click

from evaluator.commands._options import (
    advisories_option,
    criteria_option,
    find_run,
    plugins_option,
    prices_option,
    run_argument,
)
from evaluator.commands._topics import READ

TOPIC = READ


@click.command(epilog="Example: fweval score latest")
@plugins_option
@run_argument
@prices_option
@advisories_option
@criteria_option()
@click.option("--json", "as_json", is_flag=True, help="Print the scorecard as JSON.")
@click.option(
    "--waivers",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="What somebody answers for: kept in the run, shown in its report, and changes no score.",
)
def command(
    *, run: str, prices: Path | None, advisories: Path | None, waivers: Path | None, criteria: str | None, as_json: bool
) -> int:
    """Judge and score a run from the evidence in its folder. Measures nothing.

    Writes findings.json and scorecard.json; `fweval report RUN` makes the page of them. The same evidence gives the
    same scorecard.json, byte for byte. It is judged by the criteria that the run began with; others can be given, and
    then the first page says so.
    """
    from evaluator.commands import _exits
    from evaluator.core.criteria import given
    from evaluator.core.store import RunFolder
    from evaluator.core.text import line
    from evaluator.judging import replay
    from evaluator.report._terminal import show
    from evaluator.report.json import plugin as json

    folder = RunFolder.open(find_run(run))
    others = None if criteria is None else given(criteria)
    if prices is not None:
        folder.demand_writing()
        replay.keep_prices(folder, prices)
    if waivers is not None:
        replay.keep_waivers(folder, waivers)
    if advisories is not None:
        folder.demand_writing()
        replay.keep_advisories(folder, advisories)
    replay.judge_by(folder, others)
    evidence = replay.gather(folder)  # reading it takes longer than what is made of it
    gc.freeze()  # all of it stays until the end: looking through it for garbage took a third of the time
    judgement = replay.judge(folder, evidence)
    for each in replay.not_asked(judgement, evidence):
        origin = f"{each.origin} {each.version}".rstrip()
        click.echo(line(f"fweval: the check '{each.name}' of {origin} was not asked: see --plugins"), err=True)
    scorecard = replay.score(folder, evidence)
    show(scorecard, folder.path, as_json=as_json, written=json.filename)
    return _exits.of_scorecard(scorecard)
