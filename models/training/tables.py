"""Tables that name files and captions: CSV, JSONL, and AudioLDM's JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from bench.errors import DataError
from bench.text_file import read_text

# How pandas and Python write missing values, in lower case.
_MISSING = frozenset({"nan", "-nan", "none", "null", "<na>", "n/a", "#n/a", "nat"})
_SEPARATORS = (",", ";", "\t")


def is_missing(text: str) -> bool:
    """Return whether a text is empty or a missing value, such as ``nan`` in files that pandas has written."""
    word = text.strip().lower()
    return not word or word in _MISSING


@dataclass(frozen=True)
class TableRow:
    """One row; ``place`` says where it is, for messages."""

    place: str
    cells: Mapping[str, Any]

    def text(self, column: str | None) -> str:
        """Return the cell, stripped; empty if there is no such column or the value is missing. Whole numbers count as
        text.

        Raises:
            DataError: it is something else, such as a list.
        """
        value = None if column is None else self.cells.get(column)
        if value is None or value != value:  # NaN, which Python's JSON allows
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise DataError(f"{self.place}: '{column}' is {json.dumps(value)[:40]}, must be text")
        return "" if is_missing(str(value)) else str(value).strip()


@dataclass(frozen=True)
class Table:
    """Rows and the names of their columns, in order of appearance."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]

    def column(self, *names: str) -> str:
        """Return the first of the names that is a column, ignoring case.

        Raises:
            DataError: none of them is.
        """
        found = self.optional(*names)
        if found is None:
            wanted = " or ".join(f"'{name}'" for name in names)
            raise DataError(
                f"{self.path}: no column {wanted}; the columns are {', '.join(self.columns)[:200] or 'none'}"
            )
        return found

    def optional(self, *names: str) -> str | None:
        """Return the column as `column`, or None."""
        known = {column.lower(): column for column in reversed(self.columns)}
        return next((known[name] for name in names if name in known), None)


def read_table(path: Path) -> Table:
    """Read a CSV file with a header, a JSONL file with an object on each line, or a JSON file ``{"data": [{…}, …]}``.

    CSV is separated by commas, semicolons or tabs, whichever splits the header into most columns. Empty lines are
    skipped.

    Raises:
        DataError: missing, not UTF-8, malformed, or without rows; the message names the file and the line.
    """
    readers: dict[str, Callable[[Path, str], Iterator[TableRow]]] = {
        ".csv": _csv_rows,
        ".jsonl": _jsonl_rows,
        ".json": _json_rows,
    }
    rows = tuple(readers[path.suffix.lower()](path, read_text(path)))
    if not rows:
        raise DataError(f"{path}: it names no files")
    return Table(path, tuple(dict.fromkeys(name for row in rows for name in row.cells)), rows)


def read_object(path: Path, text: str) -> Table:
    """Return a table of one row: the object that a JSON file holds, whose text was read.

    Raises:
        DataError: it is malformed, or not an object.
    """
    cells = _object(_parsed(text, str(path)), str(path))
    return Table(path, tuple(cells), (TableRow(str(path), cells),))


def csv_columns(path: Path) -> Sequence[str]:
    """Return the header of a CSV file; empty if it cannot be read."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            return [name.strip() for name in next(csv.reader([header], delimiter=_separator(header)), [])]
    except (OSError, UnicodeDecodeError, csv.Error):
        return []


def _separator(header: str) -> str:
    """Return what separates the columns; a comma if undecided."""
    return max(_SEPARATORS, key=lambda sign: len(next(csv.reader([header], delimiter=sign), [])))


def _csv_rows(path: Path, text: str) -> Iterator[TableRow]:
    sign = _separator(text.partition("\n")[0])
    reader = csv.DictReader(StringIO(text, newline=""), strict=True, delimiter=sign)
    try:
        reader.fieldnames = [(name or "").strip() for name in reader.fieldnames or ()]
        for cells in reader:
            place = f"{path}: line {reader.line_num}"
            if None in cells:
                raise DataError(f"{place}: more fields than columns; put a text with {sign!r} in double quotes")
            yield TableRow(place, cells)
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num + 1}: not valid CSV ({error})") from None


def _jsonl_rows(path: Path, text: str) -> Iterator[TableRow]:
    # Not splitlines(): a caption may hold a Unicode line separator, which JSON allows.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            place = f"{path}: line {number}"
            yield TableRow(place, _object(_parsed(line, place), place))


def _json_rows(path: Path, text: str) -> Iterator[TableRow]:
    content = _parsed(text, str(path))
    data = content.get("data") if isinstance(content, dict) else None
    if not isinstance(data, list):
        raise DataError(f'{path}: must be an object {{"data": [{{"wav": …, "caption": …}}, …]}}')
    for number, item in enumerate(data, 1):
        place = f"{path}: entry {number} of 'data'"
        yield TableRow(place, _object(item, place))


def _parsed(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not valid JSON ({error})") from None


def _object(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise DataError(f'{place}: not an object like {{"file": "a.wav", "caption": "slow jazz"}}')
    return value
