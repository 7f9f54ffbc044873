"""The commands of stages. Their words are read from the stages' files, not imported, so that help stays quick."""

import ast
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Any

import click

from evaluator import stages
from evaluator.commands._options import run_options, stage_command


@cache
def commands() -> dict[str, Mapping[str, str]]:
    """Return command -> the words of its stage, for every stage that has a command."""
    names = [each.name for each in pkgutil.iter_modules(stages.__path__) if not each.name.startswith("_")]
    found = [words(name) for name in names]
    return {each["command"]: each for each in found if "command" in each}


def words(name: str) -> Mapping[str, str]:
    """Return what the class of a stage says of itself in literals: attribute -> text."""
    source = pkgutil.get_data(stages.__name__, f"{name}.py") or b""
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    found = (dict(_texts(each)) for each in classes)
    return next((each for each in found if each.get("name") == name), {})


def _texts(defined: ast.ClassDef) -> list[tuple[str, str]]:
    return [
        (target.id, line.value.value)
        for line in defined.body
        if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)
        for target in line.targets
        if isinstance(target, ast.Name)
    ]


def make(found: Mapping[str, str]) -> click.Command:
    """Make the command that runs a stage and what it rests on."""

    def run_stage(**given: Any) -> int:
        return stage_command(found["name"], given)[0]

    paragraphs = [
        found["summary"],
        "Goes through the stages that this one needs, and stops after it. `fweval full --resume RUN` does the rest.",
    ]
    if found["name"] != found["command"]:
        paragraphs.append(f"In rows, and for --only and --skip, the stage is called `{found['name']}`.")
    example = f"Example: {found['example']}"
    return click.command(found["command"], help="\n\n".join(paragraphs), epilog=example)(run_options(run_stage))
