"""`fweval nodes`: the machines of a cluster, and what each can do."""

import json
from typing import TYPE_CHECKING, Any

import click

from evaluator.commands._topics import PREPARE
from evaluator.core.text import line

if TYPE_CHECKING:
    from evaluator.core.records import Node

TOPIC = PREPARE


@click.command(epilog="Example: fweval nodes ray://10.0.0.1:6379")
@click.argument("on", metavar="CLUSTER")
@click.option("--doctor", "doctored", is_flag=True, help="Show all that `fweval doctor` says on each of them.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, on: str, doctored: bool, as_json: bool) -> int:
    """List the machines of a cluster, their kinds, and what each can do.

    CLUSTER is ray://HOST:PORT, or local[:NODES] for simulated nodes on this machine. Machines of one kind are alike in
    processor, memory, GPU and versions; `fweval full --on` measures on each kind. Exits with 3 when no machine can be
    used.
    """
    from evaluator import pipeline
    from evaluator.core.errors import IncompleteEvidence

    with pipeline.executor_at(on, exclusive=False) as executor:
        told = executor.doctor()
        try:
            executor.machines()
            code = 0
        except IncompleteEvidence:  # the list says why, machine by machine
            code = 3
        found = executor.described()
    if as_json:
        click.echo(json.dumps([_plain(each, told.get(each.name)) for each in found], indent=2))
        return code
    for each in found:
        click.echo(line(_line(each)))
        for row in _doctor(told.get(each.name), whole=doctored):
            click.echo(f"    {line(row)}")
    return code


def _plain(node: "Node", doctor: Any) -> dict[str, Any]:
    import msgspec

    return {**msgspec.to_builtins(node), "doctor": doctor}


def _line(node: "Node") -> str:
    mark = "-" if node.refused else "✓"
    refused = f"  not used: {node.refused}{_then(node.remedy)}" if node.refused else ""
    return f"{mark} {node.name:<20} {node.address:<16} {_machine(node)}{refused}"


def _machine(node: "Node") -> str:
    from evaluator.core.coordinates import MACHINE

    machine = node.machine
    if machine is None:
        return ""
    size = f"{machine.memory_bytes / 2**30:.0f} GiB, {node.isa}"
    engine = "Docker" if machine.docker else "no Docker"
    told = ", ".join(filter(None, (machine.processor, size, machine.gpu, engine)))
    return told if node.kind != MACHINE else f"{told}; a run is judged by its kind"


def _then(remedy: str | None) -> str:
    return f" → {remedy}" if remedy else ""


def _doctor(doctor: Any, *, whole: bool) -> list[str]:
    if doctor is None:
        return []
    summary = str(doctor["summary"]).splitlines()
    if not whole:
        return summary[:1] + summary[-1:]
    return [_finding(each) for each in doctor["findings"]] + summary


def _finding(each: dict[str, Any]) -> str:
    mark = "✓" if each["fine"] else "-"
    return f"{mark} {each['topic']:<11} {each['name']:<26} {each['detail']}" + (
        "" if each["fine"] else _then(each["remedy"])
    )
