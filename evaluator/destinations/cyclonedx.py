"""A machine-learning bill of materials: CycloneDX 1.7, as JSON (ECMA-424).

Components are the models, with a model card each whose performance metrics have confidence intervals and slices; below
them the artifacts with their digests; and the packages that were installed, with package URLs. What is not known (the
licence of a package, the data of a model) is left out, never guessed. https://cyclonedx.org/docs/1.7/json/
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

from evaluator.core import digests, metrics
from evaluator.core.answers import NAMES
from evaluator.core.errors import IncompleteEvidence
from evaluator.core.records import Cell
from evaluator.core.scorecard import Candidate, Finding, Interval, Scorecard
from evaluator.destinations._base import FileDestination, Published
from evaluator.report import json

SPECIFICATION = "1.7"
_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://cyclonedx.org/docs/1.7/json/")
_PROVED = ("accuracy", "max_rel_diff", "cosine", "top1_agreement")  # of a proof, which count for an artifact
Document = dict[str, Any]


class CycloneDx(FileDestination):
    """The bill of materials of a run."""

    name: ClassVar[str] = "cyclonedx"
    title: ClassVar[str] = "CycloneDX 1.7 bill of materials for machine learning"
    ending: ClassVar[str] = ".cdx.json"

    def render(self, told: Published) -> bytes:
        """Return the document; its serial number follows from the run, so that the same run gives the same bytes."""
        card = told.card
        models = [_model(told, scenario, name) for scenario in card.scenarios for name in told.run.frameworks]
        document = {
            "bomFormat": "CycloneDX",
            "specVersion": SPECIFICATION,
            "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, f'{card.run} {card.created_at}')}",
            "version": 1,
            "metadata": {
                "timestamp": card.created_at,
                "tools": {"components": [{"type": "application", "name": "fweval", "version": card.fweval}]},
                "component": {"type": "application", "bom-ref": "run", "name": card.run},
                "properties": _properties(
                    {
                        "fweval:profile": card.profile,
                        "fweval:machine": card.machine.processor,
                        "fweval:system": card.machine.system,
                        "fweval:python": card.machine.python,
                    }
                ),
            },
            "components": [*models, *_packages(told)],
        }
        return json.encode(document).encode()


def _model(told: Published, scenario: str, framework: str) -> Document:
    card = told.card
    title = f"{scenario} in {NAMES.get(framework, framework)}"
    found = [each for each in card.findings if (each.scenario, each.candidate) == (scenario, framework)]
    score = next((each for each in card.scores if (each.scenario, each.candidate) == (scenario, framework)), None)
    about = {} if score is None else {"fweval:verdict": score.verdict, "fweval:coverage": f"{score.coverage:.4f}"}
    if score is not None and score.overall is not None:
        about["fweval:score"] = f"{score.overall:.4f}"
    card_of_it: Document = {
        "bom-ref": f"card:{scenario}/{framework}",
        "quantitativeAnalysis": {"performanceMetrics": list(filter(None, map(_of_finding, found)))},
        "considerations": _considerations(card, scenario, found),
        "properties": _properties(about),
    }
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{scenario}/{framework}",
        "name": title,
        "description": card.scenarios[scenario],
        "modelCard": card_of_it,
        "components": [*_artifacts(told, scenario, framework)],
    }


def _considerations(card: Scorecard, scenario: str, found: list[Finding]) -> Document:
    failed = [each.reason for each in found if each.state.is_answer and each.state.value != "passed"]
    unmeasured = [f"not measured: {each.id}: {each.reason}" for each in found if not each.state.is_answer]
    told = [each.statement for each in card.comparisons if each.scenario == scenario and each.answer == "different"]
    return {"technicalLimitations": [*failed, *unmeasured], "performanceTradeoffs": told}


def _of_finding(each: Finding) -> Document | None:
    if each.value is None or each.metric is None or not each.state.is_answer:
        return None
    where = [each.path, each.device, each.subject, "embedded reference server" if each.provisional else None]
    return _metric(each.metric, each.interval or Interval(value=each.value, low=None, high=None), where)


def _metric(name: str, value: Interval, where: Sequence[str | None]) -> Document:
    about = metrics.known(name)
    said = name if about is None or about.unit in name else f"{name} ({about.unit})"
    found: Document = {"type": said, "value": repr(value.value), "slice": ", ".join(filter(None, where))}
    if value.low is not None and value.high is not None:
        found["confidenceInterval"] = {"lowerBound": repr(value.low), "upperBound": repr(value.high)}
    return found


def _artifacts(told: Published, scenario: str, framework: str) -> Iterator[Document]:
    """Yield what was exported, with its files and what was measured of it."""
    recorded = _recorded(told.folder)
    for cell in told.card.cells:
        mine = (cell.stage, cell.scenario, cell.framework) == ("export", scenario, framework)
        if mine and cell.outcome.value == "passed":
            yield _artifact(told, cell, recorded)


def _artifact(told: Published, cell: Cell, recorded: Mapping[str, str]) -> Document:
    card, prefix = told.card, f"{cell.evidence}/artifact/"
    files = {name: digest for name, digest in recorded.items() if name.startswith(prefix)}
    title = card.title("exporter", cell.exporter or "")
    found: Document = {
        "type": "machine-learning-model",
        "bom-ref": f"artifact:{cell.evidence}",
        "name": f"{card.title('format', cell.format or '')} of {cell.scenario} by {title}, {cell.precision or 'fp32'}",
        "modelCard": {
            "quantitativeAnalysis": {"performanceMetrics": [*_of_artifact(card, cell)]},
        },
        "properties": _properties(
            {
                f"fweval:{name}": str(value)
                for name, value in (
                    ("artifact-digest", cell.metrics.get("sha256")),
                    ("bytes", cell.metrics.get("size_bytes")),
                )
                if value is not None
            }
        ),
    }
    if len(files) == 1:
        found["hashes"] = [{"alg": "SHA-256", "content": digest} for digest in files.values()]
    elif files:
        found["components"] = [
            {"type": "file", "name": name.removeprefix(prefix), "hashes": [{"alg": "SHA-256", "content": digest}]}
            for name, digest in files.items()
        ]
    return found


def _of_artifact(card: Scorecard, made: Cell) -> Iterator[Document]:
    """Yield what was measured of an artifact: figures of paths with their intervals, and its proofs."""
    known = {cell.evidence: cell for cell in card.cells}
    same = made.key("model", "artifact")
    for choice in card.paths:
        for each in (*choice.best, *choice.others, *choice.unranked):
            cell = known.get(each.evidence)
            if cell is not None and each.figure is not None and cell.key("model", "artifact") == same:
                yield _metric(choice.metric, each.figure, [choice.title, *_place(each), choice.device])
    for cell in card.cells:
        if cell.stage == "verify" and cell.key("model", "artifact") == same:
            yield from _proof(card, cell)


def _place(each: Candidate) -> tuple[str | None, ...]:
    return (each.runtime, each.server, each.launcher, each.variant)


def _proof(card: Scorecard, cell: Cell) -> Iterator[Document]:
    for figure in metrics.figures(cell):
        number = metrics.number(figure.value)
        if figure.name in _PROVED and number is not None and not set(figure.labels) - {"between"}:
            value = Interval(value=number, low=figure.low, high=figure.high)
            where = ["proof", card.title("runtime", cell.runtime or ""), cell.device, *map(str, figure.labels.values())]
            yield _metric(figure.name, value, where)


def _recorded(folder: Path) -> Mapping[str, str]:
    """Return the digests of a run's files, where it recorded any."""
    try:
        found = digests.read(folder)
    except IncompleteEvidence:
        return {}
    return {} if found is None else found.files


def _packages(told: Published) -> Iterator[Document]:
    """Yield every installed distribution, with its licence where it is known; names as the index writes them."""
    upkeep = told.card.upkeep
    known = () if upkeep is None else upkeep.packages
    licences = {_normal(each.name): each.licence for each in known if not each.environment and each.licence}
    for name, version in sorted((told.run.packages or told.card.machine.versions).items()):
        purl = f"pkg:pypi/{quote(_normal(name), safe='.-')}@{quote(version, safe='.-')}"
        found: Document = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
        if _normal(name) in licences:
            found["licenses"] = [{"expression": licences[_normal(name)]}]
        yield found


def _normal(name: str) -> str:
    return name.lower().replace("_", "-")


def _properties(known: Mapping[str, str]) -> list[Document]:
    return [{"name": name, "value": value} for name, value in known.items()]


plugin = CycloneDx()
