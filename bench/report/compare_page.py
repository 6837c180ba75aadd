"""Data files of the compare page, one for each pair of models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from bench.comparison.result import Chance
from bench.report.context import ReportContext

SHOWN = (
    "estimate",
    "low",
    "high",
    "p",
    "p_holm",
    "p_bh",
    "mean_p",
    "n",
    "effect",
    "superiority",
    "detectable",
    "reason",
)


def pairs(content: ReportContext) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield each compared pair: ``0-2`` for the first and the third model, with its records.

    A record over all prompts has the chance of both models, so that the page can swap the two.
    """
    place = {model.label: index for index, model in enumerate(content.models)}
    column = {column.ref: index for index, column in enumerate(content.columns)}
    found: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for c in content.comparisons:
        if c.column.ref not in column or c.a not in place or c.b not in place:
            continue
        record = {name: _short(getattr(c, name)) for name in SHOWN}
        record |= {"metric": column[c.column.ref], "grouping": c.grouping, "group": c.group}
        record["warnings"] = [warning.sentence for warning in c.warnings]
        record["told_apart"] = c.told_apart(c.p_holm if c.grouping == "all" else c.p_bh)
        if c.grouping == "all":
            record["chance"], record["chance_b"] = (
                _chance(content.chances.get((model, c.column.ref))) for model in (c.a, c.b)
            )
        found.setdefault((place[c.a], place[c.b]), []).append(record)
    for (a, b), records in found.items():
        yield f"{a}-{b}", records


def _chance(chance: Chance | None) -> dict[str, Any] | None:
    return {name: _short(value) for name, value in asdict(chance).items()} if chance else None


def _short(value: Any) -> Any:
    """Round to seven digits, more than any value is accurate to."""
    return float(f"{value:.7g}") if isinstance(value, float) else value
