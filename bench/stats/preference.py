"""Preferences between pairs: a test for two models, and Bradley–Terry abilities for any number of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.stats.bootstrap import RESAMPLES, SEED, crossed_bootstrap
from bench.stats.crossed import CrossedTest, crossed_t_test
from bench.stats.davidson import fit_half_wins, strongly_connected

Array = npt.NDArray[np.float64]

_HALF_WINS = "a model won or lost all its comparisons with some others: half a win each way was added to every pair"


@dataclass(frozen=True, eq=False)
class Abilities:
    """Abilities of models in log-odds, with mean 0: i is preferred to j with odds exp(abilitiesᵢ − abilitiesⱼ).

    Attributes:
        abilities: shape (models,), finite.
        note: that half wins had to be added, or "".
    """

    abilities: Array
    note: str

    @property
    def differences(self) -> Array:
        """Shape (models, models), entry [a, b] is b − a."""
        return _differences(self.abilities)


@dataclass(frozen=True, eq=False)
class AbilityIntervals(Abilities):
    """Abilities with their intervals for other listeners and prompts.

    Attributes:
        low, high: shape (models,), NaN where there are none.
        difference_low, difference_high: shape (models, models), of b − a at [a, b].
        reason: why some or all intervals are missing, or "".
    """

    low: Array
    high: Array
    difference_low: Array
    difference_high: Array
    reason: str


def preference_test(signs: npt.ArrayLike, confidence: float = 0.95) -> CrossedTest:
    """Test whether one of two models is preferred: the crossed t-test on signs.

    The share that prefers B, ties counted half, is (1 + estimate)/2; so is each end of its interval.

    Args:
        signs: shape (listeners, prompts): 1 where B is preferred, −1 where A is, 0 for a tie, between them for the mean
            of repeated answers; NaN where missing.
        confidence: coverage of the interval, in (0, 1).

    Raises:
        ValueError: a value outside [−1, 1], or as `bench.stats.crossed.crossed_t_test`.
    """
    s = np.asarray(signs, dtype=np.float64)
    if (np.abs(s) > 1).any():
        raise ValueError("preferences are −1 for A, 1 for B, 0 for none; take the sign of a difference of ratings")
    return crossed_t_test(s, confidence)


def wins_of(signs: npt.ArrayLike) -> Array:
    """Count wins of models in cells, shape (listeners, prompts, models, models); a tie is half a win for both.

    Args:
        signs: shape (models, models, listeners, prompts), entry [a, b] as in `preference_test`, NaN where not asked;
            each pair once, at [a, b] or at [b, a].

    Returns:
        Entry [l, p, i, j] counts the wins of i over j by listener l on prompt p; 0 where they were not compared.

    Raises:
        ValueError: another shape, or a value outside [−1, 1].
    """
    s = np.asarray(signs, dtype=np.float64)
    if s.ndim != 4 or s.shape[0] != s.shape[1] or (np.abs(s) > 1).any():
        raise ValueError(
            f"signs of shape (models, models, listeners, prompts) within −1 and 1 are needed, got {s.shape}"
        )
    won = np.nan_to_num((1 + s) / 2)
    lost = np.nan_to_num((1 - s) / 2)
    return np.ascontiguousarray((won.transpose(1, 0, 2, 3) + lost).transpose(2, 3, 0, 1))


def bradley_terry(wins: npt.ArrayLike) -> Abilities:
    """Estimate abilities by maximum likelihood: P(i preferred to j) = 1/(1 + exp(abilityⱼ − abilityᵢ)).

    Solved by Newton's method. Ties are half a win for both, which makes the abilities those of the expected score, as
    in Elo's ratings; for two models the difference is log(wins/losses). Where a group of models never lost to the
    others, likelihood alone would set them infinitely apart; then half a win each way is added to every pair, which for
    two models is log((wins + ½)/(losses + ½)), and ``note`` says so.

    Args:
        wins: shape (models, models), ≥ 0; entry [i, j] counts wins of i over j, the diagonal is not looked at.

    Raises:
        ValueError: fewer than two models, a count that is negative or no number, or models that are not even indirectly
            compared with each other.

    Source: Bradley and Terry, "Rank analysis of incomplete block designs: I. The method of paired comparisons",
    Biometrika 39 (1952); Ford, "Solution of a ranking problem from binary comparisons", American Mathematical Monthly
    64 (1957), for when abilities are finite; Haldane, "The estimation and significance of the logarithm of a ratio of
    frequencies", Annals of Human Genetics 20 (1956), for the half wins.

    >>> bradley_terry([[0, 30], [10, 0]]).differences[1, 0].round(4)
    1.0986
    """
    w = _checked(wins, 2)
    values, sparse = fit_half_wins(w[None], np.zeros_like(w[None]))
    return Abilities(values[0], _HALF_WINS if sparse[0] else "")


def bradley_terry_bootstrap(
    wins: npt.ArrayLike, resamples: int = RESAMPLES, confidence: float = 0.95, seed: int = SEED
) -> AbilityIntervals:
    """Estimate Bradley–Terry abilities, with intervals that hold for other listeners and other prompts.

    A resample that has a group of models that never lost to the others gets the half wins of `bradley_terry`. Intervals
    are percentiles; `bench.stats.bootstrap.crossed_bootstrap` says how far to trust them.

    Args:
        wins: shape (listeners, prompts, models, models), as `wins_of` returns it.
        resamples, confidence, seed: as in `crossed_bootstrap`.

    Raises:
        ValueError: as `bradley_terry`, or as `crossed_bootstrap` for resamples and confidence.
    """
    w = _checked(wins, 4)
    listeners, prompts, models = w.shape[:3]
    whole = bradley_terry(w.sum(axis=(0, 1)))
    if min(listeners, prompts) < 2:
        none, nothing = np.full(models, np.nan), np.full((models, models), np.nan)
        reason = f"one {'listener' if listeners < 2 else 'prompt'}, an interval needs 2"
        return AbilityIntervals(whole.abilities, whole.note, none, none, nothing, nothing, reason)
    flat = w.reshape(listeners, -1)

    def statistic(of_listeners: Array, of_prompts: Array) -> Array:
        by_prompt = (of_listeners @ flat).reshape(-1, prompts, models * models)
        total = np.einsum("rp,rpc->rc", of_prompts, by_prompt).reshape(-1, models, models)
        values, _ = fit_half_wins(total, np.zeros_like(total))
        return np.concatenate([values[:, None, :], _differences(values)], axis=1)

    found = crossed_bootstrap(statistic, listeners, prompts, resamples, confidence, seed)
    # Of a model and itself the difference is 0 in every resample, and rightly so.
    still = (found.low == found.high) & ~np.concatenate([np.zeros((1, models), bool), np.eye(models, dtype=bool)])
    low, high = np.where(still, np.nan, found.low), np.where(still, np.nan, found.high)
    reason = "no interval: the same in every resample" if still.any() else ""
    return AbilityIntervals(whole.abilities, whole.note, low[0], high[0], low[1:], high[1:], reason)


def _differences(values: Array) -> Array:
    return np.asarray(values[..., None, :] - values[..., :, None])


def _checked(wins: npt.ArrayLike, dimensions: int) -> Array:
    w = np.array(wins, dtype=np.float64)
    if w.ndim != dimensions or w.shape[-1] != w.shape[-2] or w.shape[-1] < 2 or not w.size:
        raise ValueError(f"wins must be counted for each pair of at least two models, got shape {w.shape}")
    if not np.isfinite(w).all() or (w < 0).any():
        raise ValueError("wins must be counts: finite, and 0 if two models were not compared")
    w[..., np.eye(w.shape[-1], dtype=bool)] = 0
    played = w.reshape(-1, *w.shape[-2:]).sum(axis=0)
    if not strongly_connected((played + played.T)[None])[0]:
        raise ValueError("some models were compared with others neither directly nor through a third: no common scale")
    return w
