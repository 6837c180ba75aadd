"""Assign roles to the columns of a survey's file: given by the user, or recognized by usual names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Literal

from bench.errors import DataError, UsageError, suggestion
from bench.number_format import first_few
from bench.survey.forms.column_names import SCALE_WORDS, SYNONYMS, ends_as_id, plain
from bench.survey.long_format import OPTIONAL, Identified, first_sides, listener_columns, records, side_of
from bench.survey.rating_columns import scale_columns
from bench.survey_question import SurveyQuestion, listed

if TYPE_CHECKING:
    from bench.survey.forms.table import TextTable

CANONICAL = """\
listener,prompt,model,scale,value
ann,jazz-1,base,Harmony,4
ann,jazz-1,tuned,Harmony,5"""

RATING_ROLES = ("listener", "prompt", "model", "scale", "value", "seed", "genre", "position")
PREFERENCE_ROLES = ("listener", "prompt", "a", "b", "scale", "choice", *OPTIONAL)
_PREFERENCE_ONLY = ("a", "b", "choice", "side")
_PROPOSED = 3  # columns listed in a question
_ABOUT_ORDER = ("position", "side")


def check_role(role: str) -> None:
    """Refuse unknown roles of columns.

    Raises:
        UsageError: the role is unknown; the message lists the known ones.
    """
    if role not in SYNONYMS:
        raise UsageError(f"unknown role '{role}'{suggestion(role, SYNONYMS)}; roles: {', '.join(SYNONYMS)}")


def identify(table: TextTable, given: Mapping[str, str], scales: Collection[str] | None = None) -> Identified:
    """Find the columns and bring the answers into the long form.

    Args:
        table: the file.
        given: roles (the keys of `SYNONYMS`) with the columns given by the user.
        scales: columns of ratings, one per scale, if they are columns.

    Raises:
        UsageError: a given column or role does not exist, or given roles contradict each other.
        SurveyQuestion: several columns may have a role, or the ratings may be in one column or in several.
        DataError: the columns cannot be recognized; the message shows the standard form.
    """
    for role, name in given.items():
        check_role(role)
        if name not in table.header:
            raise UsageError(
                f"--column {role}={name}: {table.path} has no column '{name}'{suggestion(name, table.header)}; "
                f"it has {', '.join(table.header)}"
            )
    _no_contradiction(given)
    wide = [name for name in table.header if scales and name in scales and "scale" not in given]
    found = _guess(table, given, taken=wide)
    if (
        {"a", "b"} <= found.keys()
        and "value" in found
        and "choice" not in found
        and not {"model", "value"} & given.keys()
    ):
        found["choice"] = found.pop("value")  # "answer" is a usual name for both
    if {"a", "b", "choice"} <= found.keys() and not {"model", "value"} & given.keys():
        roles = {role: found[role] for role in PREFERENCE_ROLES if role in found}
        _all_there(table, roles, ("listener", "prompt", "choice"))
        return _long(table, roles, given, "preferences")
    if asked := [role for role in _PREFERENCE_ONLY if role in given]:
        missing = [role for role in ("a", "b", "choice") if role not in found]
        raise DataError(
            f"{table.path}: the role '{asked[0]}' is for preferences, which need a, b and choice; "
            f"name {_options(missing)}, too"
        )
    roles = {role: found[role] for role in RATING_ROLES if role in found}
    named = [name for name in table.header if plain(name) in SCALE_WORDS and name not in roles.values()]
    if wide or "value" in given or "scale" in roles:
        return _ratings(table, roles, given, wide)
    if named and "value" in roles:
        raise SurveyQuestion(
            f"{table.path}: the ratings may be in '{roles['value']}' or in {', '.join(named)}",
            ["--scales", listed(named)],
            ["--column", f"value={roles['value']}"],
        )
    known = [roles["value"]] if "value" in roles else named
    if not {"listener", "prompt", "model"} <= roles.keys():
        return _ratings(table, roles, given, named)
    others = {role: name for role, name in roles.items() if role != "value"}
    columns, reasons = scale_columns(table, others, known, sure="value" not in roles)
    return _ratings(table, roles, given, columns if "value" not in roles else [], reasons)


def _ratings(
    table: TextTable,
    roles: dict[str, str],
    given: Mapping[str, str],
    wide: list[str],
    reasons: Mapping[str, str] | None = None,
) -> Identified:
    """Read ratings from one column per scale, or from a single column."""
    if wide:
        roles.pop("value", None)
        roles.pop("scale", None)
        _all_there(table, roles, ("listener", "prompt", "model"))
        return _wide(table, roles, given, wide, reasons or {})
    _all_there(table, roles, ("listener", "prompt", "model", "value"))
    return _long(table, roles, given, "ratings", reasons or {})


def _no_contradiction(given: Mapping[str, str]) -> None:
    """Refuse a column with two roles, and roles of ratings together with those of preferences."""
    holders: dict[str, str] = {}
    for role, name in given.items():
        if (other := holders.setdefault(name, role)) != role:
            raise UsageError(f"the column '{name}' has two roles, {other} and {role}; give it one")
    ratings, preferences = (
        [role for role in roles if role in given] for roles in (("model", "value"), _PREFERENCE_ONLY)
    )
    if ratings and preferences:
        raise UsageError(
            f"the role '{ratings[0]}' is for ratings and '{preferences[0]}' for preferences; a file has one kind"
        )


def _guess(table: TextTable, given: Mapping[str, str], taken: Collection[str]) -> dict[str, str]:
    """Return the column of each role: as given, else one with exactly that name, else the only one with a usual name.

    Raises:
        SurveyQuestion: several columns have usual names of the same role.
    """
    found = dict(given)
    free = [name for name in table.header if name and name not in found.values() and name not in taken]
    for exact in (True, False):
        for role, synonyms in SYNONYMS.items():
            if role in found:
                continue
            fitting = [name for name in free if plain(name) == role or (not exact and plain(name) in synonyms)]
            fitting = [name for name in fitting if _may_hold(table, role, name)]
            if len(fitting) > 1 and role not in _ABOUT_ORDER:
                raise SurveyQuestion(
                    f"{table.path}: the {role} may be {' or '.join(repr(name) for name in fitting)}; "
                    f"say which with {_options([role])}",
                    *(["--column", f"{role}={name}"] for name in fitting),
                )
            if len(fitting) == 1:
                found[role] = fitting[0]
                free.remove(fitting[0])
    return found


def _may_hold(table: TextTable, role: str, name: str) -> bool:
    """Return whether a column with a usual name may have the role: an answer is not an "id", a position is a number."""
    if role in ("value", "choice", "scale"):
        return not ends_as_id(name)
    if role not in _ABOUT_ORDER:
        return True
    where = table.header.index(name)
    texts = [row[where] for row in table.rows if row[where]]
    if role == "position":
        return not ends_as_id(name) and bool(texts) and all(text.isdecimal() for text in texts)
    pair = [
        table.header.index(other)
        for other in table.header
        if plain(other) in ("a", "b", *SYNONYMS["a"], *SYNONYMS["b"])
    ]
    names = {row[other] for row in table.rows for other in pair}
    return all(side_of(text) or text in names for text in texts)


class ColumnQuestion(SurveyQuestion):
    """A column cannot be recognized by its name."""


def _all_there(table: TextTable, roles: Mapping[str, str], needed: Iterable[str]) -> None:
    """Check that each of these roles has a column.

    Raises:
        ColumnQuestion: one has none, and unused columns may be it.
        DataError: several have none, or no columns are left.
    """
    missing = [role for role in needed if role not in roles]
    left = [name for name in table.header if name and name not in roles.values() and _differs(table, name)]
    if len(missing) == 1 and left:
        (role,) = missing
        raise ColumnQuestion(
            f"{table.path}: cannot tell which column is the {role}; it may be "
            f"{' or '.join(first_few(left, _PROPOSED))}",
            *(["--column", f"{role}={name}"] for name in left[:_PROPOSED]),
        )
    if missing:
        raise DataError(
            f"{table.path}: cannot tell which column is the {' and which the '.join(missing)} "
            f"(there are {', '.join(name or '(unnamed)' for name in table.header)}); name "
            f"{_options(missing)}, or columns with one scale each with --scales, "
            f"or write the file like this:\n{CANONICAL}"
        )


def _differs(table: TextTable, name: str) -> bool:
    where = table.header.index(name)
    return len({row[where] for row in table.rows}) > 1


def _options(roles: Iterable[str]) -> str:
    """Return the options that assign columns to these roles."""
    return " ".join(f"--column {role}=NAME" for role in roles)


def _long(
    table: TextTable,
    roles: dict[str, str],
    given: Mapping[str, str],
    kind: Literal["ratings", "preferences"],
    reasons: Mapping[str, str] | None = None,
) -> Identified:
    answer = roles.pop("value" if kind == "ratings" else "choice")
    default = None if "scale" in roles else _only_scale(answer, kind)
    frame = records(table, roles, answer, default)
    if kind == "preferences":
        frame["side"] = first_sides(frame)
    told = {**roles, ("value" if kind == "ratings" else "choice"): answer}
    about = listener_columns(table, roles["listener"], told.values())
    notes = _notes(table, told, given, (), about, reasons or {})
    return Identified(table.path, kind, frame, told, notes, table.decimal_comma, listener_columns=about)


def _wide(
    table: TextTable, roles: dict[str, str], given: Mapping[str, str], scales: list[str], reasons: Mapping[str, str]
) -> Identified:
    import pandas as pd

    frame = pd.concat([records(table, roles, name, name) for name in scales], ignore_index=True)
    about = listener_columns(table, roles["listener"], [*roles.values(), *scales])
    notes = _notes(table, roles, given, scales, about, reasons)
    return Identified(table.path, "ratings", frame, roles, notes, table.decimal_comma, listener_columns=about)


def _only_scale(answer: str, kind: str) -> str:
    if kind == "preferences":
        return "preference"
    return answer if plain(answer) not in ("value", *SYNONYMS["value"]) else "rating"


def _notes(
    table: TextTable,
    roles: Mapping[str, str],
    given: Mapping[str, str],
    scales: Collection[str],
    about: Collection[str],
    reasons: Mapping[str, str],
) -> tuple[str, ...]:
    """Return notes on the column used for each role, and on unused ones."""
    guessed = [f"{role} = {name}" for role, name in roles.items() if name != role and role not in given]
    taken = {*roles.values(), *scales, *about}
    unread = [name for name in table.header if name and name not in taken]
    notes = [f"Columns guessed: {', '.join(guessed)}."] if guessed else []
    if scales:
        notes.append(f"A scale each: {', '.join(scales)}.")
    if about:
        notes.append(f"About the listeners: {', '.join(about)}; --by-listener shows means by group.")
    if unread:
        told = [f"{name} ({reasons[name]})" if reasons.get(name) else name for name in unread]
        notes.append(f"Columns not read: {', '.join(told)}.")
    return tuple(notes)
