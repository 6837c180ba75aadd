"""Find the two columns with unknown names that hold the two models of each vote, by names and content."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from itertools import permutations

from bench.survey.forms.candidate_columns import MOST, few_values, free_columns, numeric
from bench.survey.forms.table import TextTable
from bench.survey_question import SurveyQuestion

_SIDES = {"a": "a", "left": "a", "first": "a", "1": "a", "one": "a"}
_SIDES |= {"b": "b", "right": "b", "second": "b", "2": "b", "two": "b"}


def side_question(table: TextTable, known: Mapping[str, str]) -> SurveyQuestion | None:
    """Return the question which columns are the two models of each vote; None if no two may be, or both are known.

    Two text columns may be if they share values, are named after sides, or contain the choices of listeners.
    Without a column with a usual name for the choice, they must be named after sides and share values.

    Args:
        table: the file.
        known: columns by their role.
    """
    missing = [role for role in ("a", "b") if role not in known]
    if not missing or "model" in known or ("choice" not in known and len(missing) == 1):
        return None
    others = {role: name for role, name in known.items() if role not in ("a", "b")}
    chosen = set(table.column(known["choice"])) - {""} if "choice" in known else None
    found = []
    names = [name for name in free_columns(table, others) if _may_be_side(table, name)]
    for a, b in permutations(names, 2):
        if known.get("a", a) == a and known.get("b", b) == b and (score := _as_sides(table, a, b, chosen)):
            found.append((score, a, b))
    if not found:
        return None
    highest = max(score for score, _, _ in found)
    best = [(a, b) for score, a, b in found if score == highest][:MOST]
    options = [[f"{role}={name}" for role, name in zip("ab", pair, strict=True) if role in missing] for pair in best]
    shown = " or ".join(" ".join(f"--column {part}" for part in option) for option in options)
    what = "columns are the two models" if len(missing) == 2 else f"column is model {missing[0]}"
    return SurveyQuestion(
        f"{table.path}: cannot tell which {what} of each vote; name them, such as {shown}",
        *([word for part in option for word in ("--column", part)] for option in options),
    )


def _may_be_side(table: TextTable, name: str) -> bool:
    """Return whether a column may name a model of each vote: few values, or the same one in all rows."""
    cells = table.column(name)
    return all(cells) and (few_values(cells) or len(set(cells)) == 1)


def _as_sides(table: TextTable, a: str, b: str, chosen: Collection[str] | None) -> int:
    """Return the evidence that two columns are the two models of each vote; 0 if they cannot be."""
    first, second = table.column(a), table.column(b)
    if 2 * sum(one == other for one, other in zip(first, second, strict=True)) > len(first):
        return 0
    values, both = set(first) | set(second), set(first) & set(second)
    sides = (_side(a), _side(b))
    if sides == ("b", "a"):
        return 0
    named, common = sides == ("a", "b"), 2 * len(both) >= len(values)
    worded = not (numeric(table, first) or numeric(table, second))
    if chosen is None:
        return 1 if named and common and worded else 0
    picked = len(values & set(chosen)) > 1 and worded
    if not (named or picked or (common and worded)):
        return 0
    in_order = table.header.index(a) < table.header.index(b)
    return (8 if worded else 1) * named + 4 * picked + 2 * common + (in_order and not named)


def _side(name: str) -> str:
    """Return the side that a column is named after, such as a for left_system; "" if none, or both."""
    words = re.findall(r"[a-z]+|\d+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower())
    found = {_SIDES[word] for word in words if word in _SIDES}
    return found.pop() if len(found) == 1 else ""
