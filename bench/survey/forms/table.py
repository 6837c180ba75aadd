"""A table of text, the common form of all files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

PART = "part"
"""Column that identifies participants: by file name in a folder, or by list number in a JSON file."""

LARGEST = 2**29
"""Maximum uncompressed bytes of a file: half a gigabyte, a hundred times a large survey."""

# Line ends and tabs would break a table, and escapes could control the terminal.
_BLANKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


class TextTable(NamedTuple):
    """A table of text without surrounding blanks; blanks and control characters within are one space.

    Attributes:
        path: where it was read from.
        header: names of the columns, all different.
        rows: each as long as the header; "" where empty.
        lines: position of each row: the line of a text file, or the row or object of another, counted from 1.
        decimal_comma: whether 3,5 is a number.
        labels: texts of further header rows for each column; as long as the header, or empty.
        notes: assumptions while reading, one sentence each.
        repeated: names of several columns; all but the first are numbered: "Harmony (2)".
    """

    path: Path
    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    decimal_comma: bool = False
    labels: Sequence[str] = ()
    notes: Sequence[str] = ()
    repeated: Sequence[str] = ()

    def column(self, name: str) -> list[str]:
        """Return the cells of a column."""
        position = self.header.index(name)
        return [row[position] for row in self.rows]

    def number(self, text: str) -> float | None:
        """Return the number in a cell, with this table's decimal sign."""
        try:
            return float(text.replace(",", ".") if self.decimal_comma else text)
        except ValueError:
            return None

    def only(self, names: Sequence[str]) -> TextTable:
        """Return the rows with only these columns, in this order."""
        positions = [self.header.index(name) for name in names]
        labels = [self.labels[position] for position in positions] if self.labels else ()
        rows = [[row[position] for position in positions] for row in self.rows]
        return self._replace(header=list(names), rows=rows, labels=labels)

    def with_column(self, name: str, cells: Sequence[str]) -> TextTable:
        """Return the table with a column added, or replaced if it exists; ``cells`` has one for each row."""
        if name in self.header:
            position = self.header.index(name)
            rows = [[*row[:position], cell, *row[position + 1 :]] for row, cell in zip(self.rows, cells, strict=True)]
            return self._replace(rows=rows)
        rows = [[*row, cell] for row, cell in zip(self.rows, cells, strict=True)]
        return self._replace(header=[*self.header, name], rows=rows, labels=[*self.labels, ""] if self.labels else ())

    def where(self, kept: Sequence[bool]) -> TextTable:
        """Return the rows that are kept."""
        rows = [row for row, keep in zip(self.rows, kept, strict=True) if keep]
        return self._replace(rows=rows, lines=[line for line, keep in zip(self.lines, kept, strict=True) if keep])


def written(value: Any) -> str:
    """Return a typed value as in a CSV file: 4.0 as 4, nothing as nothing."""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return tidy(str(value))


def tidy(cell: str) -> str:
    """Return a cell without surrounding blanks, and with one space for blanks and control characters within."""
    return _BLANKS.sub(" ", cell).strip()
