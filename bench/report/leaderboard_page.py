"""The leaderboard as its page shows it: every number already written, every interval already placed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bench.number_format import number
from bench.report.context import ReportContext
from bench.report.number_format import decimals_for, places, spread
from bench.scores.aggregate import Cell, Column

ALL = "all"
WIDEST = 6  # metrics beside each other that a page of 1,440 pixels shows with their intervals
DIRECTIONS = {"higher": "higher is better", "lower": "lower is better", "none": "not ranked"}


@dataclass(frozen=True)
class Box:
    """One model on one metric: what is written, and where its interval is drawn in percent of the box's width."""

    value: float | None
    low: float | None
    high: float | None
    text: str
    spread: str
    count: str
    note: str
    at: tuple[float | None, float | None, float | None]


@dataclass(frozen=True)
class PromptGroup:
    """The prompts that a leaderboard is of. ``rows`` are boxes by model, then metric; ``limits`` chance and ceiling.

    ``name`` is the part of the file that holds it.
    """

    name: str
    grouping: str
    label: str
    rows: tuple[tuple[Box, ...], ...]
    limits: tuple[tuple[str, ...], ...]
    chance: tuple[float | None, ...]

    def record(self) -> dict[str, Any]:
        """What a script needs to show this group in place of another."""
        return {
            "rows": [
                [[b.value, b.low, b.high, b.text, b.spread, b.count, b.note, *b.at] for b in row] for row in self.rows
            ],
            "limits": self.limits,
            "chance": self.chance,
        }


def groups(content: ReportContext) -> list[PromptGroup]:
    """All prompts first, then each genre and each level, in the order of the suite."""
    genres = list(dict.fromkeys(prompt.genre for prompt in content.prompts if prompt.genre is not None))
    levels = [str(n) for n in sorted({prompt.level for prompt in content.prompts if prompt.level is not None})]
    named = [(ALL, ALL), *(("genre", genre) for genre in genres), *(("level", level) for level in levels)]
    found: dict[tuple[str, str], dict[tuple[str, str], Cell]] = {key: {} for key in named}
    for cell in content.cells:
        own = (cell.model, cell.column.ref)
        # A genre may be called "1" like a level; its cells come first.
        for grouping in (ALL, "genre", "level"):
            cells = found.get((grouping, cell.group))
            if cells is not None and own not in cells:
                cells[own] = cell
                break
    decimals = {column.ref: _decimals(content, column) for column in content.columns}
    return [
        _group(content, str(place), *key, found[key], decimals)
        for place, key in enumerate(named)
        if found[key] or key[0] == ALL
    ]


def bands(columns: Sequence[Column]) -> list[list[int]]:
    """The places of the columns in rows of tables that are wide enough for their numbers, about as many in each.

    >>> [len(band) for band in bands([Column(str(n), "", "none") for n in range(13)])]
    [5, 4, 4]
    """
    tables = max(1, math.ceil(len(columns) / WIDEST))
    size, longer = divmod(len(columns), tables)
    ends = [size * n + min(n, longer) for n in range(tables + 1)]
    return [list(range(start, end)) for start, end in pairwise(ends)]


def legend(content: ReportContext, board: PromptGroup) -> list[tuple[str, str]]:
    """What the signs of a table mean, each with an example that stands in it."""
    found = []
    if ranks := [(rank, model, ref) for (model, ref), rank in content.ranks.items()]:
        rank, model, ref = next((one for one in ranks if one[0].best != one[0].worst), ranks[0])
        found.append(
            (
                f"rank {rank.text}",
                f"({model} on {ref}) the places that the tests leave open: paired by prompt, p < .05 after Holm over "
                "all pairs of models, 0 outside the interval of the difference, and a test of the mean that agrees",
            )
        )
    if tied := next(((model, ref, rank) for (model, ref), rank in content.ranks.items() if rank.tied), None):
        model, ref, rank = tied
        found.append((f"≈{len(rank.tied)}", f"({model} on {ref}) how many other models it cannot be told from"))
    if count := next((box.count for row in board.rows for box in row if box.count), ""):
        found.append((count, "clips with a value, of those planned"))
    return found


def _decimals(content: ReportContext, column: Column) -> int:
    estimates = [cell.estimate for cell in content.cells if cell.column.ref == column.ref and cell.group == ALL]
    return decimals_for((e.low, e.high) for e in estimates if e.low is not None and e.high is not None)


def _group(
    content: ReportContext,
    name: str,
    grouping: str,
    label: str,
    cells: dict[tuple[str, str], Cell],
    decimals: dict[str, int],
) -> PromptGroup:
    scales, chance, ceiling = {}, [], []
    for column in content.columns:
        own = [cell for (_, ref), cell in cells.items() if ref == column.ref]
        chance.append(_mean([cell.chance for cell in own if cell.chance is not None]))
        ceiling.append(_best(column, own))
        ends = [end for cell in own for end in (cell.estimate.value, cell.estimate.low, cell.estimate.high)]
        scales[column.ref] = places(ends)
    rows = tuple(
        tuple(
            _box(cells.get((model.label, c.ref)), scales[c.ref], decimals[c.ref], model.planned)
            for c in content.columns
        )
        for model in content.models
    )
    limits = tuple(
        tuple(number(value, decimals[c.ref]) for value, c in zip(line, content.columns, strict=True))
        for line in (chance, ceiling)
    )
    return PromptGroup(name, grouping, label, rows, limits, tuple(chance))


def _box(cell: Cell | None, scale: Any, decimals: int, planned: int) -> Box:
    if cell is None:
        return Box(None, None, None, "–", "", f"0 of {planned}", "not scored", (None, None, None))
    e = cell.estimate
    whole = e.n == cell.planned
    return Box(
        value=e.value,
        low=e.low,
        high=e.high,
        text=number(e.value, decimals),
        spread="" if e.value is None else spread(e.value, e.low, e.high, decimals),
        count="" if whole else f"{e.n} of {cell.planned}",
        note=e.reason or "",
        at=(scale(e.low), scale(e.value), scale(e.high)),
    )


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None


def _best(column: Column, cells: Sequence[Cell]) -> float | None:
    """What the metric gives on the notes that were really played, for the model whose notes it likes best."""
    known = [cell.known for cell in cells if cell.known is not None]
    if not known or column.direction == "none":
        return None
    return max(known) if column.direction == "higher" else min(known)
