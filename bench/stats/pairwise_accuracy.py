"""Accuracy of metrics in predicting votes between two clips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.stats.association import MINIMUM_PROMPTS
from bench.stats.bootstrap import RESAMPLES, SEED, crossed_bootstrap

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.intp]

_ROWS = 128  # resamples at a time, so that thousands of votes take some MB


@dataclass(frozen=True, eq=False)
class Votes:
    """Votes between two clips of one prompt, those without a preference left out.

    Attributes:
        choice: shape (votes,), 1 where the second clip was preferred, −1 where the first was.
        listeners, prompts: shape (votes,), numbered from 0.
        pairs: shape (votes,), the number of the pair of clips, the same whichever came first.
        turned: shape (votes,), −1 where the first clip of the vote is the second of the pair, else 1.

    Raises:
        ValueError: no votes, shapes that differ, or a choice that is neither 1 nor −1.
    """

    choice: Array
    listeners: Labels
    prompts: Labels
    pairs: Labels
    turned: Array

    def __post_init__(self) -> None:
        shapes = {part.shape for part in (self.choice, self.listeners, self.prompts, self.pairs, self.turned)}
        if shapes != {(len(self.choice),)} or not len(self.choice) or set(np.unique(np.abs(self.choice))) != {1.0}:
            raise ValueError("votes need at least one choice, 1 or −1, each with its listener, prompt and pair")


@dataclass(frozen=True, eq=False)
class PairwiseAccuracy:
    """Share of votes, in [0, 1], for the clip that a metric scores higher; equal scores count half.

    Attributes:
        estimate, low, high: shape (metrics,), NaN where there is none.
        votes: shape (metrics,), those of which both clips have a score.
        reasons: for each metric why there is no estimate or no interval, "" where there are both.
    """

    estimate: Array
    low: Array
    high: Array
    votes: Labels
    reasons: tuple[str, ...]


def pairwise_accuracy(
    differences: Array, votes: Votes, resamples: int = RESAMPLES, confidence: float = 0.95, seed: int = SEED
) -> PairwiseAccuracy:
    """Compute how often metrics prefer what listeners preferred; .5 is chance.

    Args:
        differences: score of the second clip less that of the first, higher is better, shape (metrics, votes), NaN
            where one has none.
        votes: the votes.
        resamples, confidence, seed: as in `bench.stats.bootstrap.crossed_bootstrap`.

    Raises:
        ValueError: shapes that differ, no resamples, or a confidence outside (0, 1).

    Source: Lambert et al., "RewardBench: evaluating reward models for language modeling" (2024), for the measure.
    """
    if differences.shape[1:] != votes.choice.shape:
        raise ValueError(f"differences {differences.shape} need a column for each of {len(votes.choice)} votes")
    known = ~np.isnan(differences)
    hits = np.where(known, (1 + np.sign(np.where(known, differences, 0.0)) * votes.choice) / 2, 0.0)
    size = int(votes.listeners.max()) + 1, int(votes.prompts.max()) + 1

    def statistic(listeners: Array, prompts: Array) -> Array:
        shares = []
        for rows in range(0, len(listeners), _ROWS):
            part = slice(rows, rows + _ROWS)
            weight = listeners[part][:, votes.listeners] * prompts[part][:, votes.prompts]
            with np.errstate(invalid="ignore"):
                shares.append((weight @ hits.T) / (weight @ known.T.astype(np.float64)))
        return np.concatenate(shares)

    one = statistic(np.ones((1, size[0])), np.ones((1, size[1])))[0]
    low, high, reasons = np.full_like(one, np.nan), np.full_like(one, np.nan), []
    drawn = crossed_bootstrap(statistic, *size, resamples, confidence, seed) if min(size) >= 2 else None
    for metric, row in enumerate(known):
        reason = ""
        of_prompts = len(np.unique(votes.prompts[row]))
        if not row.any():
            reason = "no vote is between two clips that have a score"
        elif len(np.unique(votes.listeners[row])) < 2:
            reason = "one listener, an interval needs 2"
        elif of_prompts < MINIMUM_PROMPTS:
            reason = f"{of_prompts} prompts, an interval needs {MINIMUM_PROMPTS}"
        elif drawn is None or not drawn.high[metric] > drawn.low[metric]:
            reason = "no interval: the same in every resample"
        else:
            low[metric], high[metric] = drawn.low[metric], drawn.high[metric]
        reasons.append(reason)
    return PairwiseAccuracy(one, low, high, known.sum(axis=1), tuple(reasons))


def listener_accuracy(votes: Votes) -> tuple[float, float, int]:
    """Return how often a listener votes as the others do: the ceiling of a metric, from below and from above.

    Below: the majority of the *other* listeners' votes on the same pair of clips; above: the majority of all, the vote
    itself included. Ties count half. Of votes on pairs that two listeners or more voted on.

    Returns:
        The share from below and from above, in [0, 1], NaN without such a pair; and how many votes they are of.

    Source: the two sides after Nili et al., PLoS Computational Biology 10 (2014).
    """
    toward = votes.choice * votes.turned
    count, total = np.bincount(votes.pairs), np.bincount(votes.pairs, toward)
    shared = count[votes.pairs] > 1
    if not shared.any():
        return float("nan"), float("nan"), 0
    all_of, own = total[votes.pairs][shared], toward[shared]
    below, above = ((1 + np.sign(majority) * own) / 2 for majority in (all_of - own, all_of))
    return float(below.mean()), float(above.mean()), int(shared.sum())
