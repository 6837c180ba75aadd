"""Distribution of prompts behind a model's mean: each prompt's value on a clip metric, averaged over its seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from bench.number_format import number
from bench.report.context import ReportContext
from bench.report.number_format import digits
from bench.scores.aggregate import Column

Values = Mapping[tuple[str, str], Sequence[float | None]]
OUTLYING = 1.5  # times the distance between the quartiles, beyond them (Tukey 1977)
MOST_OUTLYING = 12  # listed per model and metric


@dataclass(frozen=True)
class ScoreSpread:
    """The number of one model's prompts on one metric, and their quartiles as text."""

    model: str
    n: int
    lowest: str
    lower: str
    median: str
    upper: str
    highest: str


@dataclass(frozen=True)
class OutlyingPrompt:
    """A prompt whose value is far from a model's others. ``place`` counts from 1, in the order of the suite."""

    model: str
    place: int
    id: str
    value: float


def prompt_means(content: ReportContext) -> Values:
    """Return, by (metric, model), a value for each prompt in the order of the suite; None if missing."""
    places = {prompt.id: place for place, prompt in enumerate(content.prompts)}
    found: dict[tuple[str, str], dict[int, list[float]]] = {}
    for clip in content.clips:
        for ref, value in clip.scores.items():
            if isinstance(value, int | float):
                found.setdefault((ref, clip.model), {}).setdefault(places[clip.prompt], []).append(float(value))
    means: dict[tuple[str, str], list[float | None]] = {}
    for key, prompts in found.items():
        means[key] = [None] * len(places)
        for place, values in prompts.items():
            means[key][place] = float(f"{fmean(values):.6g}")
    return means


def spreads(content: ReportContext, column: Column, means: Values) -> list[ScoreSpread]:
    """Return a line for each model that has values."""
    found = []
    for model in content.models:
        values = known(means.get((column.ref, model.label), ()))
        if values:
            quartiles = np.quantile(values, (0, 0.25, 0.5, 0.75, 1))
            decimals = digits(float(np.abs(values).max()))
            found.append(ScoreSpread(model.label, len(values), *(number(float(q), decimals) for q in quartiles)))
    return found


def outlying(content: ReportContext, column: Column, means: Values) -> list[OutlyingPrompt]:
    """Return the prompts beyond the quartiles by over 1.5 interquartile ranges, farthest first for each model.

    Tukey. Exploratory Data Analysis. 1977.
    """
    found = []
    for model in content.models:
        values = means.get((column.ref, model.label), ())
        if not (have := known(values)):
            continue
        low, middle, high = (float(q) for q in np.quantile(have, (0.25, 0.5, 0.75)))
        reach = OUTLYING * (high - low)
        far = [
            OutlyingPrompt(model.label, place + 1, content.prompts[place].id, value)
            for place, value in enumerate(values)
            if value is not None and not low - reach <= value <= high + reach
        ]
        found += sorted(far, key=lambda one: -abs(one.value - middle))[:MOST_OUTLYING]
    return found


def known(values: Sequence[float | None]) -> list[float]:
    """Return the values that are not None."""
    return [value for value in values if value is not None]
