"""Tables as people save them: CSV with any of the usual separators, TSV, or Parquet, read as text with line numbers."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.errors import DataError, UsageError
from bench.regular_file import read_bytes

SEPARATORS = (",", ";", "\t")

# Line ends and tabs would break a table apart, escapes would command the terminal that shows it.
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


class TextTable(NamedTuple):
    """A table of text without surrounding blanks; blanks and control characters within are one space.

    Attributes:
        path: where it was read from.
        header: names of the columns, all different.
        rows: as many cells each as the header has; "" where empty.
        lines: where each row stands: the line of a text file, or the row of a Parquet file counted from 1.
        decimal_comma: whether 3,5 is a number here.
    """

    path: Path
    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    decimal_comma: bool = False


def read_table(path: Path) -> TextTable:
    """Read a file, telling what it is by its name and its first line.

    Raises:
        UsageError: no such file.
        DataError: it cannot be read, is damaged, has no rows, or has a column twice or without a name.
    """
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    parquet = content.startswith(b"PAR1") or path.suffix.lower() in (".parquet", ".pq")
    table = _parquet(path, content) if parquet else _text(path, content)
    for position, name in enumerate(table.header):
        if not name and any(row[position] for row in table.rows):
            raise DataError(f"{path}: column {position + 1} has no name")
        if name and name in table.header[:position]:
            raise DataError(f"{path}: the column '{name}' is there twice")
    if not table.rows:
        raise DataError(f"{path}: no rows below the header")
    return table


def _text(path: Path, content: bytes) -> TextTable:
    try:
        # Spreadsheets save "Unicode text" as UTF-16.
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    if "\0" in text:
        raise DataError(f"{path}: holds binary zeros, so it is not a table of text, or a damaged one")
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
    """Each record with the line it begins in; a quoted cell may go over several."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = 1
    for cells in reader:
        yield line, [_tidy(cell) for cell in cells]
        line = reader.line_num + 1


def _parquet(path: Path, content: bytes) -> TextTable:
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(io.BytesIO(content))
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: not a valid Parquet file ({str(error).splitlines()[0]})") from None
    columns: list[Sequence[Any]] = [column.to_pylist() for column in table.columns]
    rows = [[_written(value) for value in row] for row in zip(*columns, strict=True)]
    return TextTable(path, [_tidy(str(name)) for name in table.column_names], rows, list(range(1, len(rows) + 1)))


def _written(value: Any) -> str:
    """A Parquet value as it would stand in a CSV file: 4.0 as 4, nothing as nothing."""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return _tidy(str(value))


def _tidy(cell: str) -> str:
    return _BLANKS.sub(" ", cell).strip()
