"""`fweval doctor`: what this machine can measure, and how to get the rest."""

import json

import click

from evaluator.commands._options import plugins_option
from evaluator.commands._topics import PREPARE
from evaluator.core.text import line

TOPIC = PREPARE


@click.command(epilog="Example: fweval doctor --json")
@plugins_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, as_json: bool) -> int:
    """Show what this machine can measure, and what to do about the rest.

    Exits with 3 when neither framework can be evaluated here.
    """
    from evaluator.core import registry
    from evaluator.core.coordinates import MACHINE
    from evaluator.doctor import examine, exit_code, summary
    from evaluator.pipeline import EXECUTOR

    findings = examine(registry.load("executor", EXECUTOR).machines()[MACHINE])
    if as_json:
        click.echo(json.dumps([finding.as_dict() for finding in findings], indent=2))
    else:
        for finding in findings:
            click.echo(line(finding.line()))
        click.echo(f"\n{summary(findings)}")
    return exit_code(findings)
