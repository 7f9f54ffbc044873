"""The complete run that nobody made (`tests.fakes`), as a folder on disk that the commands take for one of theirs."""

from pathlib import Path

import msgspec

from evaluator.core import catalogue, files
from evaluator.core.store import NODES, Nodes, Plan, RunFolder
from evaluator.judging import replay
from evaluator.judging.evidence import Evidence
from scenarios.loading import load_scenario
from tests import fakes

_MOST_SAMPLES = 20


def write(path: Path, evidence: Evidence | None = None) -> RunFolder:
    """Write the run, or another one that is made of it, judged, scored and reported, into a new folder."""
    evidence = evidence or fakes.complete_run(rounds=1)
    entries = (*evidence.entries, *evidence.columns)
    scenarios = {name: msgspec.to_builtins(load_scenario(name)) for name in evidence.scenarios}
    folder = RunFolder.create(path, msgspec.structs.replace(evidence.run, scenarios=scenarios))
    files.write_record(path / "plan.json", Plan(steps=tuple(each.step for each in entries), impossible=()))
    if evidence.nodes:
        files.write_record(path / NODES, Nodes(nodes=evidence.nodes))
    files.write_record(path / catalogue.NAME, evidence.catalogue)
    for entry in entries:
        folder.save(entry.result)
        files.write_samples(
            folder.folder(entry.step.id), {name: each[:_MOST_SAMPLES] for name, each in entry.samples.items()}
        )
    replay.judge(folder)
    replay.score(folder)
    replay.report(folder)
    return folder
