"""Customary tests of ratings, most of them invalid here, with their false-positive rates, for comparison.

They treat ratings by one listener, or of one prompt, as if they were independent, and so find differences where there
are none. Each takes many surveys at once and gives one p-value a survey.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import numpy.typing as npt

from bench.stats.crossed import crossed_p
from bench.stats.survey_model import FIVE_POINT, OpinionVariances, Scale, simulate_ratings

Array = npt.NDArray[np.float64]

# Sign patterns double with every listener; 2¹² of them are still instant.
_EXACT_UP_TO = 12


def wilcoxon_pratt(differences: Array) -> Array:
    """Compute Wilcoxon's signed-rank test with Pratt's zeros and mean ranks of ties, two-sided p of each row.

    Zeros are ranked with the rest and then left out. z = Σ sign(d)·rank / √Σ rank², the sums over d ≠ 0, without a
    continuity correction. Equals R's ``coin::wilcoxsign_test``.

    Args:
        differences: shape (surveys, n), finite.

    Returns:
        Shape (surveys,); 1 where all differences are 0.

    Source: Pratt, "Remarks on zeros and ties in the Wilcoxon signed rank procedures", JASA 54 (1959).
    """
    from scipy.special import ndtr

    signed = _signed_ranks(differences)
    spread = np.sqrt((signed**2).sum(axis=1))
    with np.errstate(invalid="ignore"):
        z = np.where(spread > 0, signed.sum(axis=1) / spread, 0.0)
    p: Array = 2 * ndtr(-np.abs(z))
    return p


def wilcoxon_exact(differences: Array) -> Array:
    """Compute `wilcoxon_pratt` against all 2ⁿ ways to sign the ranks; by the normal distribution above n = 12.

    With n = 5 the smallest p is 2/2⁵ = .0625: such a test cannot reach .05.

    Args:
        differences: shape (surveys, n), finite.

    Returns:
        Shape (surveys,); 1 where all differences are 0.
    """
    n = differences.shape[1]
    if n > _EXACT_UP_TO:
        return wilcoxon_pratt(differences)
    signed = _signed_ranks(differences)
    signs = np.array(list(product((-1.0, 1.0), repeat=n)))
    as_far = np.abs(np.abs(signed) @ signs.T) >= np.abs(signed.sum(axis=1, keepdims=True)) - 1e-9
    p: Array = as_far.mean(axis=1)
    return p


def paired_t(differences: Array) -> Array:
    """Compute Student's t-test of the mean, two-sided p of each row.

    Args:
        differences: shape (surveys, n), finite, n ≥ 2.

    Returns:
        Shape (surveys,); 1 where all differences are 0, 0 where all are equal otherwise.

    Source: Student, "The probable error of a mean", Biometrika 6 (1908).
    """
    n = differences.shape[1]
    return _p_of_t(differences.mean(axis=1), differences.std(axis=1, ddof=1) / n**0.5, n - 1)


def intercepts_only(a: Array, b: Array) -> Array:
    """Test by the mixed model ``rating ~ model + (1|listener) + (1|prompt)``: without random slopes.

    With both models rated in every cell the estimate is the mean difference, and its variance 2 s²/cells, with s² the
    residual mean square once model, listeners and prompts are taken out by least squares: what REML finds wherever
    listeners and prompts differ more than the residual makes them.

    Args:
        a, b: shape (surveys, listeners, prompts), NaN in the same places in both and in every survey.

    Returns:
        Two-sided p, shape (surveys,).

    Source: Barr et al., Journal of Memory and Language 68 (2013): without random slopes the test is anticonservative.
    """
    present = ~np.isnan(a[0])
    listeners, prompts = np.nonzero(present)
    cells = len(listeners)
    layout = np.hstack([np.eye(len(present))[listeners], np.eye(present.shape[1])[prompts]])
    basis, singular, _ = np.linalg.svd(layout, full_matrices=False)
    basis = basis[:, singular > 1e-9 * singular[0]]
    difference, total = (b - a)[:, present] / 2**0.5, (b + a)[:, present] / 2**0.5
    left = difference.var(axis=1) * cells + (total**2).sum(axis=1) - ((total @ basis) ** 2).sum(axis=1)
    df = 2 * cells - 1 - basis.shape[1]
    return _p_of_t((b - a)[:, present].mean(axis=1), np.sqrt(np.maximum(2 * left / (df * cells), 0.0)), df)


def customary_p(a: npt.ArrayLike, b: npt.ArrayLike) -> dict[str, float]:
    """Return the p-value of each customary test for one survey, by the test's name.

    Args:
        a, b: ratings of the two models, shape (listeners, prompts), NaN where missing; cells that rate only one of the
            two models are left out.

    Raises:
        ValueError: fewer than two listeners or prompts with differences.
    """
    first, second = (np.asarray(ratings, dtype=np.float64) for ratings in (a, b))
    paired = ~np.isnan(second - first)
    first, second = (np.where(paired, x, np.nan)[paired.any(axis=1)][:, paired.any(axis=0)] for x in (first, second))
    if min(first.shape) < 2:
        raise ValueError(f"a comparison of tests needs at least 2 listeners and 2 prompts, got shape {first.shape}")
    return {name: float(test(first[None], second[None])[0]) for name, test in CUSTOMARY.items()}


def false_positive_rates(
    present: npt.ArrayLike,
    variances: OpinionVariances,
    scale: Scale = FIVE_POINT,
    runs: int = 2000,
    seed: int = 0,
    level: float = 0.05,
    centre: float = 0.0,
) -> dict[str, float]:
    """Simulate how often each customary test claims a difference between equally good models in such a survey.

    Simulated with the survey's own listeners, prompts and missing cells; "crossed t" is among them if none is missing.

    Args:
        present: shape (listeners, prompts), whether both models were rated; every row and column at least once.
        variances: of the latent opinion; what they are decides how wrong the tests are.
        scale: of the ratings.
        runs: simulated surveys, ≥ 1; the standard error of a rate r is √(r(1 − r)/runs).
        seed: of ``numpy.random.default_rng``.
        level: nominal two-sided level.
        centre: mean opinion, in steps of a five-point scale from its middle.

    Returns:
        By the test's name, the share of surveys with a p below ``level``.

    Raises:
        ValueError: fewer than two listeners or prompts, one without a value, or a scale without steps.
    """
    mask = np.asarray(present, dtype=bool)
    if mask.ndim != 2 or min(mask.shape) < 2 or not (mask.any(axis=0).all() and mask.any(axis=1).all()):
        raise ValueError(f"at least 2 listeners and 2 prompts are needed, each with a value, got shape {mask.shape}")
    tests = dict(CUSTOMARY)
    if mask.all():
        tests["crossed t"] = lambda a, b: crossed_p(b - a)
    listeners, prompts = mask.shape
    rng = np.random.default_rng(seed)
    found = dict.fromkeys(tests, 0)
    block = max(1, 1_000_000 // mask.size)
    for start in range(0, runs, block):
        size = min(block, runs - start)
        ratings = simulate_ratings(rng, size, listeners, prompts, 0.0, variances, scale, centre)
        a, b = np.where(mask, ratings, np.nan)
        for name, test in tests.items():
            found[name] += int((test(a, b) < level).sum())
    return {name: count / runs for name, count in found.items()}


def _signed_ranks(differences: Array) -> Array:
    from scipy.stats import rankdata

    ranks: Array = np.sign(differences) * rankdata(np.abs(differences), axis=1)
    return ranks


def _p_of_t(estimate: Array, se: Array, df: int) -> Array:
    from scipy.special import stdtr

    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(estimate == 0, 0.0, estimate / se)
    p: Array = 2 * stdtr(df, -np.abs(t))
    return p


def _cells(a: Array, b: Array) -> Array:
    return (b - a)[:, ~np.isnan(a[0])]


def _listener_means(a: Array, b: Array) -> Array:
    means: Array = np.nanmean(b - a, axis=2)
    return means


def _prompt_means(a: Array, b: Array) -> Array:
    means: Array = np.nanmean(b - a, axis=1)
    return means


CUSTOMARY: dict[str, Callable[[Array, Array], Array]] = {
    "Wilcoxon over all ratings": lambda a, b: wilcoxon_pratt(_cells(a, b)),
    "paired t over all ratings": lambda a, b: paired_t(_cells(a, b)),
    "t on listener means": lambda a, b: paired_t(_listener_means(a, b)),
    "Wilcoxon on listener means": lambda a, b: wilcoxon_exact(_listener_means(a, b)),
    "t on prompt means": lambda a, b: paired_t(_prompt_means(a, b)),
    "mixed model, intercepts only": intercepts_only,
}
