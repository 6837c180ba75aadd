"""Text with a separator between cells: comma, semicolon or tab, whichever splits the first line most."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from bench.errors import DataError
from bench.survey.forms.table import TextTable, tidy

SEPARATORS = (",", ";", "\t")


def decode(path: Path, content: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the text of a file in UTF-8, UTF-16 or Windows-1252, and assumptions about it.

    Spreadsheets save "Unicode text" as UTF-16, and "CSV" in the encoding of the system, which is Windows-1252 in
    Western Europe and America.

    Args:
        path: the file, for messages.
        content: its bytes.

    Raises:
        DataError: it has another encoding, or contains zero bytes.
    """
    notes: tuple[str, ...] = ()
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        try:
            text = content.decode("cp1252")
        except UnicodeDecodeError:
            raise DataError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
        notes = ("The file is not UTF-8; it is read as Windows-1252. If names look wrong, save it as UTF-8.",)
    if "\0" in text:
        raise DataError(f"{path}: contains zero bytes, so it is not a text table, or damaged")
    return text, notes


def parse_delimited(path: Path, text: str) -> TextTable:
    """Parse text into rows below a header; a decimal comma is expected unless commas separate the cells.

    Args:
        path: the file, for messages.
        text: its content.

    Raises:
        DataError: it is empty, a quote is not closed, or a row is longer than the header.
    """
    first = next((line for line in text.splitlines() if line.strip()), "")
    named = first.lower().startswith("sep=") and len(first) == 5
    separator = first[4] if named else max(SEPARATORS, key=lambda mark: _cells(first, mark))
    header: list[str] = []
    rows, lines = [], []
    try:
        for line, cells in _records(text, separator):
            if not any(cells) or (named and not header and cells[0].lower().startswith("sep=")):
                continue
            if not header:
                header = cells
                continue
            if any(cells[len(header) :]):
                raise DataError(f"{path}: line {line} has {len(cells)} cells, the header {len(header)}")
            rows.append([*cells[: len(header)], *[""] * (len(header) - len(cells))])
            lines.append(line)
    except csv.Error as error:
        raise DataError(f"{path}: not a valid table ({error})") from None
    if not header:
        raise DataError(f"{path}: empty")
    return TextTable(path, header, rows, lines, decimal_comma=separator != ",")


def _cells(line: str, separator: str) -> int:
    return len(next(csv.reader([line], delimiter=separator), []))


def _records(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record with its first line; a quoted cell may span several lines."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = 1
    for cells in reader:
        yield line, [tidy(cell) for cell in cells]
        line = reader.line_num + 1
