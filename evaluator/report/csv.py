"""`scorecard.csv`: every step of the run as one flat row, for spreadsheets and data frames.

The first columns say what the step was and how it ended; then comes one column for each metric that occurs, empty where
a step has no such metric. Numbers are unrounded and their units stand in the columns' names.
"""

import csv
import io
from collections.abc import Sequence
from typing import ClassVar

from evaluator.core.records import Cell
from evaluator.core.scorecard import Scorecard
from evaluator.report._base import Report

COLUMNS = tuple(name for name in Cell.__struct_fields__ if name != "metrics")


class Csv(Report):
    """The cells as comma-separated values."""

    name: ClassVar[str] = "csv"
    filename: ClassVar[str] = "scorecard.csv"

    def render(self, scorecard: Scorecard) -> str:
        """Return the table (RFC 4180, but with plain line feeds)."""
        return cells_csv(scorecard.cells)


def cells_csv(cells: Sequence[Cell]) -> str:
    """Return one line per cell below a header; metric columns in the order in which they first occur."""
    metrics = tuple(dict.fromkeys(name for cell in cells for name in cell.metrics))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*COLUMNS, *metrics))
    for cell in cells:
        writer.writerow((*(getattr(cell, name) for name in COLUMNS), *(cell.metrics.get(name) for name in metrics)))
    return text.getvalue()


plugin = Csv()
