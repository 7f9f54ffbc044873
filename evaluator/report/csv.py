"""`scorecard.csv`: every step of the run as one flat row, for spreadsheets and data frames.

The first columns say what the step was and how it ended; then comes one column for each metric that occurs, and for
each of its figures where a step has several ("latency_s wire=rest statistic=p90"), empty where a step has none. Numbers
are unrounded and their units stand in the columns' names; docs/metrics.md says what they mean.
"""

import csv
import io
from collections.abc import Sequence
from typing import ClassVar

from evaluator.core import metrics
from evaluator.core.records import Cell, Value
from evaluator.core.scorecard import Scorecard
from evaluator.report._base import Report

COLUMNS = tuple(name for name in Cell.__struct_fields__ if name not in ("metrics", "figures"))
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a text begins that a spreadsheet takes for a formula


class Csv(Report):
    """The cells as comma-separated values."""

    name: ClassVar[str] = "csv"
    filename: ClassVar[str] = "scorecard.csv"

    def render(self, scorecard: Scorecard) -> str:
        """Return the table (RFC 4180, but with plain line feeds)."""
        return cells_csv(scorecard.every_cell)


def cells_csv(cells: Sequence[Cell]) -> str:
    """Return one line per cell below a header; metric columns in the order in which they first occur."""
    rows = [metrics.flat(cell.metrics, cell.figures) for cell in cells]
    names = tuple(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*COLUMNS, *map(written, names)))
    for cell, row in zip(cells, rows, strict=True):
        coordinates = (written(getattr(cell, name)) for name in COLUMNS)
        writer.writerow((*coordinates, *(written(row.get(name)) for name in names)))
    return text.getvalue()


def written(value: Value | None) -> Value | None:
    """Join a list with semicolons, because a comma would need quotes; mark as text what a spreadsheet would compute.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    if isinstance(value, tuple):
        value = "; ".join(map(str, value))
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


plugin = Csv()
