"""Track the remaining answers of a survey, and the reasons of exclusions."""

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
    """The remaining answers, and the excluded ones with reasons.

    Attributes:
        records: the remaining answers, in the long format.
        texts: all answers, remaining or not.
        notes: guesses and observations, one sentence each.
    """

    def __init__(self, identified: Identified) -> None:
        """Start with all answers, and with rows left out by the layout."""
        self.records = identified.records
        self.texts = frozenset(identified.records["text"])
        self.notes = list(identified.notes)
        self._columns = identified.columns
        self._excluded: dict[tuple[str, str], list[tuple[int, str]]] = {
            (one.reason, one.column): list(zip(one.rows, one.found, strict=True)) for one in identified.exclusions
        }

    def exclude(self, where: Mask | pd.Series, reason: str, role: str = "") -> None:
        """Exclude answers.

        Args:
            where: which of ``records``, shape (records,).
            reason: the reason.
            role: the column of ``records`` concerned; "" for that of the answer.
        """
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
        """Return the exclusions by reason and column."""
        return tuple(
            Exclusion(reason, column, tuple(line for line, _ in rows), tuple(text for _, text in rows))
            for (reason, column), rows in ((key, sorted(rows)) for key, rows in self._excluded.items())
        )

    def rows(self) -> tuple[int, int]:
        """Return the number of rows with answers, and of those without one that counts."""
        kept = set(map(int, self.records["line"]))
        lost = {line for rows in self._excluded.values() for line, _ in rows} - kept
        return len(kept) + len(lost), len(lost)


def describe(exclusion: Exclusion, most: int = 3) -> str:
    """Return an exclusion in words, with its first ``most`` rows."""
    places = dict.fromkeys(zip(exclusion.rows, exclusion.found, strict=True))
    shown = [f"row {row}: {text!r}" if text else f"row {row}" for row, text in places]
    where = ", ".join(first_few(shown, most))
    return f"{exclusion.count} × {exclusion.reason} (column '{exclusion.column}', {where})"
