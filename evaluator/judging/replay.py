"""Replays of a run's evidence: findings, scores, reports. Nothing is measured, nothing read but the run folder.

`judge` writes findings.json, `score` scorecard.json, `report` everything else; each rests on the file before it.
`judged`, `scored` and `rendered` compute the same and write nothing: whoever verifies a run compares with them.
"""

import contextlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import msgspec

from evaluator.children import environments
from evaluator.claims import reading
from evaluator.core import advisories, catalogue, criteria, digests, files, metrics, registry, toml, waivers
from evaluator.core import cost as costs
from evaluator.core.cost import Prices, read_prices
from evaluator.core.errors import IncompleteEvidence
from evaluator.core.given_files import GivenFile
from evaluator.core.learning import TimeToQuality
from evaluator.core.policy import STANDARD
from evaluator.core.reading import read_bytes
from evaluator.core.records import Cell, Plugin, Record, Step
from evaluator.core.scorecard import Comparison, EdgeFit, Finding, PathChoice, Ranking, Scorecard, Training
from evaluator.core.store import RunFolder, cell_of
from evaluator.core.text import cleaned
from evaluator.core.upkeep import EVIDENCE, Inventory
from evaluator.judging import (
    choosing,
    claims,
    decision,
    ease,
    fitting,
    learning,
    machines,
    matrix,
    ranking,
    scoring,
    training,
    upkeep,
    utilisation,
    variants,
)
from evaluator.judging import cost as costing
from evaluator.judging.contract import Check
from evaluator.judging.evidence import RESULT, Entry, Evidence

FINDINGS = "findings.json"


class Judgement(Record, frozen=True, kw_only=True):
    """`findings.json`: what the checks said."""

    findings: tuple[Finding, ...]
    comparisons: tuple[Comparison, ...]
    rankings: tuple[Ranking, ...] = ()  # none in runs of before there were any
    paths: tuple[PathChoice, ...] = ()  # the same
    checks: tuple[Plugin, ...] = ()  # those that did not come with fweval


def judge(folder: RunFolder, evidence: Evidence | None = None) -> Judgement:
    """Ask every check its question; the evidence is read from the folder where it is not given."""
    folder.demand_writing()
    judgement = judged(evidence or gather(folder))
    files.write_record(folder.path / FINDINGS, judgement)
    digests.renew(folder.path, [FINDINGS])
    return judgement


def judged(evidence: Evidence) -> Judgement:
    """Return what the checks say of the evidence."""
    checks = registry.load_all("check")
    return Judgement(
        findings=tuple(finding for check in checks for finding in check.judge(evidence)),
        comparisons=_compared(checks, evidence),
        rankings=ranking.rankings(evidence),
        paths=choosing.choices(evidence),
        checks=tuple(each for each in catalogue.from_outside() if each.kind == "check"),
    )


def _compared(checks: Iterable[Check], evidence: Evidence) -> tuple[Comparison, ...]:
    """Compare the frameworks; one alone is compared with nothing, and its scorecard does not say so at every figure."""
    if len(evidence.frameworks) == 1:
        return ()
    return tuple(comparison for check in checks for comparison in check.compare(evidence))


def not_asked(judgement: Judgement, evidence: Evidence) -> tuple[Plugin, ...]:
    """Return the checks from outside that were there when the run was planned, and were not asked now."""
    asked = {each.name for each in judgement.checks}
    return tuple(each for each in evidence.catalogue.plugins if each.kind == "check" and each.name not in asked)


def undecided(folder: RunFolder, questions: Collection[str]) -> set[tuple[str, str]]:
    """Return the scenarios and devices of which one of these questions is undecided by what was measured so far."""
    evidence = gather(folder)
    compared = _compared(registry.load_all("check"), evidence)
    open_ones = (each for each in compared if each.question in questions and each.answer == "undecided")
    return {(each.scenario, each.device) for each in open_ones}


def score(folder: RunFolder, evidence: Evidence | None = None) -> Scorecard:
    """Turn the findings into the scorecard; the evidence is read from the folder where it is not given."""
    judgement = files.read_record(folder.path / FINDINGS, Judgement)
    scorecard = scored(folder, evidence or gather(folder), judgement)
    report = registry.load("report", "json")
    files.write_text(folder.path / report.filename, report.render(scorecard))
    digests.renew(folder.path, [report.filename])
    return scorecard


