"""The answers of a survey that are left, and why the others are not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.number_format import first_few
from bench.survey.long_format import Identified
from bench.survey.ratings import Exclusion

if TYPE_CHECKING:
    import pandas as pd

Mask = npt.NDArray[np.bool_]


class Sieve:
    """The answers that are left, and why the others are not.

    Attributes:
        records: the answers that are left, in the long form.
        texts: everything that was answered, whether it is left or not.
        notes: what was guessed or noticed on the way, a sentence each.
    """

    def __init__(self, identified: Identified) -> None:
        """Begin with all answers, and with what the layout left out."""
        self.records = identified.records
        self.texts = frozenset(identified.records["text"])
        self.notes = list(identified.notes)
        self._columns = identified.columns
        self._excluded: dict[tuple[str, str], list[tuple[int, str]]] = {
            (one.reason, one.column): list(zip(one.rows, one.found, strict=True)) for one in identified.exclusions
        }

    def exclude(self, where: Mask | pd.Series, reason: str, role: str = "") -> None:
        """Take answers out; ``role`` is what is wrong about them, the answer itself if not said."""
        bad = np.asarray(where, dtype=bool)
        if not bad.any():
            return
        out = self.records[bad]
        found = out[role or "text"]
        columns: Iterable[str] = [self._columns.get(role, role)] * len(out) if role else out["column"]
        for line, column, text in zip(out["line"], columns, found, strict=True):
            self._excluded.setdefault((reason, column), []).append((int(line), str(text)))
        self.records = self.records[~bad]

    def excluded(self) -> tuple[Exclusion, ...]:
        """Return what was taken out, by its reason and column."""
        return tuple(
            Exclusion(reason, column, tuple(line for line, _ in rows), tuple(text for _, text in rows))
            for (reason, column), rows in ((key, sorted(rows)) for key, rows in self._excluded.items())
        )

    def rows(self) -> tuple[int, int]:
        """Return how many rows of the file hold answers, and of how many of them none counts."""
        kept = set(map(int, self.records["line"]))
        lost = {line for rows in self._excluded.values() for line, _ in rows} - kept
        return len(kept) + len(lost), len(lost)


def describe(exclusion: Exclusion, most: int = 3) -> str:
    """Return an exclusion in a sentence's words, with its first rows."""
    places = dict.fromkeys(zip(exclusion.rows, exclusion.found, strict=True))
    shown = [f"row {row}: {text!r}" if text else f"row {row}" for row, text in places]
    where = ", ".join(first_few(shown, most))
    return f"{exclusion.count} × {exclusion.reason} (column '{exclusion.column}', {where})"
