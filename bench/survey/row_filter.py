"""Rows of a file that count only under a condition, such as ``Finished = True``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence

from bench.errors import UsageError, suggestion
from bench.number_format import first_few
from bench.survey.answer_rules import Condition
from bench.survey.forms.table import TextTable
from bench.survey.ratings import Exclusion

_WRITTEN = re.compile(r"\s*(.*?)\s*(!=|<=|>=|==|=|<|>|≠|≤|≥)\s*(.*?)\s*")
_SPELLINGS = {"==": "=", "≠": "!=", "≤": "<=", "≥": ">="}
_ORDERS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def parse_condition(text: str) -> Condition:
    """Read ``Finished=True``, ``age>=18`` or ``status!=rejected``.

    Raises:
        UsageError: it is not a condition, or compares sizes without a number.

    >>> parse_condition("age >= 18")
    Condition(column='age', operator='>=', value='18')
    """
    found = _WRITTEN.fullmatch(text)
    if found is None or not found[1]:
        raise UsageError(f"--where is '{text}'; write it like Finished=True, age>=18 or status!=rejected")
    condition = Condition(found[1], _SPELLINGS.get(found[2], found[2]), found[3])
    if condition.operator in _ORDERS and _number(condition.value, decimal_comma=False) is None:
        raise UsageError(f"--where is '{text}'; '{condition.value}' is not a number")
    return condition


def select_rows(table: TextTable, conditions: Sequence[Condition]) -> tuple[TextTable, tuple[Exclusion, ...]]:
    """Return the rows that meet every condition, and the others with their content.

    Args:
        table: the file.
        conditions: applied one after the other.

    Returns:
        The remaining rows, and an exclusion for each condition that some row did not meet.

    Raises:
        UsageError: there is no such column, or no row meets a condition.
    """
    left_out = []
    for condition in conditions:
        if condition.column not in table.header:
            raise UsageError(
                f"--where: {table.path} has no column '{condition.column}'"
                f"{suggestion(condition.column, table.header)}; it has {', '.join(table.header)}"
            )
        position = table.header.index(condition.column)
        meets = [_meets(row[position], condition, table.decimal_comma) for row in table.rows]
        if not any(meets):
            there = first_few(list(dict.fromkeys(row[position] or "nothing" for row in table.rows)), 5)
            raise UsageError(
                f"--where {''.join(condition)}: no row of {table.path} meets it; '{condition.column}' contains "
                f"{', '.join(there)}"
            )
        others = [number for number, met in enumerate(meets) if not met]
        if others:
            reason = f"not {condition.column} {condition.operator} {condition.value}".rstrip()
            lines, found = zip(*((table.lines[i], table.rows[i][position]) for i in others), strict=True)
            left_out.append(Exclusion(reason, condition.column, lines, found))
        kept = [number for number, met in enumerate(meets) if met]
        table = table._replace(rows=[table.rows[i] for i in kept], lines=[table.lines[i] for i in kept])
    return table, tuple(left_out)


def _meets(text: str, condition: Condition, decimal_comma: bool) -> bool:
    """Return whether a cell meets a condition: numbers by value, text ignoring case."""
    here, wanted = _number(text, decimal_comma), _number(condition.value, decimal_comma)
    if condition.operator in _ORDERS:
        return here is not None and wanted is not None and _ORDERS[condition.operator](here, wanted)
    same = text.casefold() == condition.value.casefold() or (here is not None and here == wanted)
    return same == (condition.operator == "=")


def _number(text: str, decimal_comma: bool) -> float | None:
    if decimal_comma:
        text = re.sub(r"^([-+]?\d+),(\d+)$", r"\1.\2", text)
    return float(text) if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)", text) else None
