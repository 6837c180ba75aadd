"""Data of the leaderboard page: formatted numbers, and positions of intervals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bench.comparison.result import LEVEL
from bench.leaderboard.grid import ceiling, chance
from bench.leaderboard.ranks import RankRange, ranked_pairs
from bench.number_format import counted, number
from bench.report.context import ReportContext
from bench.report.number_format import decimals_for_intervals, places, spread
from bench.report.own_music import is_own_music
from bench.scores.aggregate import Cell, Column, none_in_words
from bench.stats.multiplicity import holm
from bench.stats.permutation import smallest_p

ALL = "all"
WIDEST = 6  # metrics with intervals that fit side by side on a page of 1,440 pixels
DIRECTIONS = {"higher": "higher is better", "lower": "lower is better", "none": "not ranked"}


@dataclass(frozen=True)
class Box:
    """One model on one metric: its text, and the position of its interval in percent of the box's width."""

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
    """The prompts of a leaderboard. ``rows`` are boxes by model, then metric; ``limits`` chance and ceiling.

    ``name`` is the part of its file's name.
    """

    name: str
    grouping: str
    label: str
    rows: tuple[tuple[Box, ...], ...]
    limits: tuple[tuple[str, ...], ...]
    chance: tuple[float | None, ...]

    def record(self) -> dict[str, Any]:
        """Return the data that a script needs to show this group."""
        return {
            "rows": [
                [[b.value, b.low, b.high, b.text, b.spread, b.count, b.note, *b.at] for b in row] for row in self.rows
            ],
            "limits": self.limits,
            "chance": self.chance,
        }


_ROOM = 34  # characters of names that fit into a cell


def groups(content: ReportContext) -> list[PromptGroup]:
    """Return all prompts first, then each genre and each level, in the order of the suite."""
    genres = list(dict.fromkeys(prompt.genre for prompt in content.prompts if prompt.genre is not None))
    levels = [str(n) for n in sorted({prompt.level for prompt in content.prompts if prompt.level is not None})]
    named = [(ALL, ALL), *(("genre", genre) for genre in genres), *(("level", level) for level in levels)]
    found: dict[tuple[str, str], dict[tuple[str, str], Cell]] = {key: {} for key in named}
    for cell in content.cells:
        own = (cell.model, cell.column.ref)
        # A genre may have the name "1" like a level; its cells come first.
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
    """Split column positions into bands narrow enough for a page, with about equally many in each.

    >>> [len(band) for band in bands([Column(str(n), "", "none") for n in range(13)])]
    [5, 4, 4]
    """
    tables = max(1, math.ceil(len(columns) / WIDEST))
    size, longer = divmod(len(columns), tables)
    ends = [size * n + min(n, longer) for n in range(tables + 1)]
    return [list(range(start, end)) for start, end in pairwise(ends)]


def unrankable(content: ReportContext) -> frozenset[str]:
    """Return the metrics on which so few prompts can show no difference, whatever the values."""
    cells, comparisons = content.cells, content.comparisons
    found = set()
    for ref, pairs in ranked_pairs(cells, comparisons)[1].items():
        tested = [pair for pair in pairs if pair.p is not None]
        least = holm([smallest_p(pair.n) for pair in tested])
        few = ["W-FEW" in [warning.code for warning in pair.warnings] for pair in tested]
        if tested and all(one or p >= LEVEL for one, p in zip(few, least, strict=True)):
            found.add(ref)
    return frozenset(found)


def legend(content: ReportContext, board: PromptGroup) -> list[tuple[str, str]]:
    """Return explanations of a table's signs: each sign and the rest of a sentence, with an example."""
    found, hopeless = [], unrankable(content)
    ranks = [(rank, model, ref) for (model, ref), rank in content.ranks.items() if ref not in hopeless]
    spreads = [box.spread for row in board.rows for box in row]
    if any(spread.startswith("±") for spread in spreads):
        found.append(("±", "is half the width of a 95 % interval that is symmetric about its value."))
    if any(spread.startswith("[") for spread in spreads):
        found.append(("[low, high]", "are the ends of a 95 % interval that is not symmetric about its value."))
    if any(spreads):
        found.append(
            ("A bar", "draws that interval on a gray line that runs from the lowest to the highest end in its column.")
        )
    if ranks:
        rank, model, ref = next((one for one in ranks if one[0].best != one[0].worst), ranks[0])
        place = "any place" if rank.best != rank.worst else "the place"
        found.append(
            (
                f"rank {rank.text}",
                f"means, for example of {model} on {ref}, {place} consistent with the tests. Two models "
                "differ if p, paired by prompt and corrected over all pairs of models on that metric, is below .05, "
                "the interval of their difference excludes 0, and a second test, of the mean alone, agrees. The "
                "sentences above are corrected over the metrics of a pair instead and may disagree: cite them for a "
                "pair, and ranks for all models.",
            )
        )
    if tied := next((rank for rank, _, _ in ranks if rank.tied), None):
        found.append((told(tied), "names or counts the models that do not differ from this one on that metric."))
    if hopeless:
        found.append(("not ranked: too few prompts", "means that no values could be significant."))
    if leading(content):
        found.append(
            (
                "A bold number in color",
                "is of a model that is shown to be better than another, while none is shown to beat it.",
            )
        )
    if count := next((box.count for row in board.rows for box in row if box.count), ""):
        found.append((count, "counts the planned clips that have a value."))
    if any(c.column.of_sets and (c.estimate.low or 0) < 0 for c in content.cells if c.group == ALL):
        found.append(
            (
                "A distance below 0",
                "and an interval that reaches there are chance: an estimate without bias falls to both sides of the "
                "true distance.",
            )
        )
    return found


def leading(content: ReportContext) -> frozenset[tuple[str, str]]:
    """Return (model, metric) for models shown to be better than some model, and worse than none."""
    ranked = Counter(ref for _, ref in content.ranks)
    return frozenset(
        (model, ref)
        for (model, ref), rank in content.ranks.items()
        if rank.best == 1 and len(rank.tied) + len(rank.untested) + 1 < ranked[ref]
    )


def told(rank: RankRange) -> str:
    """Return the models that do not differ significantly from this one: by name if they fit."""
    names = " and ".join(rank.tied)
    shown = names if len(rank.tied) <= 2 and len(names) <= _ROOM else counted(len(rank.tied), "other")
    return f"no clear difference from {shown}"


def _decimals(content: ReportContext, column: Column) -> int:
    estimates = [cell.estimate for cell in content.cells if cell.column.ref == column.ref and cell.group == ALL]
    return decimals_for_intervals((e.low, e.high) for e in estimates if e.low is not None and e.high is not None)


def _group(
    content: ReportContext,
    name: str,
    grouping: str,
    label: str,
    cells: dict[tuple[str, str], Cell],
    decimals: dict[str, int],
) -> PromptGroup:
    scales = {}
    refs = [column.ref for column in content.columns]
    every = list(cells.values())
    chances, ceilings = ([known.get(ref) for ref in refs] for known in (chance(every), ceiling(every)))
    for column in content.columns:
        own = [cell for (_, ref), cell in cells.items() if ref == column.ref]
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
        for line in (chances, ceilings)
    )
    return PromptGroup(name, grouping, label, rows, limits, tuple(chances))


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
        count="" if whole or (e.value is None and e.reason) else f"{e.n} of {cell.planned}",
        note=none_in_words(e.reason) if e.reason else "the reference is its own music" if is_own_music(cell) else "",
        at=(scale(e.low), scale(e.value), scale(e.high)),
    )