def keep_waivers(folder: RunFolder, given: Path) -> None:
    """Copy a file of waivers into a run, whose next scorecard shows them; `UsageError` when it is none."""
    waivers.read(given)
    _keep(folder, waivers.NAME, toml.read(given))


def scored(folder: RunFolder, evidence: Evidence, judgement: Judgement) -> Scorecard:
    """Return the scorecard that follows from evidence and findings; of the folder, artifacts and logs are looked at."""
    cells = tuple(cell_of(entry.step, entry.result) for entry in evidence.entries if entry.digests)
    assembled = scoring.assemble(evidence, judgement.findings, judgement.comparisons, cells)
    built = matrix.build(evidence, folder.path)
    used = tuple(each for each in evidence.catalogue.plugins if each.kind != "check")
    scorecard: Scorecard = msgspec.structs.replace(
        assembled,
        rankings=judgement.rankings,
        paths=judgement.paths,
        matrix=built,
        times_to_quality=learning.times_to_quality(evidence),
        curves=(*assembled.curves, *learning.curves(evidence)),
        ease=ease.build(evidence, folder.path),
        plugins=(*used, *judgement.checks),
        waivers=waivers.of_run(folder.path),
        upkeep=upkeep.table(evidence),
        titles=machines.titles(evidence),
        machines=machines.told(evidence),
    )
    scorecard = decision.decided(scorecard)
    audited = claims.audit(scorecard, reading.builtin(), evidence.entries)
    sheet = prices(folder)
    cost = None if sheet is None else costing.cost(scorecard, sheet)
    return msgspec.structs.replace(scorecard, claims=audited, cost=cost)


def prices(folder: RunFolder) -> Prices | None:
    """Return the price sheet that was given to a run; it is no evidence, and another may take its place."""
    path = folder.path / costs.NAME
    return read_prices(path) if path.exists() else None


def keep_prices(folder: RunFolder, sheet: Path) -> None:
    """Copy a price sheet into a run, in place of the one that is there; `UsageError` when it is none."""
    read_prices(sheet)
    _keep(folder, costs.NAME, read_bytes(sheet))


def _keep(folder: RunFolder, name: str, content: str | bytes) -> None:
    """Write a file that was given to a finished run, and record its digest: else `fweval verify` calls it added."""
    folder.demand_writing()
    files.write_text(folder.path / name, content)
    digests.renew(folder.path, [name])


def cells(folder: RunFolder) -> tuple[Cell, ...]:
    """Return one row per ended step; of trainings with what needs both frameworks. Damaged evidence tells nothing."""
    found = folder.cells()
    with contextlib.suppress(IncompleteEvidence):
        aside = {f"steps/{step.id}" for step in folder.planned_cells() if step.column}
        counting = [cell for cell in found if cell.evidence not in aside]
        told = utilisation.with_utilisation(training.with_turning_points(counting, trainings(folder)))
        by_evidence = {cell.evidence: cell for cell in told}
        return tuple(by_evidence.get(cell.evidence, cell) for cell in found)
    return found


def trainings(folder: RunFolder) -> tuple[Training, ...]:
    """Return what the trainings that are planned would cost."""
    return variants.trainings(_about_training(folder))


def of_training(folder: RunFolder) -> Scorecard:
    """Return what the steps of training alone make of a scorecard: costs, ways to train, and who is ahead."""
    evidence = _about_training(folder)
    compared = _compared([registry.load("check", "training_time")], evidence)
    cells = tuple(cell_of(entry.step, entry.result) for entry in evidence.entries if entry.digests)
    return scoring.assemble(evidence, (), compared, cells)


def times_to_quality(folder: RunFolder) -> tuple[TimeToQuality, ...]:
    """Return how long each framework trains until the target on held-out data is reached."""
    return learning.times_to_quality(_about_training(folder))


def _about_training(folder: RunFolder) -> Evidence:
    """Collect what tells of training."""
    return gather(folder, training.EQUIVALENCE, "train", learning.STAGE)


