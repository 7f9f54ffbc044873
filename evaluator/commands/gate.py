"""`fweval gate`: a policy's rules asked of a run, for CI."""

from pathlib import Path

import click

from evaluator.commands._options import find_run, run_argument
from evaluator.commands._topics import DECIDE

TOPIC = DECIDE


@click.command(epilog="Example: fweval gate latest --policy gate.toml --baseline runs/released")
@run_argument
@click.option("--policy", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The rules, as TOML.")
@click.option("--baseline", metavar="RUN", help="The run that others compare with: for rules about what is new.")
@click.option(
    "--waivers", type=click.Path(path_type=Path), metavar="FILE", help="What somebody answers for, beside the policy's."
)
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write the rulings as JUnit XML, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    *, run: str, policy: Path, baseline: str | None, waivers: Path | None, junit: Path | None, as_json: bool
) -> int:
    """Ask the rules of a policy file of a run. Measures nothing.

    Exits with 0 when every rule passes, 1 when one fails, 2 when the policy asks nothing or names what there is not, 3
    when evidence is missing for one that none fails. Waivers in the policy, in FILE and in the run folder keep rules
    from failing until their day, and are shown. The rules are in docs/following.md.
    """
    from datetime import date

    from evaluator.core import clock, output
    from evaluator.core import waivers as core
    from evaluator.core.store import RunFolder
    from evaluator.core.text import cleaned
    from evaluator.following import _junit, _ruled, gate
    from evaluator.following._told import told, write
    from evaluator.following.rules import Seen
    from evaluator.report import _terminal, json

    folder = RunFolder.open(find_run(run))
    beside = {**core.of_run(folder.path), **(core.read(waivers) if waivers is not None else {})}
    asked = gate.read(policy, beside)
    before = None if baseline is None else told(RunFolder.open(find_run(baseline)))
    seen = Seen(run=told(folder), baseline=before)
    found = gate.rule(asked, seen, date.fromisoformat(clock.utc_now()[:10]))
    if junit is not None:
        write(junit, _junit.render(cleaned(found)))
    if as_json:
        output.write_data(json.encode(found))
    else:
        _terminal.show_blocks(*_ruled.blocks(cleaned(found)))
    return found.exit_code
