"""Inference for answers clustered by listeners and prompts, for new ones of both."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.intp]
ONE_LISTENER = "one listener, an interval needs 2"


class ClusterVariance(NamedTuple):
    """Variance of statistics, with its degrees of freedom.

    Attributes:
        variance, df: of the statistics' shape, NaN where missing; a single NaN each with one listener.
        reason: why some are missing, or "".
    """

    variance: Array
    df: Array
    reason: str


@dataclass(frozen=True)
class ClusteredMean:
    """A mean of answers, its t-interval, and two-sided p against 0; with a reason all but the mean are NaN."""

    estimate: float
    se: float
    df: float
    low: float
    high: float
    t: float
    p: float
    reason: str


def cluster_variance(listeners: Labels, prompts: Labels, jackknife: Callable[[Labels], Array]) -> ClusterVariance:
    """Combine the jackknife variances of listeners, of prompts, and of their cells.

    The variance is that of listeners plus that of prompts less that of the cells, which are in both, and never less
    than either; its degrees of freedom are Satterthwaite's, and no fewer than the smaller number of clusters less 1.
    Where every answer has a prompt of its own, or all have one, it is that of listeners alone, on their number less 1.

    Args:
        listeners, prompts: shape (answers,), whose and on what.
        jackknife: gives the delete-one-group variance of each statistic, for groups numbered from 0 without gaps, shape
            (answers,); NaN where the statistic does not exist without some group.

    Source: Cameron, Gelbach and Miller, "Robust inference with multiway clustering", Journal of Business & Economic
    Statistics 29 (2011); MacKinnon, Nielsen and Webb, "Cluster-robust inference: a guide to empirical practice",
    Journal of Econometrics 232 (2023), for the jackknife with t(G − 1).
    """
    of = [np.unique(part, return_inverse=True)[1].astype(np.intp) for part in (listeners, prompts)]
    people, pieces = (int(part.max()) + 1 for part in of)
    if people < 2:
        return ClusterVariance(np.array(np.nan), np.array(np.nan), ONE_LISTENER)
    of_listeners = jackknife(of[0])
    alone = np.full_like(of_listeners, people - 1.0)
    cells = np.unique(of[0] * pieces + of[1], return_inverse=True)[1].astype(np.intp)
    if pieces in (1, int(cells.max()) + 1):
        return ClusterVariance(of_listeners, alone, _undefined(of_listeners))
    of_prompts = jackknife(of[1])
    both = of_listeners + of_prompts - jackknife(cells)
    floor = np.maximum(of_listeners, of_prompts)
    of_one = np.where(of_listeners >= of_prompts, alone, pieces - 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        satterthwaite = both**2 / (of_listeners**2 / alone + of_prompts**2 / (pieces - 1.0))
    df = np.where(both >= floor, np.maximum(satterthwaite, min(people, pieces) - 1.0), of_one)
    variance = np.where(np.isnan(both), np.nan, np.maximum(both, floor))
    return ClusterVariance(variance, df, _undefined(variance))


def clustered_mean(values: Array, listeners: Labels, prompts: Labels, confidence: float = 0.95) -> ClusteredMean:
    """Return the mean of answers for other listeners and other prompts, for any design.

    For designs in which the crossed test has nothing to cross: arenas, where every vote has its own prompt, and
    thousands of listeners. Where all listeners answer on all prompts, `bench.stats.crossed` is the better tool.

    Args:
        values: shape (answers,), one or more, finite.
        listeners, prompts: shape (answers,), whose and on what.
        confidence: of the interval, in (0, 1).

    Raises:
        ValueError: no values, shapes that differ, one that is not finite, or a confidence outside (0, 1).
    """
    from scipy.special import stdtr, stdtrit

    if not len(values) or not values.shape == listeners.shape == prompts.shape or not np.isfinite(values).all():
        raise ValueError("a mean needs at least one finite value, each with its listener and prompt")
    if not 0 < confidence < 1:
        raise ValueError(f"the confidence must be between 0 and 1, got {confidence}")
    mean = float(values.mean())

    def jackknife(groups: Labels) -> Array:
        number = int(groups.max()) + 1
        sums, sizes = np.bincount(groups, values - mean, number), np.bincount(groups, minlength=number)
        if (sizes == len(values)).any():
            return np.array(np.nan)
        without = -sums / (len(values) - sizes)
        return np.array((number - 1) / number * ((without - without.mean()) ** 2).sum())

    found = cluster_variance(listeners, prompts, jackknife)
    variance, df, reason = float(found.variance), float(found.df), found.reason
    if not reason and variance <= 1e-24:
        reason = "no interval: all answers are alike"
    if reason:
        none = math.nan
        return ClusteredMean(mean, none, none, none, none, none, none, reason)
    se = math.sqrt(variance)
    reach, t = float(stdtrit(df, (1 + confidence) / 2)) * se, mean / se
    return ClusteredMean(mean, se, df, mean - reach, mean + reach, t, 2 * float(stdtr(df, -abs(t))), "")


def effective_number(groups: Labels) -> float:
    """Return Kish's effective number of clusters, (Σn)²/Σn² with n the answers of each.

    So many with as many answers each would tell about as much, where clusters differ.

    Args:
        groups: shape (answers,), the cluster of each answer.

    Source: Kish, *Survey Sampling* (1965).

    >>> effective_number(np.array([0, 0, 1, 1])), effective_number(np.array([0, 0, 0, 1]))
    (2.0, 1.6)
    """
    sizes = np.unique(groups, return_counts=True)[1]
    return float(sizes.sum() ** 2 / (sizes**2).sum())


def _undefined(variance: Array) -> str:
    return "no interval: without some listener or prompt there is nothing to fit" if np.isnan(variance).any() else ""
