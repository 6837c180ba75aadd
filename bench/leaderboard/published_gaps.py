"""Differences of measured rows from published figures, and the smallest differences that are detectable."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import special

from bench.contracts.plugins import plain_name
from bench.leaderboard.published import PublishedRow
from bench.number_format import counted, decimals_for, number
from bench.scores.aggregate import MINIMUM_PROMPTS, Cell
from bench.stats.detectable import detectable_difference

GAP_HEADER = ("published", "figure", "gap")


@dataclass(frozen=True)
class PublishedGap:
    """A measured row beside a paper's figure of the same metric, all in the metric's unit.

    Attributes:
        row: the row of the paper.
        cell: the measured cell, over all prompts.
        gap: measured minus published.
        detectable: the smallest true difference that so many prompts detect with a power of 80 %, two-sided at 5 %,
            as if the published figure had no error; None if the measured row has no interval.
        detectable_with_error: the same if the figure has the standard error of the measured row, as it has with as many
            equally variable prompts: √2 times as large.
    """

    row: PublishedRow
    cell: Cell
    gap: float
    detectable: float | None
    detectable_with_error: float | None


def published_gaps(rows: Sequence[PublishedRow], cells: Sequence[Cell], prompts: int) -> list[PublishedGap]:
    """Pair measured rows with published figures of the same metric (``ours``).

    Args:
        rows: rows of papers.
        cells: cells of a leaderboard.
        prompts: number of prompts of the run, for the degrees of freedom.
    """
    return [
        PublishedGap(row, cell, cell.estimate.value - row.value, least, None if least is None else math.sqrt(2) * least)
        for row in rows
        if row.ours and row.value is not None
        for cell in cells
        if cell.group == "all" and plain_name(cell.column.ref) == row.ours and cell.estimate.value is not None
        for least in (_detectable(cell, prompts),)
    ]


def gap_tables(gaps: Sequence[PublishedGap], prompts: int) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Return, for each measured row, what its prompts can detect, and the rows below `GAP_HEADER`.

    Args:
        gaps: from `published_gaps`.
        prompts: number of prompts of the run.
    """
    tables: dict[tuple[str, str], list[PublishedGap]] = {}
    for gap in gaps:
        tables.setdefault((gap.cell.column.ref, gap.cell.model), []).append(gap)
    return [(_heading(own, prompts), [_line(gap) for gap in own]) for own in tables.values()]


def what_gaps_mean() -> str:
    """Return the note below these tables."""
    return (
        "Gap: measured − published. Detectable: the smallest true difference found with a power of 80 % "
        "(two-sided, 5 %), from the measured row's own standard error, as if the figure had none. The figure has an "
        "error of its own, which the paper does not state and which is at least as large for as many prompts that "
        "vary as much. A smaller gap proves nothing, and a larger one may still come from the protocol."
    )


def _detectable(cell: Cell, prompts: int) -> float | None:
    value, low, high = cell.estimate.value, cell.estimate.low, cell.estimate.high
    if value is None or low is None or high is None or prompts < MINIMUM_PROMPTS:
        return None
    # At a bound of the metric, one side is clipped; use the other.
    half, df = max(value - low, high - value), prompts - 1
    return detectable_difference(half / float(special.stdtrit(df, 0.975)), df)


def _heading(gaps: Sequence[PublishedGap], prompts: int) -> str:
    first = gaps[0]
    value, unit = first.cell.estimate.value, f" {first.cell.column.unit}" if first.cell.column.unit else ""
    said = f"{first.cell.model}, {first.cell.column.ref}: {number(value, _decimals(first))}{unit}"
    if first.detectable is None:
        return f"{said}; without an interval, what {counted(prompts, 'prompt')} can detect is unknown"
    least, both = (number(x, _decimals(first)) for x in (first.detectable, first.detectable_with_error))
    return (
        f"{said}; {counted(prompts, 'prompt')} can detect {least}{unit}, and {both}{unit} with the figure's own error"
    )


def _line(gap: PublishedGap) -> tuple[str, str, str]:
    return gap.row.model, gap.row.text or f"{gap.row.value:g}", number(gap.gap, _decimals(gap), "+")


def _decimals(gap: PublishedGap) -> int:
    return 2 if gap.detectable is None else decimals_for([gap.detectable], [abs(gap.gap)])
