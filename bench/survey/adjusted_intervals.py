"""Intervals of differences that agree with adjusted p: those without 0 are the ones that Holm's procedure rejects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from bench.number_format import p_text
from bench.survey.results import SurveyComparison, SurveyDesign


class AdjustedInterval(NamedTuple):
    """An interval at the confidence of its step in Holm's procedure, in (0, 1)."""

    confidence: float
    low: float
    high: float


def adjusted_intervals(
    design: SurveyDesign, comparisons: Sequence[SurveyComparison], confidence: float
) -> tuple[AdjustedInterval | None, ...]:
    """Compute the interval of each comparison that agrees with its p after Holm; None if there is no test.

    Intervals are clipped to the largest difference that the scale allows.

    Args:
        design: of the survey.
        comparisons: the family over which p was adjusted: all of an analysis.
        confidence: confidence of the family, in (0, 1).
    """
    from scipy.stats import t

    from bench.stats.multiplicity import holm_confidence

    levels = holm_confidence([np.nan if one.p is None else one.p for one in comparisons], 1 - confidence)
    found: list[AdjustedInterval | None] = []
    for one, level in zip(comparisons, map(float, levels), strict=True):
        if one.estimate is None or one.se is None or one.df is None or np.isnan(level):
            found.append(None)
            continue
        reach = float(t.ppf((1 + level) / 2, one.df)) * one.se
        span = largest_difference(design, one.scale)
        found.append(AdjustedInterval(level, max(-span, one.estimate - reach), min(span, one.estimate + reach)))
    return tuple(found)


def largest_difference(design: SurveyDesign, scale: str) -> float:
    """Return the largest possible difference on a scale: of ratings, comparison scores, or shares of votes."""
    low, high = design.ranges.get(scale, (0.0, 1.0))
    return max(-low, high) if design.kind == "preferences" else high - low


def settled(one: SurveyComparison, confidence: float) -> bool:
    """Return whether the comparison is significant: p after Holm is at most 1 − confidence."""
    return one.p_holm is not None and one.p_holm <= 1 - confidence


def level_text(confidence: float) -> str:
    """Return the level of the family's tests as text, such as ``.05``."""
    return p_text(1 - confidence).rstrip("0")


def percent(confidence: float) -> str:
    """Return a confidence as text, such as ``95 %`` or ``99.2 %``."""
    return f"{100 * confidence:.3g}\u00a0%" if confidence < 0.9995 else f"{100 * confidence:.4g}\u00a0%"
