"""Metrics and figures in one table, as tests write them: `{"latency_s wire=rest share=0.6 statistic=p90": 0.1}`."""

from collections.abc import Mapping
from typing import Any

import msgspec

from evaluator.core import metrics
from evaluator.core.records import Figure, LabelValue, Metrics, Value
from evaluator.core.turns import Blocks

_ENDS = ("low", "high")
_LEAST, _CAP_S = 64, 8.0  # queries and time of the tests' profiles that time anything
_GLANCE_S = 0.6  # of a stand-in


def told(table: Mapping[str, Value]) -> tuple[Metrics, tuple[Figure, ...]]:
    """Return the names without labels as metrics and the others as figures; `end=low` and `end=high` are its ends."""
    found: dict[str, Figure] = {}
    for column, value in table.items():
        name, *parts = column.split(" ")
        labels = {label: _label(label, text) for label, _, text in (part.partition("=") for part in parts)}
        end = str(labels.pop("end", ""))
        place = metrics.flat({}, (Figure(name=name, value=0, labels=labels),))
        (column_of_value,) = place
        known = found.get(column_of_value, Figure(name=name, value=value, labels=labels))
        found[column_of_value] = msgspec.structs.replace(known, **{end: value}) if end in _ENDS else known
    flat = {figure.name: figure.value for figure in found.values() if not figure.labels}
    figures = tuple(figure for figure in found.values() if figure.labels)
    assert metrics.misfits(flat, figures) == {}, "a test emits what no stage may"
    return flat, figures


def _label(name: str, text: str) -> LabelValue:
    if name == "share":
        return float(text)
    if name == "batch":
        return int(text)
    return text == "yes" if name == "batching" else text


def fields(table: Mapping[str, Value]) -> dict[str, Any]:
    """Return `metrics` and `figures` as fields of a result or a cell."""
    metrics_of, figures_of = told(table)
    return {"metrics": metrics_of, "figures": figures_of}


def columns(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row of `cells --json` holds, by the names of the CSV's columns."""
    return metrics.flat(row["metrics"], msgspec.convert(row["figures"], tuple[Figure, ...]))


def quiet_pairs(found: Blocks, *tracks: str) -> set[int]:
    """Return the turns in which nobody else disturbed any of these tracks: only those are compared with each other."""
    turns = [{block.turn for block in found.blocks if block.track == track and block.quiet} for track in tracks]
    return set.intersection(*turns)


def assert_enough(found: Blocks, track: str, row: Mapping[str, Any]) -> None:
    """Assert that a track has its least of queries, or that the row says that the time cap came before them.

    How many fit into the cap is the machine's affair: one of 0.43 s a query gave 47 in 20 s, untimed calls included.
    A stand-in is glanced at.
    """
    own = [block for block in found.blocks if block.track == track]
    if sum(block.calls for block in own) >= _LEAST:
        return
    assert sum(block.elapsed_s for block in own) >= (_GLANCE_S if row.get("reference") else _CAP_S), (
        "there was time left"
    )
    assert row.get("capped") or row.get("reference"), "nothing says that the time cap came first"
