"""How a metric responds to a dose: pure functions on values of the same prompts at rising doses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bench.stats import permutation_p, random_swaps

Values = npt.NDArray[np.float64]

PERMUTATIONS = 9_999
ALPHA = 0.05


def rank_correlation(values: Values, tolerance: float = 0.0) -> float | None:
    """Compute Spearman's correlation of values with the dose, within each prompt, averaged over the prompts; in [−1,
    1].

    A prompt whose values are all the same counts as 0: it does not respond.

    Args:
        values: shape (prompts, doses), NaN where undefined; doses rise from left to right, the clean clip first.
        tolerance: values are rounded to its multiples, so that nearly equal ones are ties; 0 for none.

    Returns:
        None where no prompt has three values.

    Source: C. Spearman: The proof and measurement of association between two things. Am. J. Psychol. 15 (1904).
    """
    rounded = np.round(values / tolerance) if tolerance else values
    found = [_rises(row[np.isfinite(row)]) for row in rounded]
    known = [rho for rho in found if rho is not None]
    return float(np.mean(known)) if known else None


def _rises(values: Values) -> float | None:
    """Compute Spearman's correlation of values with their places."""
    from scipy.stats import rankdata

    if len(values) < 3:
        return None
    if np.ptp(values) <= 1e-9 * np.abs(values).max():
        return 0.0
    return float(np.corrcoef(rankdata(values), np.arange(len(values)))[0, 1])


def paired_p(differences: Values, seed: int = 0) -> float | None:
    """Compute the two-sided p of paired differences by random sign flips: they are as likely negative as positive.

    Args:
        differences: shape (prompts,), NaN where undefined.
        seed: of the random signs.

    Returns:
        None below two defined differences.

    Source: R. A. Fisher: The Design of Experiments (1935), §21.
    """
    known = differences[np.isfinite(differences)]
    if len(known) < 2:
        return None
    signs = 1 - 2.0 * random_swaps(len(known), PERMUTATIONS, np.random.default_rng(seed))
    return permutation_p(float(known.mean()), signs @ known / len(known))


def smallest_detected(effects: Sequence[float | None], p: Sequence[float | None], alpha: float = ALPHA) -> int | None:
    """Return the place of the smallest dose that is detected, or None if not even the largest one is.

    Doses are tested from the largest down, until one is not significant or goes the other way; so the probability of
    any false detection is at most ``alpha``, without a correction.

    Args:
        effects: mean change at each dose, small doses first.
        p: its p-value.
        alpha: level of each test.

    Source: W. Maurer, L. A. Hothorn, W. Lehmacher: Multiple comparisons in drug clinical trials and preclinical
    assays: a-priori ordered hypotheses. 1995.
    """
    detected = None
    for place in range(len(effects) - 1, -1, -1):
        effect, probability, largest = effects[place], p[place], effects[-1]
        if effect is None or probability is None or largest is None or probability > alpha or effect * largest <= 0:
            break
        detected = place
    return detected
