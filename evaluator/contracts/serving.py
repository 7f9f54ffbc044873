"""What servers, launchers and probes are asked."""

from typing import get_args

from evaluator.contracts.asking import Answer, first, known, others, question
from evaluator.core import registry
from evaluator.core.records import FRAMEWORKS
from serving.contract import Server
from serving.probing import Harm, Probe, Risk

COMMON = {"rest", "grpc"}  # the wires that every server has: by these they are compared
ROLE = {"raw": "rest", "oip": "rest", "oip_grpc": "grpc"}  # wires that share another one's port


@question("server")
def refers_to_what_exists(server: Server) -> Answer:
    """Framework, format, launchers and wires are known ones, and every wire has a port."""
    absent = COMMON - set(server.wires)
    portless = {ROLE.get(wire, wire) for wire in server.wires} - set(server.ports)
    return first(
        known("framework", server.framework, FRAMEWORKS),
        known("format", server.format, registry.names("format")),
        None if server.launchers else "say in `launchers` how it is started",
        known("launchers", server.launchers, registry.names("launcher")),
        f"wires: {', '.join(sorted(absent))} are what servers are compared by" if absent else None,
        f"ports: add {', '.join(sorted(portless))}" if portless else None,
        "ports: each once" if len(set(server.ports)) < len(server.ports) else None,
    )


@question("server")
def names_images_with_a_tag(server: Server) -> Answer:
    """It has container images, each with a tag: without one it may be another image tomorrow."""
    bare = [image for image in server.images if ":" not in image]
    return (
        "say in `images` which containers have it" if not server.images else f"{bare[0]}: add a tag" if bare else None
    )


@question("server")
def what_is_missing_comes_with_reason_and_remedy(server: Server) -> Answer:
    """Where a launcher cannot start it here, it says why, and what to do, in different words."""
    for launcher in registry.load_all("launcher"):
        missing = launcher.missing(server, server.images)
        if missing is not None and not (all(missing) and missing[0] != missing[1]):
            return f"launcher {launcher.name}: `missing` is (reason, remedy), or None"
    return None


@question("probe")
def says_what_it_asks(probe: Probe) -> Answer:
    """It has a question of its own, and says what risk and harm there are."""
    same = [each.name for each in others(probe) if each.question == probe.question]
    return first(
        None if probe.question.endswith("?") else "question: ends with a question mark",
        f"question: {same[0]} asks the same" if same else None,
        known("risk", probe.risk, get_args(Risk)),
        known("harm", probe.harm, get_args(Harm)),
    )
