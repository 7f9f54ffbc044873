"""The version of the files of a run folder, and how those of an older version become those of this one.

Every stored record begins with `version`; a file without one is of version 1. A change that older files do not follow
raises `VERSION` by one and adds a function `update_to_N` here: from the plain JSON of the version before to that of N,
kind by kind. (asv's `update_json` is the model.) So a run folder is evidence for ever, and the rest of the code knows
one version only. A file of a newer version is refused with the name of who wrote it, never called damaged.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

import evaluator
from evaluator.core import metrics_1
from evaluator.core.errors import UsageError
from evaluator.core.reading import read_bytes

VERSION = 2
KEY = "version"
Document = dict[str, Any]
VERSION_1 = Path(__file__).parent / "version_1"  # files that runs of version 1 had none of, as they would have been
_RUN = "run.json"  # names the fweval that wrote it; the other files of its folder need not


class NewerVersion(UsageError):
    """The file is of a version that this fweval does not know: it is not damaged, we are old."""


def current(document: Any, kind: str, path: Path) -> Any:
    """Return the plain JSON of a stored record as this version has it, without its version.

    A document whose `version` is no number has none: then it is a field of version 1. `kind` is the name of the
    record's class, `path` where it was read. Raises `NewerVersion`.
    """
    if not isinstance(document, dict):
        return document
    version = document.pop(KEY) if isinstance(document.get(KEY), int) else 1
    if version > VERSION:
        raise NewerVersion(
            f"{path} was written by {_writer(document, path)} (version {version} of the files of a run), "
            f"this is fweval {evaluator.__version__} (version {VERSION})",
            remedy="upgrade fweval: pip install --upgrade fweval",
        )
    for number in range(version + 1, VERSION + 1):
        document = _UPDATES[number](kind, document)
    return document


def of(path: Path) -> int:
    """Return the version of a stored record without reading more of it; the first one has none."""
    version = _plain(path).get(KEY, 1)
    return version if isinstance(version, int) else 1


def _writer(document: Document, path: Path) -> str:
    """Name the fweval that wrote a file, which the record of its run knows."""
    known = [document, *(_plain(folder / _RUN) for folder in path.parents[:3])]
    return next((f"fweval {each['fweval']}" for each in known if "fweval" in each), "a newer fweval")


def _plain(path: Path) -> Document:
    try:
        read = msgspec.json.decode(read_bytes(path))
    except (OSError, ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def update_to_2(kind: str, document: Document) -> Document:
    """Bring a record of version 1, which had no version, to version 2.

    Round and repeat were metrics of some rows and are coordinates of all; metrics had their structure in their names
    (`metrics_1`), findings and comparisons no id; `anatomy.json` called the version of the artifact's format
    `version`.
    """
    update = _TO_2.get(kind)
    return document if update is None else update(document)


def _scorecard_to_2(card: Document) -> Document:
    del card["schema_version"]
    policy, known = _plain(VERSION_1 / "policy.json"), _plain(VERSION_1 / "catalogue.json")
    del policy[KEY]
    return {
        **_judgement_to_2(card),
        "policy": policy,
        "titles": known["titles"],
        "archived": known["archived"],
        "cells": [_cell_to_2(cell) for cell in card["cells"]],
        "matrix": [
            {**cell, "proofs": [metrics_1.proof(proof) for proof in cell.get("proofs", ())]}
            for cell in card.get("matrix", ())
        ],
    }


def _judgement_to_2(judged: Document) -> Document:
    return {
        **judged,
        "findings": [metrics_1.finding(each) for each in judged["findings"]],
        "comparisons": [metrics_1.comparison(each) for each in judged["comparisons"]],
    }


def _result_to_2(result: Document) -> Document:
    flat, figures = metrics_1.update(result.get("metrics", {}))
    return {**result, "metrics": flat, "figures": figures}


def _cell_to_2(cell: Document) -> Document:
    metrics = dict(cell["metrics"])
    moved = {name: metrics.pop(name) for name in ("round", "control") if name in metrics}
    return _result_to_2({**cell, **moved, "metrics": metrics})


def _anatomy_to_2(anatomy: Document) -> Document:
    return {("format_version" if name == KEY else name): value for name, value in anatomy.items()}


_TO_2: Mapping[str, Callable[[Document], Document]] = {
    "Scorecard": _scorecard_to_2,
    "Judgement": _judgement_to_2,
    "Result": _result_to_2,
    "Anatomy": _anatomy_to_2,
}
_UPDATES: Mapping[int, Callable[[str, Document], Document]] = {2: update_to_2}
