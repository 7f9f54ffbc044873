"""A criterion x candidate matrix as an Excel workbook, for those who weigh decisions in a spreadsheet.

One sheet has the matrix of `csv.py`, one the run: what, when, where, by which fweval. Every text is a text: nothing is
made a formula or a link. Needs XlsxWriter (https://xlsxwriter.readthedocs.io/).
"""

import io
from datetime import datetime
from typing import Any, ClassVar

from evaluator.core.errors import Unavailable
from evaluator.destinations import _matrix
from evaluator.destinations._base import FileDestination, Published

_REMEDY = "pip install 'fweval[publishing]'"
_LONGEST = 32_767  # characters that a cell holds
_WIDTHS = {"reason": 60, "evidence": 40, "criterion": 32}


class Xlsx(FileDestination):
    """The matrix in a workbook."""

    name: ClassVar[str] = "xlsx"
    title: ClassVar[str] = "criterion x candidate matrix as an Excel workbook"
    ending: ClassVar[str] = ".xlsx"

    def render(self, told: Published) -> bytes:
        """Return the workbook; its date is the run's."""
        try:
            import xlsxwriter
        except ImportError as error:
            raise Unavailable("XlsxWriter, which writes workbooks, is not installed", remedy=_REMEDY) from error
        file = io.BytesIO()
        options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "nan_inf_to_errors": True}
        book = xlsxwriter.Workbook(file, options)
        made = datetime.fromisoformat(told.card.created_at).replace(tzinfo=None)
        book.set_properties({"title": f"fweval {told.card.run}", "created": made})
        _criteria(book, told)
        _run(book, told)
        book.close()
        return file.getvalue()


def _criteria(book: Any, told: Published) -> None:
    sheet, bold = book.add_worksheet("Criteria"), book.add_format({"bold": True, "text_wrap": True, "valign": "top"})
    titles = _matrix.header(told.card)
    _write(sheet, 0, titles, bold)
    count = 0
    for count, row in enumerate(_matrix.rows(told.card), start=1):
        _write(sheet, count, _matrix.flat(told.card, row))
    for number, title in enumerate(titles):
        sheet.set_column(number, number, _WIDTHS.get(title.rpartition(": ")[2], 12))
    sheet.freeze_panes(1, len(_matrix.ABOUT))
    sheet.autofilter(0, 0, count, len(titles) - 1)


def _run(book: Any, told: Published) -> None:
    sheet = book.add_worksheet("Run")
    card = told.card
    about = {
        "run": card.run,
        "made": card.created_at,
        "fweval": card.fweval,
        "profile": card.profile,
        "machine": card.machine.processor,
        **{f"scenario {name}": summary for name, summary in card.scenarios.items()},
        "unmeasured": "an empty score is unmeasured: neither zero nor full marks; the bounds say what it could be",
    }
    for number, pair in enumerate(about.items()):
        _write(sheet, number, pair)
    sheet.set_column(0, 0, 20)
    sheet.set_column(1, 1, 80)


def _write(sheet: Any, row: int, values: tuple[_matrix.Value, ...], style: Any = None) -> None:
    """Write cells: a text as a text, whatever it begins with."""
    for column, value in enumerate(values):
        if isinstance(value, str):
            sheet.write_string(row, column, value[:_LONGEST], style)
        elif value is not None:
            sheet.write_number(row, column, value, style)


plugin = Xlsx()
