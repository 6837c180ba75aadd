"""The leaderboard: a row a model, a column a metric, and how sure each number is."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bench.errors import UsageError
from bench.store import Store
from bench.summary import Cell, Grouping, summarise

if TYPE_CHECKING:
    import pandas as pd

Format = Literal["table", "csv", "json", "markdown", "parquet"]
ARROWS = {"higher": "↑", "lower": "↓", "none": ""}
CHANCE = "chance"
CEILING = "ceiling (true notes)"


def read_cells(folder: Path, by: str | None = None) -> list[Cell]:
    """All cells of a run's leaderboard, whole-suite ones first.

    Raises:
        UsageError: no run in the folder, or ``by`` is neither ``genre`` nor ``level``.
    """
    if by not in (None, "genre", "level"):
        raise UsageError(f"cannot group by '{by}': use genre or level")
    grouping: Grouping | None = by  # type: ignore[assignment]
    with Store.read(folder) as store:
        cells = summarise(store, grouping)
    return sorted(cells, key=lambda cell: (cell.group != "all", cell.group))


def records(cells: list[Cell]) -> list[dict[str, Any]]:
    """One flat record a cell.

    ``low`` and ``high`` are the 95 % interval or None; ``n`` counts the clips with a value, ``planned`` those that
    should have one; ``chance`` is what music without structure would score, ``known`` what the metric gives on the
    notes that were really played, where somebody knows them; ``note`` says why a value or an interval is missing.
    ``reference`` and ``view`` are what a distance is to and which part of the clips it is of; ``warnings`` begin with
    a code each.
    """
    return [
        {
            "model": cell.model,
            "metric": cell.column.ref,
            "group": cell.group,
            "value": cell.estimate.value,
            "low": cell.estimate.low,
            "high": cell.estimate.high,
            "n": cell.estimate.n,
            "planned": cell.planned,
            "unit": cell.column.unit,
            "direction": cell.column.direction,
            "chance": cell.chance,
            "known": cell.known,
            "note": cell.estimate.reason,
            "reference": cell.column.reference or None,
            "view": cell.column.view or None,
            "warnings": list(cell.estimate.warnings),
        }
        for cell in cells
    ]


COLUMNS = (
    *("model", "metric", "group", "value", "low", "high", "n", "planned", "unit", "direction", "chance", "known"),
    *("note", "reference", "view", "warnings"),
)


def leaderboard(folder: Path, by: str | None = None) -> pd.DataFrame:
    """The leaderboard as a DataFrame with the columns of `records`.

    Raises:
        UsageError: as `read_cells`.
    """
    import pandas as pd

    found = records(read_cells(folder, by))
    frame = pd.DataFrame(found, columns=list(COLUMNS))
    # A column of None alone would have no type, and tables of two runs could not be joined.
    numbers = dict.fromkeys(("value", "low", "high", "chance", "known"), "float64")
    frame["warnings"] = ["; ".join(warnings) for warnings in frame["warnings"]]
    words = ("note", "reference", "view", "warnings")
    return frame.fillna(dict.fromkeys(words, "")).astype({**numbers, **dict.fromkeys(words, "str")})


def render(folder: Path, style: Format = "table", by: str | None = None) -> str | bytes:
    """The leaderboard as text, or as bytes for ``parquet``.

    Raises:
        UsageError: as `read_cells`.
    """
    cells = read_cells(folder, by)
    if style == "json":
        return json.dumps(records(cells), indent=2, ensure_ascii=False, allow_nan=False)
    if style == "csv":
        return str(leaderboard(folder, by).to_csv(index=False)).rstrip("\n")
    if style == "parquet":
        buffer = io.BytesIO()
        leaderboard(folder, by).to_parquet(buffer, index=False)
        return buffer.getvalue()
    header, rows = grid(cells, by)
    if style == "markdown":
        lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
        table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
        return "\n\n".join([table, *footnotes(cells)])
    return "\n".join([_text_table(header, rows), *footnotes(cells)])


def footnotes(cells: list[Cell]) -> list[str]:
    """What the distances are to, which part of the clips they are of, and every warning once."""
    columns = {cell.column.ref: cell.column for cell in cells if cell.column.view}
    lines = []
    for ref, column in columns.items():
        against = f"against the reference '{column.reference}', " if column.reference else ""
        if column.of_sets or column.view != "whole clips":
            lines.append(f"{ref}: {against}of {column.view}")
    warned: dict[str, list[str]] = {}
    for cell in cells:
        for warning in cell.estimate.warnings:
            warned.setdefault(warning, []).append(cell.column.ref)
    return lines + [f"{', '.join(dict.fromkeys(refs))}: {warning}" for warning, refs in warned.items()]


def grid(cells: list[Cell], by: str | None = None) -> tuple[list[str], list[list[str]]]:
    """Header and rows as text: models in planned order within each group, then chance and ceiling."""
    columns = list({cell.column.ref: cell.column for cell in cells}.values())
    units = {c.ref: " ".join(part for part in (c.unit, ARROWS[c.direction]) if part) for c in columns}
    header = [
        *([by] if by else []),
        "model",
        *(f"{c.ref} ({units[c.ref]})" if units[c.ref] else c.ref for c in columns),
    ]
    rows = []
    for group in dict.fromkeys(cell.group for cell in cells):
        here = [cell for cell in cells if cell.group == group]
        first = [group] if by else []
        for model in dict.fromkeys(cell.model for cell in here):
            own = {cell.column.ref: cell for cell in here if cell.model == model}
            rows.append([*first, model, *(_written(own[c.ref]) for c in columns)])
        for label, values in ((CHANCE, _chance(here)), (CEILING, _ceiling(here))):
            if values:
                rows.append([*first, label, *(_number(values[c.ref], 1) if c.ref in values else "" for c in columns)])
    return header, rows


def _chance(cells: list[Cell]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for cell in cells:
        if cell.chance is not None:
            found.setdefault(cell.column.ref, []).append(cell.chance)
    return {ref: math.fsum(values) / len(values) for ref, values in found.items()}


def _ceiling(cells: list[Cell]) -> dict[str, float]:
    """The best that any model's own notes reach: what is between this and a row is the ear's error or the music's."""
    best: dict[str, float] = {}
    for cell in cells:
        if cell.known is not None and cell.column.direction != "none":
            choose = max if cell.column.direction == "higher" else min
            best[cell.column.ref] = choose(cell.known, best.get(cell.column.ref, cell.known))
    return best


