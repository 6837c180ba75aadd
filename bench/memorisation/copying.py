"""Memorization: are clips nearer to a model's training music than to held-out music?

A clip is as similar to a recording as its best-matching window is to any window of it: the cosine of their embeddings.
The most similar recording of either kind is used. The nearest of many is nearer than the nearest of few by
chance, so both are taken among equally many recordings: s, as many as there are of the rarer kind. Of the
other kind, with n recordings, it is the mean over all its subsets of s, exactly: the k-th smallest of n values is the
largest of a random subset with probability C(k−1, s−1) / C(n, s). The difference is then 0 on average for clips that
know nothing of the split, if that was drawn at random, whatever n and s are.

The price: copying of one recording shows in s/n of the subsets only, and is diluted that much in the mean. The most
suspicious clips are therefore looked for among all recordings, by the ratio of the distances to the nearest one trained
on and the nearest one held out, which tells a copy from music that is like everything (Lowe, "Distinctive image
features from scale-invariant keypoints", IJCV 60, 2004, §7.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.contracts.embedder import Vectors
from bench.stats import stratified_t_interval

Array = npt.NDArray[np.float64]

MIN_PROMPTS = 4
"""Minimum number of prompts for an interval."""

RESPLITS = 999
SEED = 0
"""Seed of the random re-splits, the same for all models."""

_ROUNDING = 1e-6  # of a cosine of float32 vectors


def similarities(clips: Sequence[Vectors], recordings: Iterable[Vectors]) -> Array:
    """Compute the similarity of each clip to each recording, in [−1, 1], shape (clips, recordings).

    Args:
        clips, recordings: embeddings, each of shape (windows ≥ 1, dimension); one recording is in memory at a time.
    """
    windows = _unit(np.concatenate(clips))
    starts = np.cumsum([0, *(len(clip) for clip in clips[:-1])])
    columns = [np.maximum.reduceat((windows @ _unit(r).T).max(axis=1), starts) for r in recordings]
    return np.stack(columns, axis=1)


def best_windows(clip: Vectors, recording: Vectors) -> tuple[int, int]:
    """Return the places of the most similar windows of a clip and a recording, each of shape (windows, dimension)."""
    matrix = _unit(clip) @ _unit(recording).T
    row, column = np.unravel_index(matrix.argmax(), matrix.shape)
    return int(row), int(column)


def _unit(vectors: Vectors) -> Array:
    x = np.asarray(vectors, dtype=np.float64)
    norms = np.linalg.norm(x, axis=1, keepdims=True)
    scaled: Array = x / np.where(norms > 0, norms, 1.0)
    return scaled


def largest_odds(n: int, size: int) -> Array:
    """Compute the probability that the k-th smallest of n values is the largest of a random subset, for k = 1 … n,
    shape (n,).

    C(k−1, size−1) / C(n, size), by the ratio of neighbors, which never overflows.

    Raises:
        ValueError: not 1 ≤ size ≤ n.

    >>> largest_odds(3, 2).round(3).tolist()
    [0.0, 0.333, 0.667]
    """
    if not 1 <= size <= n:
        raise ValueError(f"the subset must have 1 to {n} values, got {size}")
    k = np.arange(n, size, -1)
    odds = np.zeros(n)
    odds[size - 1 :] = np.cumprod(np.r_[size / n, (k - size) / (k - 1)])[::-1]
    return odds


def expected_largest(values: npt.ArrayLike, size: int) -> Array:
    """Return the mean of the largest value over all subsets of ``size`` along the last axis, shape (…, n) → (…).

    Raises:
        ValueError: not 1 ≤ size ≤ n.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=-1)
    largest: Array = ordered @ largest_odds(ordered.shape[-1], size)
    return largest


