"""`fweval list`: what can be named on the command line."""

import json
from pathlib import Path
from typing import Any

import click

from evaluator.commands._options import plugins_option
from evaluator.commands._topics import PREPARE
from evaluator.core.text import line

TOPIC = PREPARE
_NARROWEST = 20  # column of names


@click.command(epilog="Example: fweval list format")
@click.argument("kind", required=False, metavar="[KIND]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@plugins_option
def command(*, kind: str | None, as_json: bool) -> int:
    """List scenarios, profiles, criteria, runs, and the plug-ins of every kind: formats, runtimes, servers, checks.

    Of a plug-in that did not come with fweval it says where it is from.
    """
    from evaluator.core.registry import unknown

    everything = _everything()
    if kind is not None and kind not in everything:
        raise unknown("kind", kind, everything)
    shown = everything if kind is None else {kind: everything[kind]}
    if as_json:
        click.echo(json.dumps(shown, indent=2))
        return 0
    for name, members in shown.items():
        click.echo(f"{name}:")
        width = max(_NARROWEST, *map(len, members), 0)
        for member, text in members.items():
            click.echo(f"  {line(member):<{width}} {line(text)}".rstrip())
    return 0


def _everything() -> dict[str, dict[str, str]]:
    """Return kind -> name -> what it is."""
    from evaluator.core import criteria, registry
    from scenarios.loading import load_profile, load_scenario, profile_names, scenario_names

    found = {
        "scenario": {name: load_scenario(name).summary for name in scenario_names()},
        "profile": {name: load_profile(name).summary for name in profile_names()},
        "criteria": {name: criteria.built_in(name).title for name in criteria.names()},
    }
    for kind in registry.KINDS:
        origins = {each.name: f" (from {each.said})" for each in registry.found(kind)}
        found[kind] = {each.name: _title(each) + origins.get(each.name, "") for each in registry.load_all(kind)}
    found["run"] = {path.parent.name: str(path.parent) for path in sorted(Path("runs").glob("*/run.json"))}
    return found


def _title(plugin: Any) -> str:
    """Say what a plug-in is; of a report, people know the file."""
    return str(getattr(plugin, "filename", None) or plugin.title)
