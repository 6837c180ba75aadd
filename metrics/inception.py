"""Inception score: whether a tagger is sure about each clip, and gives different clips different classes.

T. Salimans, I. Goodfellow, W. Zaremba, V. Cheung, A. Radford, X. Chen: Improved Techniques for Training GANs. NeurIPS
2016, §4. exp of the mean over clips of KL(p(class | clip) ‖ p(class)), where p(class) is the mean over clips.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from bench.contracts.metric import Direction
from bench.contracts.set_metric import EmbeddingSet, Reference
from bench.errors import DataError
from metrics.grouped import Array, Chosen, Contributions, Grouped, GroupedMetric, starts_of
from metrics.tagger import check_tagger, class_shares


def inception_score(probabilities: npt.ArrayLike) -> float:
    """Compute the inception score of a set of clips, from 1 (all the same) to the number of classes.

    Args:
        probabilities: of classes for each clip, shape (clips ≥ 1, classes), all ≥ 0, with sum 1 over classes.

    Raises:
        DataError: another shape, or rows that are not distributions.

    >>> inception_score([[0.5, 0.5], [0.5, 0.5]]), inception_score([[1.0, 0.0], [0.0, 1.0]])
    (1.0, 2.0)
    """
    p = np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 2 or not p.size:
        raise DataError(f"probabilities of shape {p.shape}, must be (clips, classes)")
    if not (p >= 0).all() or not np.allclose(p.sum(axis=1), 1):
        raise DataError("a row of probabilities is not a distribution: it must be ≥ 0 and sum to 1")
    return float(_scores(np.ones((1, 1)), np.array([len(p)]), _entropies(p).sum(keepdims=True), p.sum(axis=0)[None])[0])


def _entropies(p: Array) -> Array:
    """Compute Σ p · ln p over the last axis, where 0 · ln 0 is 0."""
    from scipy.special import xlogy

    sums: Array = xlogy(p, p).sum(axis=-1)
    return sums


def _scores(chosen: Array, clips: Array, entropies: Array, sums: Array) -> Array:
    """Compute the scores of choices of units, shape (choices, units), from each unit's clips, Σ p · ln p and Σ p."""
    counts = chosen @ clips
    means = chosen @ sums / counts[:, np.newaxis]
    # Rounding may take the mutual information a little below 0.
    scores: Array = np.exp(np.maximum(chosen @ entropies / counts - _entropies(means), 0.0))
    return scores


@dataclass(frozen=True, eq=False)
class _Classes(Contributions):
    """What each unit adds to a score.

    Attributes:
        clips: of each unit, shape (units,).
        entropies: Σ p · ln p over its clips and the classes, shape (units,).
        sums: of p over its clips, shape (units, classes).
    """

    clips: Array
    entropies: Array
    sums: Array

    def values(self, chosen: Chosen) -> Array:
        return _scores(chosen.astype(np.float64), self.clips, self.entropies, self.sums)


class InceptionScore(GroupedMetric):
    """How sure a tagger is about each clip, and how much its classes vary among clips: from 1 to the number of classes.

    Each clip gives one distribution over classes: the softmax of the mean of its logits, or with musicnn the mean
    probability of its tags scaled to sum 1. The score is of all clips together, not the mean of ten parts as in some
    tables.

    Args:
        embedder: the tagger: musicnn, or an embedder whose vectors are the logits of classes, such as ``pann-tags``.
        embedder_params: its parameters, such as ``front_end``.

    Raises:
        UsageError: the embedder is no tagger.
    """

    version = 1
    direction: ClassVar[Direction] = "higher"
    needs_reference: ClassVar[bool] = False
    cannot_tell = (
        "whether clips sound like any music, or fit their prompts: it grows with the number of clips and with any kind "
        "of variety; values of two taggers are not comparable"
    )

    def __init__(self, embedder: str = "musicnn-msd", embedder_params: Mapping[str, Any] | None = None) -> None:
        super().__init__(embedder, embedder_params)
        check_tagger(self.embedders[0], "is")

    def considered(self, evaluated: EmbeddingSet, reference: Reference | None) -> EmbeddingSet:
        """Return one distribution for each clip in place of its windows."""
        del reference
        if not evaluated.windows:
            return evaluated
        order = np.argsort(evaluated.recordings, kind="stable")
        starts = starts_of(evaluated.recordings[order])
        windows = np.split(evaluated.vectors[order], starts[1:])
        return replace(
            evaluated,
            vectors=np.array([class_shares(self.embedders[0], own) for own in windows], dtype=np.float32),
            recordings=evaluated.recordings[order][starts],
            groups=evaluated.groups[order][starts],
        )

    def contributions(self, windows: Grouped, reference: Reference | None) -> Contributions:
        del reference
        shares = windows.vectors.astype(np.float64)
        starts = windows.starts
        return _Classes(
            windows.counts.astype(np.float64),
            np.add.reduceat(_entropies(shares), starts),
            np.add.reduceat(shares, starts, axis=0),
        )
