"""Merge several header rows of exports into one.

Qualtrics writes three: names, question texts, and a JSON object with the ``ImportId`` of each column (support page
"Understanding Your Dataset"; the third since 2017). SurveyMonkey writes two: a question is above its first column
only, and below it the row, choice or "Response" of each column (help page "Understanding Your Export").
"""

from __future__ import annotations

from bench.survey.forms.table import TextTable

_ALONE = frozenset(("", "response", "open-ended response"))  # the second row of a question with one column


def merge_header_rows(table: TextTable) -> TextTable:
    """Return the table with one header row; the others become labels, or parts of the names."""
    for place, row in enumerate(table.rows[:2]):
        if any(cell.startswith('{"ImportId"') for cell in row):
            labels = table.rows[0] if place else []
            return table._replace(rows=table.rows[place + 1 :], lines=table.lines[place + 1 :], labels=labels)
    if _surveymonkey(table):
        return _joined(table)
    return table


def _surveymonkey(table: TextTable) -> bool:
    first = [name.lower() for name in table.header[:2]]
    return first == ["respondent id", "collector id"] and bool(table.rows) and not any(table.rows[0][:2])


def _joined(table: TextTable) -> TextTable:
    """Return a table whose columns are named "Question [Part]"."""
    names, question = [], ""
    for name, part in zip(table.header, table.rows[0], strict=True):
        question = name or question
        names.append(question if part.lower() in _ALONE else f"{question} [{part}]")
    return table._replace(header=names, rows=table.rows[1:], lines=table.lines[1:])
