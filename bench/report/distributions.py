"""How prompts spread behind a model's mean: each prompt's value on a clip metric, averaged over its seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from bench.number_format import number
from bench.report.context import ReportContext
from bench.report.number_format import digits
from bench.scores.aggregate import Column

Values = Mapping[tuple[str, str], Sequence[float]]


@dataclass(frozen=True)
class ScoreSpread:
    """One model's prompts on one metric: how many, and their quartiles as text."""

    model: str
    n: int
    lowest: str
    lower: str
    median: str
    upper: str
    highest: str


def prompt_means(content: ReportContext) -> Values:
    """By (metric, model), a value for each prompt that has one, in the order of the suite."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for clip in content.clips:
        for ref, value in clip.scores.items():
            if isinstance(value, int | float):
                found.setdefault((ref, clip.model, clip.prompt), []).append(float(value))
    means: dict[tuple[str, str], list[float]] = {}
    for (ref, model, _), values in found.items():
        means.setdefault((ref, model), []).append(float(f"{fmean(values):.6g}"))
    return means


def spreads(content: ReportContext, column: Column, means: Values) -> list[ScoreSpread]:
    """A line for each model that has values."""
    found = []
    for model in content.models:
        values = means.get((column.ref, model.label))
        if values:
            quartiles = np.quantile(values, (0, 0.25, 0.5, 0.75, 1))
            decimals = digits(float(np.abs(values).max()))
            found.append(ScoreSpread(model.label, len(values), *(number(float(q), decimals) for q in quartiles)))
    return found