def trained_nearer(trained: npt.ArrayLike, held_out: npt.ArrayLike) -> Array:
    """Return the probability that the most similar of equally many recordings is a training one; ties count half.

    Args:
        trained: similarities, shape (clips, n).
        held_out: shape (clips, m); the larger of both is averaged over all its subsets of min(n, m).

    Returns:
        Shape (clips,), in [0, 1]; ½ on average for clips independent of the split.
    """
    a, b = np.asarray(trained, dtype=np.float64), np.asarray(held_out, dtype=np.float64)
    if a.shape[1] < b.shape[1]:
        return 1 - trained_nearer(b, a)
    best = b.max(axis=1, keepdims=True)
    below = np.r_[0.0, np.cumsum(largest_odds(a.shape[1], b.shape[1]))]  # that the largest is among the k smallest
    nearer: Array = 1 - (below[(a < best).sum(axis=1)] + below[(a <= best).sum(axis=1)]) / 2
    return nearer


class CopyingEstimate(NamedTuple):
    """A mean over prompts with its 95 % interval.

    ``low`` and ``high`` are None if ``reason`` says why. ``p`` is one-sided: the share of random re-splits of the
    recordings, the real one among them, that give a value as high. It covers which recordings happened to be held out;
    the interval takes these as given, and covers which prompts were asked.
    """

    value: float
    low: float | None
    high: float | None
    p: float | None
    prompts: int
    reason: str | None = None


class Suspect(NamedTuple):
    """A clip and its nearest recording among those trained on, both by their place.

    ``ratio`` is the distance (1 − similarity) to it over the distance to the nearest held-out one; near 0 is a copy.
    """

    clip: int
    recording: int
    similarity: float
    held_out: float
    ratio: float


