"""The answers of a survey as text, a row an answer, in the long form that all layouts are brought into."""

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
"""Columns of the long form that a file need not have; "" where it does not."""


@dataclass(frozen=True)
class Identified:
    """A survey's answers as text, a row an answer, before anything was checked.

    Attributes:
        path: the file.
        kind: what was answered.
        records: line (int, that of the file, on which all answers of one row agree), column (that of the answer),
            listener, prompt, model (or a and b), scale, text, seed, genre, position (when the listener heard it, as the
            file counts) and, of preferences, side (which of a and b was shown first or on the left: ``a``, ``b``, or
            "" where that is not known). All but the line are text, "" where the file does not say.
        columns: the file's column for each of these.
        notes: what was guessed, a sentence each.
        decimal_comma: whether 3,5 is a number.
        controls: models that are there to test the listeners (hidden reference, anchors).
        listener_columns: columns that say something about the listeners, such as musicianship: what stands there, by
            listener.
        exclusions: rows that the layout itself left out, such as unfinished forms.
        unread: columns of the file that were taken for nothing: what stands there, by line.
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
    """Return the long form: the columns of ``roles``, the answers of the column ``answer``, and where each stands."""
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
    """Return the side that a word names, ``a`` or ``b``; "" where it names none."""
    word = text.casefold()
    return "a" if word in _FIRST else "b" if word in _SECOND else ""


def first_sides(frame: pd.DataFrame) -> list[str]:
    """Return which of a and b came first or left, "" where the file does not say.

    As the column ``side`` names a model or a side; without that column a, if listeners answered by side, not by name.
    """
    names = {*frame["a"], *frame["b"]}
    listed = "" if (frame["side"] != "").any() or any(text in names for text in frame["text"]) else "a"
    found = []
    for side, a, b in zip(frame["side"], frame["a"], frame["b"], strict=True):
        named = "a" if side == a else "b" if side == b else side_of(side)
        found.append(named if side else listed)  # a name that is neither says that it is not known
    return found


def listener_columns(table: TextTable, listener: str, taken: Collection[str]) -> dict[str, dict[str, str]]:
    """Find the columns that say one thing about each listener, and not the same about all.

    Args:
        table: the file.
        listener: its column of listeners.
        taken: columns that are something else.
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
