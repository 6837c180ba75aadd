"""What stands in the cells of a leaderboard for people to read: numbers with their doubt, and ranks with theirs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from bench.ranks import LEVEL, RankRange
from bench.summary import Cell, Column

ARROWS = {"higher": "↑", "lower": "↓", "none": ""}
CHANCE = "chance"
CEILING = "ceiling (true notes)"
TIED = "="

Grid = tuple[list[str], list[list[str]]]


def grid(cells: Sequence[Cell], by: str | None = None) -> Grid:
    """Header and rows as text: models in planned order within each group, then chance and ceiling."""
    columns = columns_of(cells)
    counts = {ref: count for ref in columns if (count := _shared_count(cells, ref))}
    header = [*([by] if by else []), "model", *(_heading(column, counts.get(ref)) for ref, column in columns.items())]
    rows = []
    for group, here in shown_groups(cells).items():
        first = [group] if by else []
        for model in dict.fromkeys(cell.model for cell in here):
            own = {cell.column.ref: cell for cell in here if cell.model == model}
            rows.append([*first, model, *(_written(own[ref], ref not in counts) for ref in columns)])
        for label, values in ((CHANCE, chance(here)), (CEILING, ceiling(here))):
            if values:
                rows.append([*first, label, *(number(values[ref]) if ref in values else "" for ref in columns)])
    return header, rows


def rank_grid(cells: Sequence[Cell], ranks: Mapping[tuple[str, str], RankRange]) -> Grid | None:
    """Header and rows of the ranks over all prompts; None where no two models can be ranked."""
    refs = [ref for ref, column in columns_of(cells).items() if column.direction != "none"]
    models = list(dict.fromkeys(cell.model for cell in cells))
    ranked = {ref: sum((model, ref) in ranks for model in models) for ref in refs}
    if max(ranked.values(), default=0) < 2:
        return None
    rows = []
    for model in models:
        found = {ref: ranks.get((model, ref)) for ref in refs}
        rows.append([model, *(_place(rank, ranked[ref]) for ref, rank in found.items())])
    return ["rank", *refs], rows


def ranks_mean(ranks: Mapping[tuple[str, str], RankRange]) -> str:
    """What the ranks say, and how many prompts it takes for a pair to be told apart at all."""
    models = max(Counter(ref for _, ref in ranks).values(), default=0)
    pairs = models * (models - 1) // 2
    # Of n prompts the smallest p is that of all differences having one sign: 2 in 2ⁿ.
    prompts = math.floor(math.log2(2 * max(pairs, 1) / LEVEL)) + 1
    tests = f"{pairs} pairs of each metric" if pairs > 1 else "one pair of each metric"
    return (
        f"Ranks: the places that the tests leave open, 1 is best (prompts paired, permutation tests, Holm over the "
        f"{tests}, {100 * LEVEL:g} %, which takes {prompts} prompts with values of both); {TIED} cannot be told from "
        "any other row."
    )


def footnotes(cells: Sequence[Cell]) -> list[str]:
    """What the distances are to, which part of the clips they are of, and every warning once."""
    lines = []
    for ref, column in columns_of(cells).items():
        against = f"against the reference '{column.reference}', " if column.reference else ""
        if column.view and (column.of_sets or column.view != "whole clips"):
            lines.append(f"{ref}: {against}of {column.view}")
    warned: dict[str, list[str]] = {}
    for cell in cells:
        for warning in cell.estimate.warnings:
            warned.setdefault(warning, []).append(cell.column.ref)
    return lines + [f"{', '.join(dict.fromkeys(refs))}: {warning}" for warning, refs in warned.items()]


def columns_of(cells: Sequence[Cell]) -> dict[str, Column]:
    """The metrics by name and version, in the order in which they were asked for."""
    return {cell.column.ref: cell.column for cell in cells}


def shown_groups(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """The cells of each group, those over all prompts first where they come first."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.group, []).append(cell)
    return groups


def chance(cells: Sequence[Cell]) -> dict[str, float]:
    """By metric, what music without structure would score."""
    found: dict[str, list[float]] = {}
    for cell in cells:
        if cell.chance is not None:
            found.setdefault(cell.column.ref, []).append(cell.chance)
    return {ref: math.fsum(values) / len(values) for ref, values in found.items()}


def ceiling(cells: Sequence[Cell]) -> dict[str, float]:
    """The best that any model's own notes reach: what is between this and a row is the ear's error or the music's."""
    best: dict[str, float] = {}
    for cell in cells:
        if cell.known is not None and cell.column.direction != "none":
            choose = max if cell.column.direction == "higher" else min
            best[cell.column.ref] = choose(cell.known, best.get(cell.column.ref, cell.known))
    return best


def symmetric(cell: Cell) -> float | None:
    """Half the width of an interval that lies evenly about its value, for ``±``; None for any other."""
    value, low, high = cell.estimate.value, cell.estimate.low, cell.estimate.high
    if value is None or low is None or high is None:
        return None
    return high - value if math.isclose(value - low, high - value, rel_tol=1e-6, abs_tol=1e-9) else None


def number(value: float, decimals: int = 1) -> str:
    """A number with a true minus sign."""
    return f"{value:.{decimals}f}".replace("-", "−")


def _heading(column: Column, count: str | None) -> str:
    unit = " ".join(part for part in (column.unit, ARROWS[column.direction]) if part)
    return column.ref + (f" ({unit})" if unit else "") + (f" {count}" if count else "")


def _shared_count(cells: Sequence[Cell], ref: str) -> str | None:
    """How many clips have a value, where that is the same for every row: the heading says it once for all."""
    counts = [_count(cell) for cell in cells if cell.column.ref == ref]
    return counts[0] if len(counts) > 1 and len(set(counts)) == 1 else None


def _count(cell: Cell) -> str:
    counted = 0 if cell.estimate.value is None else cell.estimate.n
    return "" if counted == cell.planned else f"({counted}/{cell.planned})"


def _written(cell: Cell, counted: bool) -> str:
    estimate, count = cell.estimate, _count(cell) if counted else ""
    if estimate.value is None:
        return f"– {count}".rstrip()
    text = number(estimate.value)
    half = symmetric(cell)
    if half is not None:
        text += f" ± {number(half)}"
    elif estimate.low is not None and estimate.high is not None:
        text += f" [{number(estimate.low)}, {number(estimate.high)}]"
    return f"{text} {count}".rstrip()


def _place(rank: RankRange | None, ranked: int) -> str:
    if rank is None:
        return "–"
    return TIED if len(rank.tied) == ranked - 1 > 0 else rank.text
