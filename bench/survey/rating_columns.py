"""Detect further columns of ratings by their content, with reasons for the other columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.survey.answer_text import read_numbers
from bench.survey.rating_range import Range
from bench.survey_question import SurveyQuestion, listed

if TYPE_CHECKING:
    from bench.survey.forms.table import TextTable

_WIDEST = 10  # maximum number of scales proposed besides others with a similar range
_NOTHING = frozenset(("", "na", "n/a", "nan", "null", "none", "-"))
_MANY = 6  # this many different answers of a listener are not ratings


_COUNTING = re.compile(
    r"(?<![a-z])(?:re)?(?:plays?|counts?|clicks?|times?|duration|seconds|ms|rt|index|trial|page|block|session|batch|rank"
    r"|attempts?|age|year|order|position|number|no|id)(?![a-z])",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Profile:
    """Content of a column: the range of its numbers, or why it has no ratings."""

    range: Range | None = None
    steps: int = 0
    reason: str = ""


def scale_columns(
    table: TextTable, roles: Mapping[str, str], named: Sequence[str], sure: bool = True
) -> tuple[list[str], dict[str, str]]:
    """Return the columns of scales, in the order of the file, with reasons for the others.

    A column named like a scale is one. Another is one, too, if its answers use most steps of the
    same range.

    Args:
        table: the file.
        roles: columns with other roles, by role; the listener, the prompt and the model among them.
        named: columns known to be scales.
        sure: whether further ones may exist; if not, similar columns also raise a question.

    Raises:
        SurveyQuestion: columns of small integers have another range, or no scale is known.
    """
    others = [name for name in table.header if name and name not in roles.values() and name not in named]
    profiles = {name: _profile(table, name, roles) for name in others}
    usual = [_profile(table, name, {}) for name in named]
    ranges = {profile.range for profile in usual if profile.range}
    likely = [name for name, profile in profiles.items() if profile.range]
    alike = [name for name in likely if sure and profiles[name].range in ranges and _mostly_used(profiles[name])]
    asked = [name for name in likely if name not in alike]
    if asked:
        _ask(table, [*named, *alike], asked, {name: profiles[name].range for name in asked})
    found = {*named, *alike}
    return (
        [name for name in table.header if name in found],
        {name: profile.reason for name, profile in profiles.items() if name not in found},
    )


def _mostly_used(profile: _Profile) -> bool:
    return profile.range is not None and profile.steps >= 0.75 * (profile.range.high - profile.range.low + 1)


def _ask(table: TextTable, known: Sequence[str], asked: Sequence[str], ranges: Mapping[str, Range | None]) -> None:
    order = [name for name in table.header if name in {*known, *asked}]
    what = ", ".join(f"'{name}' ({ranges[name]})" for name in asked)
    beside = f"beside the scales {', '.join(known)}" if known else "and no column is known to be a scale"
    raise SurveyQuestion(
        f"{table.path}: {what} {'hold' if len(asked) > 1 else 'holds'} small numbers {beside}: "
        "which columns have ratings?",
        ["--scales", listed(order)],
        *([["--scales", listed(known)]] if known else []),
    )


def _profile(table: TextTable, name: str, roles: Mapping[str, str]) -> _Profile:
    """Profile a column; without roles, only the range of its numbers."""
    position = table.header.index(name)
    column = [row[position] for row in table.rows]
    there = {text: count for text, count in Counter(column).items() if text.lower() not in _NOTHING}
    if not there:
        return _Profile(reason="empty")
    if len(there) == 1 and roles:
        return _Profile(reason="always the same")
    for role, reason in (
        ("listener", "the same in all rows of a listener"),
        ("prompt", "the same for all of a prompt"),
    ):
        if role in roles and _one_for_each(column, _keys(table, [roles[role]])):
            return _Profile(reason=reason)
    if {"prompt", "model"} <= roles.keys() and _one_for_each(column, _keys(table, [roles["prompt"], roles["model"]])):
        return _Profile(reason="the same for all listeners of a clip")
    for asked, most in ((["listener"], _MANY), (["listener", "prompt"], 3)):
        keys = _keys(table, [roles[role] for role in asked if role in roles])
        if roles and _all_differ(column, keys, most):
            return _Profile(reason=f"different in every row of a {' and '.join(asked)}")
    if roles and _COUNTING.search(name):
        return _Profile(reason="a count or an order, by its name")
    try:
        reading = read_numbers(there, {}, table.decimal_comma, name)
    except SurveyQuestion:  # words of an ambiguous scale
        return _Profile(Range(1, 5), 5)
    values = set(reading.values.values())
    if reading.unread:
        return _Profile(reason="words")
    if any(value != int(value) for value in values):
        return _Profile(reason="not integers")
    low, high = min(values), max(values)
    if roles and (low < 0 or high > _WIDEST):
        return _Profile(reason=f"numbers from {low:g} to {high:g}")
    return _Profile(reading.range or Range.around([low, high]), len(values))


def _keys(table: TextTable, columns: Iterable[str]) -> list[tuple[str, ...]]:
    where = [table.header.index(name) for name in columns]
    return [tuple(row[position] for position in where) for row in table.rows]


def _one_for_each(column: Sequence[str], keys: Sequence[Collection[str]]) -> bool:
    """Return whether rows with the same key never differ, and some keys have several rows."""
    first: dict[Collection[str], str] = {}
    same = all(first.setdefault(key, text) == text for key, text in zip(keys, column, strict=True))
    return same and len(first) < len(keys)


def _all_differ(column: Sequence[str], keys: Sequence[Collection[str]], most: int) -> bool:
    """Return whether rows with the same key always differ, with at least ``most`` rows per key on average."""
    pairs = list(zip(keys, column, strict=True))
    return len(set(pairs)) == len(pairs) and len(pairs) >= most * len(set(keys))
