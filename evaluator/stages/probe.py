"""Probe: what operators, clients and networks do to a server is done to this one, probe by probe.

The probes themselves are in serving/probes; each reply becomes figures here, and a finding when the run is judged.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from evaluator.children.work import Work
from evaluator.core import registry
from evaluator.core.outcome import Outcome
from evaluator.core.records import Figure, Measured, Metrics, Profile
from evaluator.core.tensors import rows
from evaluator.judging.contract import NO_STAND_IN, STAND_IN
from evaluator.stages._contract import GIB, Stage
from evaluator.stages._evidence import read_examples
from evaluator.stages._figures import labelled
from evaluator.stages._serving import REFERENCE, Served, plan_on_servers
from serving.probing import REPLIES, Field, Probe, Reply, ask_all

if TYPE_CHECKING:
    from evaluator.planning.draft import ScenarioPlan

_STOOD_IN = Reply(outcome=Outcome.UNAVAILABLE, reason=STAND_IN, remedy=NO_STAND_IN, figures={})


class ProbeServers(Stage):
    """Every server that is served, tried by every probe."""

    name = "probe"
    title = "Probes"
    summary = "Do to the servers what operators, clients and networks do to them."
    command = "probe"
    example = "fweval probe resnet50 --device cpu"
    rests_on = ("serve",)
    spread = "machine"
    measures = True
    memory_bytes = 8 * GIB
    timeout_s = 240.0
    expected_s = 40.0

    def measuring_s(self, profile: Profile) -> float:
        """Return the time for which the server is under load while something is done to it."""
        return 12.0 * profile.probe_seconds

    def plan(self, plan: "ScenarioPlan") -> None:
        """Plan a step for every server that is served."""
        plan_on_servers(plan, self.name, protocol=any(probe.protocol for probe in registry.load_all("probe")))

    def work(self, work: Work) -> Measured:
        """Ask every probe that the server can answer for; all replies are the step's figures."""
        served = Served(work)
        inputs, expected = read_examples(work.need("verified"))
        field = Field(
            server=served.server,
            launcher=served.launcher,
            artifact=served.path,
            signature=served.artifact.signature,
            inputs=rows(inputs, 0, 1),
            expected=rows(expected, 0, 1),
            folder=work.folder / "probes",
            images=served.images,
            seconds=served.about.profile.probe_seconds,
            ready_within_s=served.ready_within_s,
            time_factor=served.time_factor,
        )
        probes = registry.load_all("probe")
        asked = [probe for probe in probes if probe.protocol or not served.reference]
        replies = dict.fromkeys((probe.name for probe in probes), _STOOD_IN) | ask_all(field, asked)
        outcome, reason, remedy = _ending(served, probes, replies)
        return Measured(
            outcome=outcome,
            reason=reason,
            remedy=remedy,
            metrics={"reference": served.reference},
            figures=tuple(figure for probe in probes for figure in _figures(probe, replies[probe.name])),
            files={"replies": f"probes/{REPLIES}"},
        )


def _ending(
    served: Served, probes: Sequence[Probe], replies: Mapping[str, Reply]
) -> tuple[Outcome, str | None, str | None]:
    """Say how the step ends, why, and what to do: it fails when a probe did."""
    lost = [probe.title for probe in probes if replies[probe.name].outcome is Outcome.FAILED]
    if lost:
        reason = f"{len(lost)} of {len(probes)} probes failed: {', '.join(lost)}"
        return Outcome.FAILED, reason, "each has its own finding, with a remedy"
    return Outcome.PASSED, REFERENCE if served.reference else None, None


def _figures(probe: Probe, reply: Reply) -> tuple[Figure, ...]:
    """Return a reply as figures of its probe: its ending and words, and what it measured."""
    told: Metrics = {"outcome": reply.outcome.value, "reason": reply.reason, "risk": probe.risk}
    if reply.remedy is not None:
        told["remedy"] = reply.remedy
    several = (msgspec.structs.replace(each, labels={**each.labels, "probe": probe.name}) for each in reply.labelled)
    return (*labelled({**told, **reply.figures}, probe=probe.name), *several)


plugin = ProbeServers()
