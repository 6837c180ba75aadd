"""The answers of a survey as text, a row an answer, in the long form that all layouts are brought into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd

    from bench.survey.forms.table_file import TextTable


@dataclass(frozen=True)
class Identified:
    """A survey's answers as text, a row an answer, before anything was checked.

    Attributes:
        path: the file.
        kind: what was answered.
        records: line (int), column (that of the answer), listener, prompt, model (or a and b), scale, text, seed,
            genre; all but the line text, "" where the file does not say.
        columns: the file's column for each of these.
        notes: what was guessed, a sentence each.
        decimal_comma: whether 3,5 is a number.
        controls: models that are there to test the listeners (hidden reference, anchors).
    """

    path: Path
    kind: Literal["ratings", "preferences"]
    records: pd.DataFrame
    columns: Mapping[str, str]
    notes: tuple[str, ...] = ()
    decimal_comma: bool = False
    controls: frozenset[str] = field(default=frozenset())


def records(table: TextTable, roles: Mapping[str, str], answer: str, scale: str | None = None) -> pd.DataFrame:
    """The long form: the columns of ``roles``, the answers of the column ``answer``, and where each stands."""
    import pandas as pd

    position = {name: table.header.index(name) for name in [*roles.values(), answer]}
    columns: dict[str, list[str] | list[int]] = {
        role: [row[position[name]] for row in table.rows] for role, name in roles.items()
    }
    texts = [row[position[answer]] for row in table.rows]
    frame = pd.DataFrame({"line": table.lines, **columns, "text": texts, "column": answer})
    if scale is not None:
        frame["scale"] = scale
    for role in ("seed", "genre"):
        if role not in frame:
            frame[role] = ""
    return frame
