"""CSV that a spreadsheet opens without evaluating formulas, and that every reader splits into the same rows.

Sources: OWASP, "CSV Injection"; RFC 4180 (2005).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

IDS = frozenset({"id", "prompt"})
"""Columns of prompts' ids. They join tables, may begin with ``-``, and cannot be formulas: letters,
digits, ``.``, ``_`` and ``-``, as `bench.Prompt` ensures."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]], line_end: str = "\n") -> str:
    """Return rows as CSV under the column names; None is an empty field.

    A text, or a name of a column, that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line break is preceded by an
    apostrophe, unless it is in one of the columns `IDS`. Numbers stay numbers.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator=line_end)
    writer.writerow(map(_guarded, columns))
    free = [column not in IDS for column in columns]
    for row in rows:
        writer.writerow([_guarded(value) if text else value for value, text in zip(row, free, strict=True)])
    return buffer.getvalue()


def as_csv(table: pd.DataFrame, line_end: str = "\r\n") -> bytes:
    """Return a table as `csv_text` writes it, in UTF-8; missing values are empty fields.

    A lone carriage return within text is quoted only with the line ends of RFC 4180.
    """
    values = table.astype(object).where(table.notna(), None)
    return csv_text(list(table.columns), values.itertuples(index=False, name=None), line_end).encode()


def _guarded(value: Any) -> Any:
    """Return text that a spreadsheet shows unchanged; other values as they are."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
