"""Text of the cells of a leaderboard: numbers with their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bench.contracts.clip_view import View, view_text
from bench.contracts.notice import Notice, joined
from bench.number_format import NONE, decimals_for, first_few, half_width, number
from bench.scores.aggregate import Cell, Column

ARROWS = {"higher": "↑", "lower": "↓", "none": ""}
CHANCE = "chance"
CEILING = "ceiling"

_MOST_ROWS = 6
"""Maximum number of rows named in a footnote."""

Grid = tuple[list[str], list[list[str]]]


def grid(cells: Sequence[Cell], by: str | None = None) -> Grid:
    """Return header and rows as text: models in planned order within each group, then chance and ceiling.

    Args:
        cells: of the leaderboard.
        by: heading of a first column with the group of each row, ``genre`` or ``level``; None for none.
    """
    columns, decimals = columns_of(cells), decimals_of(cells)
    counts = {ref: count for ref in columns if (count := _shared_count(cells, ref))}
    header = [*([by] if by else []), "model", *(_heading(column, counts.get(ref)) for ref, column in columns.items())]
    rows = []
    for group, here in shown_groups(cells).items():
        first = [group] if by else []
        for model in dict.fromkeys(cell.model for cell in here):
            own = {cell.column.ref: cell for cell in here if cell.model == model}
            rows.append([*first, model, *(_written(own[ref], ref not in counts, decimals[ref]) for ref in columns)])
        for label, values in ((CHANCE, chance(here)), (CEILING, ceiling(here))):
            if values:
                rows.append([*first, label, *(_limit(values, ref, decimals) for ref in columns)])
    return header, rows


def legend(cells: Sequence[Cell]) -> list[str]:
    """Return explanations of the signs and the last rows that the table has."""
    said = []
    if any(cell.estimate.low is not None for cell in cells):
        said.append("± or [low, high]: the 95 % interval of the mean over prompts.")
    counts = [count for cell in cells if (count := _count(cell)) and cell.estimate.value is not None]
    if counts:
        some, planned = counts[0].strip("()").split("/")
        said.append(f"{counts[0]}: {some} of {planned} clips have a value.")
    if chance(cells):
        said.append(f"{CHANCE.capitalize()}: the score of music without structure.")
    if ceiling(cells):
        said.append(f"{CEILING.capitalize()}: the best that any model's true notes reach.")
    return [" ".join(said)] if said else []


def footnotes(cells: Sequence[Cell], by: str | None = None) -> list[str]:
    """Return the notes: reasons for missing numbers, references of distances, and each warning once.

    Args:
        cells: of the leaderboard.
        by: what the cells are grouped by, ``genre`` or ``level``, if anything.
    """
    lines = _missing(cells, by)
    for ref, column in columns_of(cells).items():
        against = f"against the reference '{column.reference}', " if column.reference else ""
        if column.view and (column.of_sets or column.reference or View.of_key(column.view) != View()):
            lines.append(f"{ref}: {against}of {view_text(column.view)}")
    warned: dict[Notice, list[str]] = {}
    for cell in cells:
        for warning in cell.estimate.warnings:
            warned.setdefault(warning, []).append(cell.column.ref)
    lines += [f"{_named(refs, columns_of(cells))}: {warning.sentence}" for warning, refs in joined(warned).items()]
    return lines


def _named(refs: Sequence[str], columns: Mapping[str, Column]) -> str:
    """Return the names of metrics for a footnote."""
    named = dict.fromkeys(refs)
    return "all metrics" if len(named) == len(columns) > 2 else ", ".join(named)


def _missing(cells: Sequence[Cell], by: str | None) -> list[str]:
    """Return a line for each reason of missing numbers or intervals, with its rows and metrics."""
    columns = columns_of(cells)
    reasons: dict[tuple[str, str], dict[tuple[str, str], list[str]]] = {}
    for cell in cells:
        lacks = NONE if cell.estimate.value is None else "no interval:" if cell.estimate.low is None else ""
        if lacks:
            why = cell.estimate.reason or "the metric gives no reason"
            reasons.setdefault((lacks, why), {}).setdefault((cell.group, cell.model), []).append(cell.column.ref)
    lines = []
    for (lacks, why), found in reasons.items():
        alike: dict[tuple[str, ...], list[tuple[str, str]]] = {}
        for row, metrics in found.items():
            alike.setdefault(tuple(metrics), []).append(row)
        for refs, rows in alike.items():
            lines.append(f"{lacks} {_row_names(rows, cells, by)} in {_named(refs, columns)}: {why}")
    return lines


def _row_names(rows: Sequence[tuple[str, str]], cells: Sequence[Cell], by: str | None) -> str:
    """Return names of rows, with their group if any; a whole group is named once."""
    groups: dict[str, list[str]] = {}
    for group, model in rows:
        groups.setdefault(group, []).append(model)
    whole = {group: len({cell.model for cell in here}) for group, here in shown_groups(cells).items()}
    names = []
    for group, models in groups.items():
        place = "all" if group == "all" else f"{by or 'group'} {group}"
        if len(models) == whole[group] > 1:
            names.append("all rows" if group == "all" else place)
        else:
            names += models if group == "all" else [f"{model} ({place})" for model in models]
    return ", ".join(first_few(names, _MOST_ROWS))


def columns_of(cells: Sequence[Cell]) -> dict[str, Column]:
    """Return the metrics by name and version, in the requested order."""
    return {cell.column.ref: cell.column for cell in cells}


def decimals_of(cells: Sequence[Cell]) -> dict[str, int]:
    """Return, by metric, the decimals that the intervals of its column justify."""
    found = {}
    for ref in columns_of(cells):
        estimates = [cell.estimate for cell in cells if cell.column.ref == ref]
        widths = [(e.high - e.low) / 2 for e in estimates if e.low is not None and e.high is not None]
        found[ref] = decimals_for(widths, [e.value for e in estimates if e.value is not None])
    return found


def shown_groups(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """Return the cells of each group, in their order."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.group, []).append(cell)
    return groups


