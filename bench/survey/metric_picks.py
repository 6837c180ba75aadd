"""The loss in listeners' ratings if a metric had chosen the model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.scores.aggregate import Column
from bench.stats.crossed import crossed_mean
from bench.survey.rated_run import Clip, RatedRun
from bench.survey.ratings import cell_means

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pick:
    """The model that a metric ranks first, compared with the one rated best by listeners.

    Attributes:
        metric, scale: the metric and scale.
        pick: choice of the metric; the first of tied models; None if it does not rank.
        listeners_pick: choice of the listeners.
        loss: mean rating of the listeners' pick minus that of the metric's, in rating steps, ≥ 0 on complete data;
            0 if the picks are the same.
        low, high: its interval for new listeners and prompts; None if missing, or the picks are the same.
        models: number of candidates.
        note: why something is missing, or None.
    """

    metric: str
    scale: str
    pick: str | None
    listeners_pick: str
    loss: float | None
    low: float | None
    high: float | None
    models: int
    note: str | None


def picks(table: pd.DataFrame, run: RatedRun, scale: str, confidence: float) -> Iterator[Pick]:
    """Compare the pick of each metric with the listeners', on one scale.

    Listeners' means are over their means per prompt and model; a metric's are over the rated clips.

    Args:
        table: the ratings on the scale, with a column ``clip``.
        run: the rated run.
        scale: its name.
        confidence: confidence of the intervals.
    """
    models = [name for name in run.models if name in set(table["model"])]
    listeners, prompts = (sorted(set(table[name])) for name in ("listener", "prompt"))
    codes = [
        np.array([names.index(name) for name in table[column]], dtype=np.intp)
        for column, names in (("model", models), ("listener", listeners), ("prompt", prompts))
    ]
    cube = cell_means(codes, table["value"], [len(models), len(listeners), len(prompts)])
    means = [float(np.nanmean(one)) for one in cube]
    best = int(np.argmax(means))
    clips = list(dict.fromkeys(table["clip"]))
    for column in run.columns:
        yield _pick(column, scale, _values(column, run, clips, models), models, cube, best, confidence)


def _values(column: Column, run: RatedRun, clips: list[Clip], models: list[str]) -> list[float]:
    """Return the metric's mean of each model, higher is better; NaN without one."""
    found: dict[str, list[float]] = {model: [] for model in models}
    for clip in clips:
        if not math.isnan(value := run.value(column, clip)):
            found[clip.model].append(value)
    return [math.fsum(values) / len(values) if values else math.nan for values in found.values()]


def _pick(
    column: Column, scale: str, values: list[float], models: list[str], cube: Array, best: int, confidence: float
) -> Pick:
    blank = Pick(column.ref, scale, None, models[best], None, None, None, len(models), None)
    if column.direction == "none":
        return replace(blank, note="the metric is never better or worse")
    if missing := [model for model, value in zip(models, values, strict=True) if math.isnan(value)]:
        return replace(blank, note=f"no value for {', '.join(missing)}")
    place = int(np.argmax(values))
    picked = replace(blank, pick=models[place])
    if place == best:
        return replace(picked, loss=0.0)
    differences = cube[best] - cube[place]
    if np.isnan(differences).all():
        loss = float(np.nanmean(cube[best]) - np.nanmean(cube[place]))
        return replace(picked, loss=loss, note="no listener rated both on the same prompt, so there is no interval")
    try:
        found = crossed_mean(differences, confidence)
    except ValueError as error:  # one listener, one prompt, or too few cells
        return replace(picked, loss=float(np.nanmean(differences)), note=str(error))
    if found.reason:
        return replace(picked, loss=found.estimate, note=found.reason)
    return replace(picked, loss=found.estimate, low=found.low, high=found.high)
