"""Excel workbooks (.xlsx), read by openpyxl, from the extra ``xlsx``."""

from __future__ import annotations

import datetime
import io
import zipfile
from pathlib import Path
from typing import Any

from bench.errors import DataError, MissingError, UsageError
from bench.survey.forms.table import LARGEST, TextTable, written


def parse_xlsx(path: Path, content: bytes) -> TextTable:
    """Read the only sheet that is not empty; formulas are read as their last computed values.

    Raises:
        MissingError: openpyxl is not installed.
        UsageError: several sheets have content.
        DataError: it is damaged or another kind of zip file, all sheets are empty, or a formula has no value.
    """
    _check_size(path, content)
    try:
        import openpyxl
    except ImportError:
        raise MissingError(
            f"{path}: to read Excel files, pip install 'tunebench[xlsx]', or export the sheet as CSV"
        ) from None
    try:
        values, formulas = (
            {sheet.title: [list(row) for row in sheet.iter_rows(values_only=True)] for sheet in book.worksheets}
            for book in (openpyxl.load_workbook(io.BytesIO(content), data_only=data) for data in (True, False))
        )
    except Exception as error:  # openpyxl may raise anything for a damaged part
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: not a valid Excel file ({reason}); export the sheet as CSV") from None
    filled = [title for title, rows in values.items() if any(cell is not None for row in rows for cell in row)]
    if len(filled) > 1:
        raise UsageError(
            f"{path}: {len(filled)} sheets have content ({', '.join(filled)}); save the one with the answers as CSV"
        )
    if not filled:
        raise DataError(f"{path}: empty")
    return _table(path, values[filled[0]], formulas[filled[0]])


def _check_size(path: Path, content: bytes) -> None:
    """Refuse files that are not workbooks or are too large when unpacked."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
    except zipfile.BadZipFile:
        raise DataError(f"{path}: a damaged zip or Excel file") from None
    if not any(part.filename == "[Content_Types].xml" for part in parts):
        raise DataError(f"{path}: a zip file, but not an Excel workbook; unpack it, or export the sheet as CSV")
    if sum(part.file_size for part in parts) > LARGEST:
        raise DataError(f"{path}: larger than {LARGEST >> 20} MB when unpacked, too large for a survey")


def _table(path: Path, values: list[list[Any]], formulas: list[list[Any]]) -> TextTable:
    rows, lines = [], []
    for number, (row, origin) in enumerate(zip(values, formulas, strict=True), 1):
        for column, (value, formula) in enumerate(zip(row, origin, strict=True), 1):
            if value is None and formula is not None:
                raise DataError(
                    f"{path}: row {number}, column {column} is a formula that was never computed; "
                    "open the file in a spreadsheet and save it again"
                )
        cells = [_cell(value) for value in row]
        if any(cells):
            rows.append(cells)
            lines.append(number)
    header = rows[0]
    while header and not header[-1] and not any(row[len(header) - 1] for row in rows):
        header = header[:-1]
    return TextTable(path, header, [row[: len(header)] for row in rows[1:]], lines[1:])


def _cell(value: Any) -> str:
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    return written(value)