def edge(folder: RunFolder) -> tuple[EdgeFit, ...]:
    """Judge which artifacts fit which classes of devices."""
    return fitting.table(gather(folder))


def report(folder: RunFolder) -> list[Path]:
    """Write the scorecard in every form; return the files."""
    folder.demand_writing()
    written = []
    for name, text in rendered(read_scorecard(folder)):
        files.write_text(folder.path / name, text)
        written.append(folder.path / name)
    digests.renew(folder.path, [path.name for path in written])
    return written


def rendered(scorecard: Scorecard) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each report's file."""
    shown = cleaned(scorecard)
    for each in registry.load_all("report"):
        yield each.filename, each.render(scorecard if each.lossless else shown)


def read_scorecard(folder: RunFolder) -> Scorecard:
    """Return the scorecard of a run; `IncompleteEvidence` when it has not been scored."""
    path = folder.path / "scorecard.json"
    if not path.exists():
        raise IncompleteEvidence(f"{folder.path} has no scorecard yet", remedy=f"fweval score {folder.path}")
    card = files.read_record(path, Scorecard)
    why = next(filter(None, map(metrics.damaged, card.every_cell)), None)
    if why is not None:
        raise IncompleteEvidence(f"{path} is damaged: {why}", remedy=f"fweval score {folder.path}")
    return card


def judge_by(folder: RunFolder, given: GivenFile | None) -> None:
    """Put other criteria in force for the scorecards of a run, or those again that it began with (None).

    Others are kept in the folder, so that the scorecard follows from it alone; its own are no others.
    """
    folder.demand_writing()
    after = folder.path / criteria.AFTER
    if given is None or folder.record.inputs.get(criteria.NAME) == given.sha256:
        if after.exists():
            after.unlink()
            digests.drop(folder.path, [criteria.AFTER])
        return
    _keep(folder, criteria.AFTER, given.content)


def gather(folder: RunFolder, *stages: str) -> Evidence:
    """Collect what the steps left behind, all or those of some stages, with digests, for the checks to look at."""
    record = folder.record
    judged_by = criteria.in_force(folder.path, record)
    planned = [step for step in folder.planned_cells() if step.stage in (stages or (step.stage,))]
    return Evidence(
        run=record,
        policy=STANDARD if judged_by is None else judged_by.record.policy,
        criteria=judged_by,
        entries=tuple(_entry(folder, step) for step in planned if not step.column),
        columns=tuple(_entry(folder, step) for step in planned if step.column),
        nodes=folder.nodes,
        catalogue=folder.catalogue,
        inventories={} if stages else _inventories(folder),
        advisories=advisories.of_run(folder.path),
    )


def keep_advisories(folder: RunFolder, database: Path) -> None:
    """Keep in a run what an OSV database says of packages that the run may meet, in place of what was there.

    It is no evidence: another may take its place. `UsageError` when it is none.
    """
    known = _inventories(folder).values() if (folder.path / "plan.json").exists() else ()  # not before it has begun
    met = {each.name for found in known for each in found.packages.values()}
    kept = advisories.read(database, {*folder.record.packages, *environments.packages(), *met})
    files.write_record(folder.path / advisories.NAME, kept)
    digests.renew(folder.path, [advisories.NAME])


def _inventories(folder: RunFolder) -> dict[tuple[str, str], Inventory]:
    """Return what the steps that looked at packages found."""
    looked = [step for step in folder.planned_cells() if step.stage == upkeep.STAGE and not step.column]
    where = {(step.scenario, step.framework): folder.folder(step.id) / EVIDENCE for step in looked}
    return {about: files.read_record(path, Inventory) for about, path in where.items() if path.exists()}


def _entry(folder: RunFolder, step: Step) -> Entry:
    """Return what one step left; a step that has not ended is visible as such."""
    place, relative = folder.folder(step.id), f"steps/{step.id}"
    result = folder.result(step.id)
    if result is None:
        return Entry.unfinished(step, relative)
    known = {RESULT: files.sha256(place / RESULT)}
    samples = files.read_samples(place)
    blocks = files.read_blocks(place, samples)
    return Entry(step=step, result=result, samples=samples, blocks=blocks, folder=relative, digests=known)