@dataclass(frozen=True, eq=False)
class Audit:
    """One model's clips against recordings of which some were trained on and the others held out.

    Attributes:
        similarities: shape (clips, recordings).
        trained: bool, shape (recordings,); at least one of either kind.
        prompts: int, shape (clips,): the prompt of each clip. Clips of a prompt are averaged before anything else.
        genres: shape (clips,), any labels: the strata that intervals are computed within.
    """

    similarities: Array
    trained: npt.NDArray[np.bool_]
    prompts: npt.NDArray[np.int64]
    genres: Sequence[str]

    @property
    def size(self) -> int:
        """How many recordings of either kind are compared."""
        return int(min(self.trained.sum(), (~self.trained).sum()))

    @cached_property
    def nearest_trained(self) -> Array:
        """Expected similarity of each clip to the nearest of `size` recordings trained on, shape (clips,)."""
        return expected_largest(self.similarities[:, self.trained], self.size)

    @cached_property
    def nearest_held_out(self) -> Array:
        """Expected similarity to the nearest of `size` held-out recordings, shape (clips,)."""
        return expected_largest(self.similarities[:, ~self.trained], self.size)

    def mean(self, values: Array) -> float:
        """Return the mean over prompts of the mean over clips of values, shape (clips,)."""
        return float(values @ self._weights(np.unique(self.prompts)))

    def excess(self) -> CopyingEstimate:
        """Compute the mean over prompts of the excess similarity to the nearest training recording over the nearest
        held-out one."""
        values = self.nearest_trained - self.nearest_held_out
        known = np.unique(self.prompts)
        return _judged(self._means(values, known), self._strata(known), self.resplits @ self._weights(known))

    def probability(self) -> CopyingEstimate:
        """Compute the mean over prompts of `trained_nearer`, without a p of its own."""
        values = trained_nearer(self.similarities[:, self.trained], self.similarities[:, ~self.trained])
        known = np.unique(self.prompts)
        found = _judged(self._means(values, known), self._strata(known), None)
        if found.low is None or found.high is None:
            return found
        return found._replace(low=max(0.0, found.low), high=min(1.0, found.high))

    def excess_over(self, base: Audit) -> CopyingEstimate | None:
        """Return the excess minus another model's on the same recordings, paired by prompt; None if none are shared."""
        shared = np.intersect1d(self.prompts, base.prompts)
        if not len(shared):
            return None
        own = self._means(self.nearest_trained - self.nearest_held_out, shared)
        other = base._means(base.nearest_trained - base.nearest_held_out, shared)
        resplits = self.resplits @ self._weights(shared) - base.resplits @ base._weights(shared)
        return _judged(own - other, self._strata(shared), resplits)

    def suspects(self) -> list[Suspect]:
        """Return every clip with its nearest recording among all that were trained on, the most suspicious first."""
        places = np.flatnonzero(self.trained)
        nearest = places[self.similarities[:, places].argmax(axis=1)]
        here = self.similarities[np.arange(len(nearest)), nearest]
        there = self.similarities[:, ~self.trained].max(axis=1)
        # Treat distances below the rounding error as 0.
        ratios = (1 - here + _ROUNDING) / (1 - there + _ROUNDING)
        return [
            Suspect(int(clip), int(nearest[clip]), float(here[clip]), float(there[clip]), float(ratios[clip]))
            for clip in np.argsort(ratios, kind="stable")
        ]

    @cached_property
    def resplits(self) -> Array:
        """The excess of each clip under random re-splits of the recordings, shape (RESPLITS, clips).

        For clips independent of the split, the real split is one of equally likely ones.
        """
        rng = np.random.default_rng(SEED)
        recordings = len(self.trained)
        # No subset misses all of so many of the nearest, but for one in e¹⁴, a millionth.
        most = min(recordings, -(-14 * recordings // self.size))
        order = np.argsort(-self.similarities, axis=1)[:, :most]
        nearest = np.take_along_axis(self.similarities, order, axis=1)
        counts = int(self.trained.sum()), int((~self.trained).sum())
        odds = [largest_odds(count, self.size)[::-1] for count in counts]
        places = np.arange(most)
        found = np.empty((RESPLITS, len(order)))
        for row in found:
            trained = rng.permutation(self.trained)[order]
            before = np.cumsum(trained, axis=1, dtype=np.int32) - trained  # as near, of the same kind
            signed = np.where(
                trained,
                odds[0][np.minimum(before, counts[0] - 1)],
                -odds[1][np.minimum(places - before, counts[1] - 1)],
            )
            # Each kind's odds add up to 1; what is left of them belongs to recordings that are farther.
            signed[:, -1] -= signed.sum(axis=1)
            row[:] = (nearest * signed).sum(axis=1)
        return found

    def _weights(self, prompts: npt.NDArray[np.int64]) -> Array:
        """Return what each clip counts in the mean over these prompts of the means over their clips, shape (clips,)."""
        inside = np.isin(self.prompts, prompts)
        counts = np.bincount(self.prompts)[self.prompts]
        weights: Array = inside / counts / len(prompts)
        return weights

    def _means(self, values: Array, prompts: npt.NDArray[np.int64]) -> Array:
        return np.array([values[self.prompts == prompt].mean() for prompt in prompts])

    def _strata(self, prompts: npt.NDArray[np.int64]) -> list[str]:
        genres = dict(zip(self.prompts.tolist(), self.genres, strict=True))
        return [genres[prompt] for prompt in prompts.tolist()]


def _judged(means: Array, strata: Sequence[str], resplits: Array | None) -> CopyingEstimate:
    value = float(means.mean())
    p = None
    if resplits is not None:
        as_high = resplits >= value - 1e-12  # an equal split may differ in the last digit
        p = float((1 + np.count_nonzero(as_high)) / (1 + len(resplits)))
    if len(means) < MIN_PROMPTS:
        return CopyingEstimate(
            value, None, None, p, len(means), f"{len(means)} prompts, an interval needs {MIN_PROMPTS}"
        )
    interval = stratified_t_interval(means, strata)
    if not interval.low < interval.high:
        return CopyingEstimate(value, None, None, p, len(means), "the same value for every prompt of a genre")
    return CopyingEstimate(value, interval.low, interval.high, p, len(means))
