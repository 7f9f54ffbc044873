"""A criterion x candidate matrix as CSV: weights, scores, bounds, coverage, reasons and evidence, for any spreadsheet.

RFC 4180, UTF-8. Text that a spreadsheet would take for a formula is marked as text, as in scorecard.csv.
"""

import csv
import io
from typing import ClassVar

from evaluator.destinations import _matrix
from evaluator.destinations._base import FileDestination, Published
from evaluator.report.csv import written


class Csv(FileDestination):
    """The matrix, a criterion a line."""

    name: ClassVar[str] = "csv"
    title: ClassVar[str] = "criterion x candidate matrix as CSV"
    ending: ClassVar[str] = ".csv"

    def render(self, told: Published) -> bytes:
        """Return the table."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(map(written, _matrix.header(told.card)))
        for row in _matrix.rows(told.card):
            writer.writerow(map(written, _matrix.flat(told.card, row)))
        return text.getvalue().encode()


plugin = Csv()
