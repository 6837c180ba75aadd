"""Pairwise accuracy counted by hand, its laws, and its coverage where the truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.pairwise_accuracy import Votes, listener_accuracy, pairwise_accuracy


def votes(choice: list[float], listeners: list[int], pairs: list[int], turned: list[float] | None = None) -> Votes:
    who, what = np.array(listeners, dtype=np.intp), np.array(pairs, dtype=np.intp)
    return Votes(np.array(choice, float), who, what, what, np.array(turned or [1.0] * len(choice)))


def test_counted_by_hand() -> None:
    one = votes([1, 1, -1, 1], [0, 0, 1, 1], [0, 1, 2, 3])
    found = pairwise_accuracy(np.array([[0.5, -1, -2, 0], [np.nan] * 4, [1, np.nan, 1, 1]]), one, resamples=50)
    assert found.estimate[[0, 2]].tolist() == [(1 + 0 + 1 + 0.5) / 4, 2 / 3]
    assert math.isnan(found.estimate[1]) and found.reasons[1] and found.votes.tolist() == [4, 0, 3]


@given(st.integers(0, 2**31))
def test_a_metric_and_its_opposite_share_the_votes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 30))
    one = votes(rng.choice([-1.0, 1.0], size).tolist(), rng.integers(0, 4, size).tolist(), list(range(size)))
    d = rng.integers(-2, 3, size).astype(float)
    there, back = pairwise_accuracy(np.array([d, -d]), one, resamples=10).estimate
    assert there + back == pytest.approx(1)


def test_listeners_among_themselves() -> None:
    """Three agree on pair 0 whichever clip came first, two differ on pair 1; pair 2 has one vote and counts nowhere."""
    one = votes([1, -1, 1, 1, -1, 1], [0, 1, 2, 0, 1, 0], [0, 0, 0, 1, 1, 2], [1, -1, 1, 1, 1, 1])
    below, above, count = listener_accuracy(one)
    assert (below, above, count) == (3 / 5, (3 + 2 * 0.5) / 5, 5)
    assert math.isnan(listener_accuracy(votes([1, 1], [0, 1], [0, 1]))[0])


def test_intervals_hold_the_truth_and_a_perfect_metric_reaches_the_listeners() -> None:
    """Listeners choose by truth and noise: P(choice as the truth) is known, and the intervals hold it."""
    held = 0
    for run in range(100):
        rng = np.random.default_rng([7, run])
        listener, prompt = (part.ravel() for part in np.meshgrid(np.arange(12), np.arange(40), indexing="ij"))
        better = rng.choice([-1.0, 1.0], 40)[prompt]
        choice = np.where(rng.random(len(prompt)) < 0.7, better, -better)
        found = pairwise_accuracy(
            better[None, :], Votes(choice, listener, prompt, prompt, np.ones(len(prompt))), resamples=300, seed=run
        )
        held += bool(found.low[0] <= 0.7 <= found.high[0])
    assert held >= 90


@pytest.mark.parametrize("choice", [[], [0.0], [1.0, 0.5]])
def test_what_is_no_vote_is_refused(choice: list[float]) -> None:
    with pytest.raises(ValueError, match="votes need"):
        votes(choice, [0] * len(choice), [0] * len(choice))
