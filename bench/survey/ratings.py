"""Checked ratings and preferences of a listening survey, with exclusions and their reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.survey.rating_range import Range

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]

OUTCOMES = ("a", "b", "tie", "both bad")
"""Possible answers about two clips; "both bad" is not a tie, as it does not mean equally good."""


@dataclass(frozen=True)
class Exclusion:
    """Ratings excluded for one reason.

    Attributes:
        reason: the reason, such as "not a number".
        column: the column of the file concerned.
        rows: lines of a text file (its header is line 1), or rows of a Parquet file counted from 1; one per answer, so
            a row with several answers may occur several times.
        found: the content, one entry per row.
    """

    reason: str
    column: str
    rows: tuple[int, ...]
    found: tuple[str, ...]

    @property
    def count(self) -> int:
        """Number of excluded answers."""
        return len(self.rows)


@dataclass(frozen=True)
class _Answers:
    """Common part of ratings and preferences: a table of answers, and notes on reading it.

    Attributes:
        table: with a row per answer; all but the answer are strings, "" if missing.
        exclusions: excluded answers.
        notes: guesses and observations while reading, one sentence each.
        listener_columns: facts about each listener, such as musicianship: by column, then by listener.
        rows: rows of the file with answers.
        rows_lost: those without an answer that counts.
    """

    table: pd.DataFrame
    exclusions: tuple[Exclusion, ...]
    notes: tuple[str, ...]
    listener_columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict, kw_only=True)
    rows: int = field(default=0, kw_only=True)
    rows_lost: int = field(default=0, kw_only=True)

    @cached_property
    def listeners(self) -> tuple[str, ...]:
        """The listeners with an answer, sorted by name, numbers in names by value."""
        return tuple(sorted(self.table["listener"].unique(), key=natural))

    @cached_property
    def prompts(self) -> tuple[str, ...]:
        """The prompts with an answer, sorted as the listeners."""
        return tuple(sorted(self.table["prompt"].unique(), key=natural))

    @cached_property
    def scales(self) -> tuple[str, ...]:
        """The scales in the order of the file."""
        return tuple(self.table["scale"].unique())

    @cached_property
    def genres(self) -> dict[str, str]:
        """The genre of each prompt, if known."""
        known = self.table[self.table["genre"] != ""].drop_duplicates("prompt")
        return dict(zip(known["prompt"], known["genre"], strict=True))

    @property
    def excluded(self) -> int:
        """Number of excluded answers."""
        return sum(exclusion.count for exclusion in self.exclusions)


@dataclass(frozen=True)
class Ratings(_Answers):
    """Ratings of clips: listener × prompt × model (× seed) on each scale.

    Attributes:
        table: columns listener, prompt, model, scale, value (float), seed, genre, position (float: in
            the listener's order, NaN if unknown).
        models: in the requested order, or by name.
        ranges: lowest and highest possible rating of each scale.
    """

    models: tuple[str, ...]
    ranges: Mapping[str, Range]

    def cube(self, scale: str) -> Array:
        """Return the ratings on one scale, shape (models, listeners, prompts) in the order of these properties.

        Several seeds of a listener's model and prompt are averaged; NaN if missing.

        Raises:
            ValueError: there is no such scale.
        """
        if scale not in self.scales:
            raise ValueError(f"no ratings of '{scale}'; there are {', '.join(self.scales)}")
        return self._cells(self.table[self.table["scale"] == scale], "value")

    def positions(self, scale: str) -> Array | None:
        """Return the position in the session of each rating on one scale, in the shape of `cube`.

        None unless the file has a number for every rating.
        """
        import pandas as pd

        if "position" not in self.table:
            return None
        rows = self.table[self.table["scale"] == scale]
        rows = rows.assign(position=pd.to_numeric(rows["position"], errors="coerce"))
        return None if rows["position"].isna().any() else self._cells(rows, "position")

    def _cells(self, rows: pd.DataFrame, column: str) -> Array:
        axes = ((self.models, "model"), (self.listeners, "listener"), (self.prompts, "prompt"))
        codes = [_codes(rows[column], names) for names, column in axes]
        return cell_means(codes, rows[column], [len(names) for names, _ in axes])


@dataclass(frozen=True)
class Preferences(_Answers):
    """Answers to "which of the two is better?".

    Attributes:
        table: columns listener, prompt, a, b, scale, choice (1 for b, −1 for a, 0 for neither), outcome (one of
            `OUTCOMES`), score (float: by how much b was better; the choice if listeners only chose), seed, genre,
            position (float, NaN if unknown), and side (which of a and b came first or left: ``a``, ``b``,
            "" if unknown).
        models: in the requested order, or by name.
        ranges: lowest and highest possible score of each scale with comparison scores, such as −3 to 3.
    """

    models: tuple[str, ...]
    ranges: Mapping[str, Range] = field(default_factory=dict)


def natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts p2 before p10."""
    import re

    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def cell_means(codes: Sequence[npt.NDArray[np.intp]], values: npt.ArrayLike, shape: Sequence[int]) -> Array:
    """Return the mean of the values in each cell of a table, NaN in empty ones.

    Args:
        codes: a position along each axis for every value; a value with a negative one is left out.
        values: shape (n,).
        shape: lengths of the axes.
    """
    where = np.array(codes, dtype=np.intp)
    inside = (where >= 0).all(axis=0)
    flat = np.ravel_multi_index(tuple(where[:, inside]), tuple(shape))
    size = int(np.prod(shape))
    counts = np.bincount(flat, minlength=size)
    sums = np.bincount(flat, np.asarray(values, dtype=np.float64)[inside], minlength=size)
    return np.divide(sums, counts, out=np.full(size, np.nan), where=counts > 0).reshape(shape)


def _codes(column: pd.Series, names: Sequence[str]) -> npt.NDArray[np.intp]:
    import pandas as pd

    return np.asarray(pd.Index(names).get_indexer(column), dtype=np.intp)
