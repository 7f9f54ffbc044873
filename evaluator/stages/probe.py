"""Probe: what operators, clients and networks do to a server is done to this one, probe by probe.

The probes themselves are in serving/probes; each reply becomes figures here, and a finding when the run is judged.
"""

import msgspec

from evaluator.children.work import Work
from evaluator.core import registry
from evaluator.core.outcome import Outcome
from evaluator.core.records import Figure, Measured, Metrics
from evaluator.core.tensors import rows
from evaluator.stages._evidence import read_examples
from evaluator.stages._figures import labelled
from evaluator.stages._serving import READY_WITHIN_S, REFERENCE, Served
from serving.probing import REPLIES, Field, Probe, Reply, ask_all


def work(work: Work) -> Measured:
    """Ask every probe; the step fails when a probe did, with all replies as its figures."""
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
        ready_within_s=READY_WITHIN_S,
    )
    probes = registry.load_all("probe")
    replies = ask_all(field, probes)
    metrics: Metrics = {"reference": served.reference}
    figures = tuple(figure for probe in probes for figure in _figures(probe, replies[probe.name]))
    lost = [probe.title for probe in probes if replies[probe.name].outcome is Outcome.FAILED]
    if lost:
        return Measured(
            outcome=Outcome.FAILED,
            reason=f"{len(lost)} of {len(probes)} probes failed: {', '.join(lost)}",
            remedy="each has its own finding, with a remedy",
            metrics=metrics,
            figures=figures,
            files={"replies": f"probes/{REPLIES}"},
        )
    reason = REFERENCE if served.reference else None
    return Measured(reason=reason, metrics=metrics, figures=figures, files={"replies": f"probes/{REPLIES}"})


def _figures(probe: Probe, reply: Reply) -> tuple[Figure, ...]:
    """Return a reply as figures of its probe: its ending and words, and what it measured."""
    told: Metrics = {"outcome": reply.outcome.value, "reason": reply.reason, "risk": probe.risk}
    if reply.remedy is not None:
        told["remedy"] = reply.remedy
    several = (msgspec.structs.replace(each, labels={**each.labels, "probe": probe.name}) for each in reply.labelled)
    return (*labelled({**told, **reply.figures}, probe=probe.name), *several)
