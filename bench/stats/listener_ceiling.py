"""The noise ceiling of listeners: the best rank correlation of any metric with single listeners."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.stats.association import MINIMUM_PROMPTS, RatedClips
from bench.stats.bootstrap import RESAMPLES, SEED, crossed_bootstrap
from bench.stats.rank_correlation import rank_correlations

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ListenerCorrelation:
    """Mean within-prompt τ-b with single listeners: of each metric, and what listeners leave possible.

    Attributes:
        estimate, low, high: shape (metrics,), in [−1, 1]; NaN where it does not exist.
        ceiling_low: mean τ-b of a listener with the mean of the *other* listeners; NaN with one listener.
        ceiling_high: mean τ-b of a listener with the mean of all, that listener included: what no metric can be
            expected to pass by much.
        listeners, prompts: that have two different ratings of clips of one prompt.
        pairs: of clips of one prompt that one listener rated, in all.
    """

    estimate: Array
    low: Array
    high: Array
    ceiling_low: float
    ceiling_high: float
    listeners: int
    prompts: int
    pairs: int


def listener_correlation(
    data: RatedClips, resamples: int = RESAMPLES, confidence: float = 0.95, seed: int = SEED
) -> ListenerCorrelation:
    """Correlate each metric with each listener's own ratings within each prompt, and average over both.

    Kendall's τ-b over the clips of one prompt that one listener rated, Σ n τ / Σ n with n the pairs of clips, over
    listeners and prompts where the ratings and the scores are not all equal. Unlike a correlation with the mean rating,
    it does not grow with the number of listeners, and so it has a ceiling that can be estimated: with the mean of the
    others a listener agrees less than with the truth that all share, with a mean that holds their own rating more. The
    interval resamples listeners and prompts.

    Args:
        data: the clips.
        resamples, confidence, seed: as in `bench.stats.bootstrap.crossed_bootstrap`.

    Raises:
        ValueError: no resamples, or a confidence outside (0, 1).

    Source: Nili et al., "A toolbox for representational similarity analysis", PLoS Computational Biology 10 (2014),
    for the two sides of the ceiling.
    """
    metrics, listeners = len(data.scores), len(data.ratings)
    prompts = int(data.prompts.max()) + 1
    shape = (metrics + 2, listeners, prompts)
    tau, pairs = np.zeros(shape), np.zeros(shape)
    for prompt in range(prompts):
        clips = np.flatnonzero(data.prompts == prompt)
        ratings = data.ratings[:, clips]
        raters = np.flatnonzero((~np.isnan(ratings)).sum(axis=1) >= 2)
        if not len(raters):
            continue
        known = ~np.isnan(ratings[raters])
        scored = known.astype(np.float64) @ (~np.isnan(data.scores[:, clips])).T.astype(np.float64)
        found = rank_correlations(data.scores[:, clips], ratings[raters], known)[..., 0].T
        _fill(tau, pairs, slice(0, metrics), raters, prompt, found, scored.T)
        for place, listener in enumerate(raters):
            means = np.array([_mean_of(np.delete(ratings, listener, axis=0)), _mean_of(ratings)])
            both = (~np.isnan(means) & known[place]).sum(axis=1, dtype=np.float64)
            own = rank_correlations(means, ratings[[listener]], known[[place]])[0, :, 0]
            _fill(tau, pairs, slice(metrics, None), [listener], prompt, own[:, None], both[:, None])
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (tau * pairs).sum(axis=(1, 2)) / pairs.sum(axis=(1, 2))
    low, high = _interval(tau[:metrics], pairs[:metrics], mean[:metrics], resamples, confidence, seed)
    used = pairs[-1] > 0
    return ListenerCorrelation(
        mean[:metrics],
        low,
        high,
        float(mean[-2]),
        float(mean[-1]),
        int(used.any(axis=1).sum()),
        int(used.any(axis=0).sum()),
        int(pairs[-1].sum()),
    )


def _fill(
    tau: Array,
    pairs: Array,
    rows: slice,
    listeners: npt.ArrayLike,
    prompt: int,
    found: Array,
    clips: Array,
) -> None:
    """Put one prompt's correlations into the tables, with the pairs of clips that they are of; none where undefined."""
    defined = ~np.isnan(found)
    places = np.asarray(listeners, dtype=np.intp)
    tau[rows, places, prompt] = np.where(defined, found, 0.0)
    pairs[rows, places, prompt] = np.where(defined, clips * (clips - 1) / 2, 0.0)


def _mean_of(ratings: Array) -> Array:
    """Return mean rating of each clip, NaN where nobody rated it; rounded, since the last bit must not break a tie."""
    known = ~np.isnan(ratings)
    count = known.sum(axis=0)
    total = np.where(known, ratings, 0.0).sum(axis=0)
    return np.asarray(np.round(np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0), 9))


def _interval(
    tau: Array, pairs: Array, estimate: Array, resamples: int, confidence: float, seed: int
) -> tuple[Array, Array]:
    low, high = np.full_like(estimate, np.nan), np.full_like(estimate, np.nan)
    if min(tau.shape[1:]) < 2:
        return low, high
    for metric, (own, weight) in enumerate(zip(tau, pairs, strict=True)):
        if (weight > 0).any(axis=0).sum() < MINIMUM_PROMPTS or (weight > 0).any(axis=1).sum() < 2:
            continue
        weighted = own * weight

        def statistic(listeners: Array, prompts: Array, weighted: Array = weighted, weight: Array = weight) -> Array:
            with np.errstate(invalid="ignore"):
                top, bottom = (((listeners @ part) * prompts).sum(axis=1) for part in (weighted, weight))
                return np.asarray(top / bottom)

        found = crossed_bootstrap(statistic, own.shape[0], own.shape[1], resamples, confidence, seed)
        if found.high > found.low:
            low[metric], high[metric] = found.low, found.high
    return low, high
