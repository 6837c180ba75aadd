"""Comparisons across trainings as a table and sentences, and as records for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence

from bench.comparison.result import LEVEL
from bench.comparison.tables import Style, comparison_decimals, difference_text, footnotes, unit_text
from bench.comparison.trainings import AcrossTrainings
from bench.number_format import counted, first_few, number, p_text
from bench.spreadsheet import csv_text
from bench.text_table import Layout, markdown_table, markdown_text, paragraph, text_table


def render(found: Sequence[AcrossTrainings], style: Style = "table", layout: Layout | None = None) -> str:
    """Return the comparisons of one row with its trainings as text.

    Args:
        found: as `bench.comparison.trainings.compare_trainings` gives them, one or more.
        style: output format.
        layout: layout of the table.
    """
    records = [one.record() for one in found]
    if style == "json":
        return json.dumps(records, indent=2, ensure_ascii=False, allow_nan=False)
    if style == "csv":
        columns = list(records[0])
        rows = [record | {name: "; ".join(record[name]) for name in _LISTS} for record in records]
        return csv_text(columns, ([row[name] for name in columns] for row in rows)).rstrip("\n")
    markdown = style == "markdown"
    first = found[0]
    names = ", ".join(first_few(first.trainings, 6))
    title = f"B − A, where A is {first.a} and B is {counted(len(first.trainings), 'training')}: {names}"
    split = any(one.grouping != "all" for one in found)
    header = [*(["prompts of"] if split else []), "metric", "A", "B", "B − A [95 %]", "p", "between", "n"]
    cells = [_row(one, split) for one in found]
    words = 2 if split else 1
    parts = [
        markdown_text(title) if markdown else paragraph(title, layout),
        markdown_table(header, cells, words) if markdown else text_table(header, cells, words, layout),
    ]
    texts = [
        *_claims(found),
        *_EXPLAINED,
        *footnotes(found),
    ]
    parts += [markdown_text(text) if markdown else paragraph(text, layout) for text in texts]
    return "\n\n".join(parts)


_LISTS = ("trainings", "warnings", "warning_codes")  # of a record, which a cell of a CSV file holds as one text

_EXPLAINED = (
    "Trainings and prompts are treated as random samples (crossed t-test): the interval and p hold for other trainings "
    "with these settings and for other prompts like these. p is not adjusted for the number of metrics.",
    "Between: standard deviation of B − A across trainings, on these prompts.",
)


def _row(one: AcrossTrainings, split: bool) -> list[str]:
    decimals = comparison_decimals(one)
    return [
        *(["all" if one.grouping == "all" else one.group] if split else []),
        f"{one.column.ref}{unit_text(one.column)}",
        number(one.mean_a, decimals),
        number(one.mean_b, decimals),
        difference_text(one.estimate, one.low, one.high, decimals),
        p_text(one.p),
        number(one.between, decimals),
        str(one.prompts),
    ]


def _claims(found: Sequence[AcrossTrainings]) -> list[str]:
    """Return a sentence for each metric with a direction whose p is below .05, overall or in a group of prompts."""
    said = []
    for one in found:
        if one.p is None or one.estimate is None or one.p >= LEVEL or one.column.direction == "none":
            continue
        better = (one.estimate > 0) == (one.column.direction == "higher")
        where = "" if one.grouping == "all" else f" on {one.group}"
        side = "better" if better else "worse"
        said.append(f"{one.column.ref}{where}: the trainings are {side} than {one.a} (p {p_text(one.p)}).")
    return said
