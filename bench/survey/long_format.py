"""The answers of a survey as text, one per row, in the long format that all layouts are converted to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

    from bench.survey.forms.table import TextTable
    from bench.survey.ratings import Exclusion

OPTIONAL = ("seed", "genre", "position", "side")
"""Optional columns of the long format; "" if missing."""


@dataclass(frozen=True)
class Identified:
    """A survey's answers as text, one per row, unchecked.

    Attributes:
        path: the file.
        kind: kind of the answers.
        records: line (int, of the file, the same for all answers of a row), column (that of the answer),
            listener, prompt, model (or a and b), scale, text, seed, genre, position (in the listener's order, as the
            file counts) and, for preferences, side (which of a and b was shown first or on the left: ``a``, ``b``, or
            "" if unknown). All but the line are text, "" if missing.
        columns: the file's column for each of these.
        notes: guesses, one sentence each.
        decimal_comma: whether 3,5 is a number.
        controls: models for checks of listeners (hidden reference, anchors).
        listener_columns: columns about listeners, such as musicianship: values by
            listener.
        exclusions: rows left out by the layout, such as unfinished forms.
        unread: unused columns of the file: values by line.
    """

    path: Path
    kind: Literal["ratings", "preferences"]
    records: pd.DataFrame
    columns: Mapping[str, str]
    notes: tuple[str, ...] = ()
    decimal_comma: bool = False
    controls: frozenset[str] = field(default=frozenset())
    listener_columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    exclusions: tuple[Exclusion, ...] = ()
    unread: Mapping[str, Mapping[int, str]] = field(default_factory=dict)


def records(table: TextTable, roles: Mapping[str, str], answer: str, scale: str | None = None) -> pd.DataFrame:
    """Return the long format, as in `Identified`; optional columns without a role are "".

    Args:
        table: the file.
        roles: the file's columns by role.
        answer: the column with the answers, which becomes ``text``.
        scale: name of the scale of all answers, if no column has it.
    """
    import pandas as pd

    position = {name: table.header.index(name) for name in [*roles.values(), answer]}
    columns: dict[str, list[str] | list[int]] = {
        role: [row[position[name]] for row in table.rows] for role, name in roles.items()
    }
    texts = [row[position[answer]] for row in table.rows]
    frame = pd.DataFrame({"line": table.lines, **columns, "text": texts, "column": answer})
    if scale is not None:
        frame["scale"] = scale
    for role in OPTIONAL:
        if role not in frame:
            frame[role] = ""
    return frame


_FIRST, _SECOND = ("a", "left", "first", "model_a", "modela"), ("b", "right", "second", "model_b", "modelb")


def side_of(text: str) -> str:
    """Return the side that a word names, ``a`` or ``b``; "" if none."""
    word = text.casefold()
    return "a" if word in _FIRST else "b" if word in _SECOND else ""


def first_sides(frame: pd.DataFrame) -> list[str]:
    """Return which of a and b came first or left, "" if unknown.

    The column ``side`` names a model or a side; without it, a is first if listeners answered by side, not by name.
    """
    names = {*frame["a"], *frame["b"]}
    listed = "" if (frame["side"] != "").any() or any(text in names for text in frame["text"]) else "a"
    found = []
    for side, a, b in zip(frame["side"], frame["a"], frame["b"], strict=True):
        named = "a" if side == a else "b" if side == b else side_of(side)
        found.append(named if side else listed)  # a name that is neither means unknown
    return found


def listener_columns(table: TextTable, listener: str, taken: Collection[str]) -> dict[str, dict[str, str]]:
    """Return the columns that are constant for each listener, but differ between listeners.

    Args:
        table: the file.
        listener: the column of listeners.
        taken: columns used otherwise.
    """
    who = table.header.index(listener)
    found: dict[str, dict[str, str]] = {}
    for position, name in enumerate(table.header):
        if not name or name == listener or name in taken:
            continue
        said: dict[str, set[str]] = {}
        for row in table.rows:
            if row[who] and row[position]:
                said.setdefault(row[who], set()).add(row[position])
        values = {person: next(iter(texts)) for person, texts in said.items() if len(texts) == 1}
        if len(values) == len(said) and len(set(values.values())) > 1:
            found[name] = values
    return found
