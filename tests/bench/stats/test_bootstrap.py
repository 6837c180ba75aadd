"""The crossed bootstrap against closed forms and simulated listeners."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.stats.bootstrap import Statistic, crossed_bootstrap


def weighted_mean(values: np.ndarray) -> Statistic:
    listeners, prompts = values.shape

    def statistic(of_listeners: np.ndarray, of_prompts: np.ndarray) -> np.ndarray:
        return ((of_listeners @ values) * of_prompts).sum(axis=1) / (listeners * prompts)

    return statistic


def test_resampling_repeats_whole_listeners_and_prompts() -> None:
    """Each row of counts adds up; the statistic of all-ones counts is the estimate; the seed decides."""
    seen = []

    def statistic(of_listeners: np.ndarray, of_prompts: np.ndarray) -> np.ndarray:
        seen.append((of_listeners, of_prompts))
        return of_listeners[:, 0] + of_prompts[:, 0]

    first = crossed_bootstrap(statistic, 4, 7, resamples=50, seed=3)
    assert first.estimate == 2
    assert (seen[1][0].sum(axis=1) == 4).all() and (seen[1][1].sum(axis=1) == 7).all()
    assert first == crossed_bootstrap(statistic, 4, 7, resamples=50, seed=3)
    assert (seen[1][0] != 1).any()
    crossed_bootstrap(statistic, 4, 7, resamples=50, seed=4)
    assert (seen[1][0] != seen[-1][0]).any()


def test_variance_is_owens() -> None:
    """Of pure listener effects it is that of their plain bootstrap mean; of pure noise up to three times too large."""
    rng = np.random.default_rng(8)
    listener = np.repeat(rng.normal(size=(10, 1)), 15, axis=1)
    spread = crossed_bootstrap(weighted_mean(listener), 10, 15, 4000)
    exact = listener[:, 0].std() / math.sqrt(10)
    assert (spread.high - spread.low) / (2 * 1.96) == pytest.approx(exact, rel=0.08)
    noise = rng.normal(size=(60, 60))
    wide = crossed_bootstrap(weighted_mean(noise), 60, 60, 4000)
    assert (wide.high - wide.low) / (2 * 1.96) == pytest.approx(math.sqrt(3) * noise.std() / 60, rel=0.08)


def test_coverage_of_the_bootstrap() -> None:
    """As promised: about nominal under typical variances, too low for few listeners who differ much."""

    def coverage(listeners: int, of_listener: float) -> float:
        rng, held = np.random.default_rng(1), 0
        for number in range(200):
            listener, prompt = rng.normal(size=(listeners, 1)), rng.normal(size=(1, 36))
            values = of_listener * listener + 0.3 * prompt + rng.normal(size=(listeners, 36))
            found = crossed_bootstrap(weighted_mean(values), listeners, 36, 300, seed=number)
            held += bool(found.low <= 0 <= found.high)
        return held / 200

    assert 0.92 <= coverage(20, 0.3) <= 0.99
    assert 0.80 <= coverage(5, 1.0) <= 0.92


def test_undefined_resamples_are_counted() -> None:
    def of_first_listener(of_listeners: np.ndarray, of_prompts: np.ndarray) -> np.ndarray:
        values = of_prompts[:, 0]
        rare = np.where(of_listeners[:, 0] > 0, values, math.nan)
        return np.stack([values, rare], axis=1)

    found = crossed_bootstrap(of_first_listener, 5, 6)
    assert found.undefined[0] == 0 and np.isfinite([found.low[0], found.high[0]]).all()
    assert found.undefined[1] == pytest.approx((4 / 5) ** 5, abs=0.04)
    assert np.isnan([found.low[1], found.high[1]]).all() and found.estimate[1] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((1, 5), "one listener"), ((5, 1), "one prompt"), ((5, 5, 0), "resamples"), ((5, 5, 10, 1.0), "confidence")],
)
def test_impossible_bootstraps_are_refused(arguments: tuple[int, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        crossed_bootstrap(lambda a, b: a[:, 0] + b[:, 0], *arguments)