def chance(cells: Sequence[Cell]) -> dict[str, float]:
    """Return, by metric, the score of music without structure."""
    found: dict[str, list[float]] = {}
    for cell in cells:
        if cell.chance is not None:
            found.setdefault(cell.column.ref, []).append(cell.chance)
    return {ref: math.fsum(values) / len(values) for ref, values in found.items()}


def ceiling(cells: Sequence[Cell]) -> dict[str, float]:
    """Return the best score on the true notes of any model; the gap to a row is due to transcription or the music."""
    best: dict[str, float] = {}
    for cell in cells:
        if cell.known is not None and cell.column.direction != "none":
            choose = max if cell.column.direction == "higher" else min
            best[cell.column.ref] = choose(cell.known, best.get(cell.column.ref, cell.known))
    return best


def symmetric(cell: Cell) -> float | None:
    """Return half the width of an interval that is symmetric about its value, for ``±``; None for any other."""
    value, low, high = cell.estimate.value, cell.estimate.low, cell.estimate.high
    if value is None or low is None or high is None:
        return None
    return half_width(value, low, high)


def _heading(column: Column, count: str | None) -> str:
    unit = " ".join(part for part in (column.unit, ARROWS[column.direction]) if part)
    # No-break spaces, so that a unit stays on its own line.
    return " ".join([column.ref, *([f"({unit})".replace(" ", "\xa0")] if unit else []), *([count] if count else [])])


def _shared_count(cells: Sequence[Cell], ref: str) -> str | None:
    """Return how many clips have a value, if it is the same for every row, for the heading."""
    counts = [_count(cell) for cell in cells if cell.column.ref == ref]
    return counts[0] if len(counts) > 1 and len(set(counts)) == 1 else None


def _count(cell: Cell) -> str:
    counted = 0 if cell.estimate.value is None else cell.estimate.n
    return "" if counted == cell.planned else f"({counted}/{cell.planned})"


def _limit(values: Mapping[str, float], ref: str, decimals: Mapping[str, int]) -> str:
    return number(values[ref], decimals[ref]) if ref in values else ""


def _written(cell: Cell, counted: bool, decimals: int) -> str:
    estimate, count = cell.estimate, _count(cell) if counted else ""
    if estimate.value is None:
        return f"{NONE} {count}".rstrip()
    text = number(estimate.value, decimals)
    half = symmetric(cell)
    if half is not None:
        text += f" ± {number(half, decimals)}"
    elif estimate.low is not None and estimate.high is not None:
        text += f" [{number(estimate.low, decimals)}, {number(estimate.high, decimals)}]"
    return f"{text} {count}".rstrip()