def _written(cell: Cell) -> str:
    estimate = cell.estimate
    if estimate.value is None:
        return f"– (0/{cell.planned})"
    text = _number(estimate.value, 1)
    if estimate.low is not None and estimate.high is not None:
        below, above = estimate.value - estimate.low, estimate.high - estimate.value
        if math.isclose(below, above, rel_tol=1e-6, abs_tol=1e-9):
            text += f" ± {_number(above, 1)}"
        else:
            text += f" [{_number(estimate.low, 1)}, {_number(estimate.high, 1)}]"
    return text if estimate.n == cell.planned else f"{text} ({estimate.n}/{cell.planned})"


def _number(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}".replace("-", "−")


def _text_table(header: list[str], rows: list[list[str]]) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for position, title in enumerate(header):
        # A name of two words and its unit stand on lines of their own, so that a column is as wide as its numbers.
        heading = title.replace(" (", "\n(", 1).replace("-", "-\n", 1) if position else title
        justify: Literal["left", "right"] = "left" if title in ("model", "genre", "level") else "right"
        table.add_column(Text(heading), justify=justify, no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    buffer = io.StringIO()
    # Wide enough never to cut a number: a narrow terminal wraps lines, a pipe gets them whole.
    Console(file=buffer, width=1000, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in buffer.getvalue().rstrip("\n").split("\n"))
