"""A leaderboard as DataFrames: one row per cell, or per model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.leaderboard.grid import columns_of
from bench.scores.aggregate import Cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


def wide_frame(cells: Sequence[Cell], grouped: bool = False) -> pd.DataFrame:
    """Return one row per model, with four columns per metric, in the order of the run.

    Columns: the metric's name and version (the value), and that with `` low``, `` high`` (the 95 % interval) and `` n``
    (how many clips have a value); float64, NaN if missing, and Int64.

    Args:
        cells: of the leaderboard.
        grouped: whether the index is (group, model) instead of model.
    """
    import pandas as pd

    rows: dict[tuple[str, str], dict[str, float | int | None]] = {}
    for cell in cells:
        row, ref, estimate = rows.setdefault((cell.group, cell.model), {}), cell.column.ref, cell.estimate
        row |= {ref: estimate.value, f"{ref} low": estimate.low, f"{ref} high": estimate.high, f"{ref} n": estimate.n}
    kinds = {f"{ref}{part}": kind for ref in columns_of(cells) for part, kind in _PARTS.items()}
    index = pd.MultiIndex.from_arrays([[row[part] for row in rows] for part in (0, 1)], names=["group", "model"])
    frame = pd.DataFrame(list(rows.values()), index=index, columns=list(kinds)).astype(kinds)
    return frame if grouped else frame.droplevel("group")


_PARTS = {"": "float64", " low": "float64", " high": "float64", " n": "Int64"}
