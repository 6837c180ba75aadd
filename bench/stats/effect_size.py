"""Effect sizes, and tests of equivalence within a margin."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.stats.crossed import CrossedTest

Array = npt.NDArray[np.float64]


def probability_of_superiority(differences: npt.ArrayLike) -> float:
    """Return the chance that B is rated above A by the same listener on the same prompt, ties counted half.

    P(d > 0) + P(d = 0)/2 over all cells: in [0, 1], 0.5 for no difference.

    Args:
        differences: any shape, B − A, NaN where missing.

    Raises:
        ValueError: no differences, or an infinite one.

    Source: Grissom and Kim, *Effect Sizes for Research*, 2nd ed. (2012), ch. 6, PS for dependent groups.

    >>> probability_of_superiority([[1, 0], [2, -1]])
    0.625
    """
    d = _known(differences)
    return float((d > 0).mean() + (d == 0).mean() / 2)


def matched_rank_biserial(differences: npt.ArrayLike) -> float:
    """Return the matched-pairs rank-biserial correlation: (R₊ − R₋)/(R₊ + R₋), in [−1, 1].

    R₊ and R₋ add up the ranks of |d| of the differences above and below 0; ties share their mean rank, differences of 0
    are left out before ranking, and if nothing is left the answer is 0: nobody prefers either.

    Args:
        differences: any shape, B − A, NaN where missing.

    Raises:
        ValueError: no differences, or an infinite one.

    Source: Kerby, "The simple difference formula", Comprehensive Psychology 3 (2014).

    >>> matched_rank_biserial([3, 2, -1, 0])
    0.6667
    """
    from scipy.stats import rankdata

    d = _known(differences)
    d = d[d != 0]
    if not len(d):
        return 0.0
    ranks = rankdata(np.abs(d))
    return float((np.sign(d) * ranks).sum() / ranks.sum())


def standardised_difference(differences: npt.ArrayLike, unit: Literal["listener", "prompt", "cell"]) -> float:
    """Return Cohen's d_z: mean difference ÷ standard deviation of the differences (ddof = 1).

    It means nothing without its unit: the same survey gives a larger d_z of listener means than of single cells, since
    averaging takes the residual out of the denominator.

    Args:
        differences: shape (listeners, prompts), B − A, NaN where missing.
        unit: whose differences: each listener's mean, each prompt's mean, or each cell.

    Raises:
        ValueError: fewer than two units, or all units equal, where no d_z exists; or an infinite difference.

    Source: Lakens, "Calculating and reporting effect sizes", Frontiers in Psychology 4 (2013), eq. 6.

    >>> round(standardised_difference([[1, 2], [2, 3], [0, 1]], "listener"), 3)
    1.5
    """
    d = np.asarray(differences, dtype=np.float64)
    _known(d)
    if unit == "cell":
        units = _known(d)
    else:
        axis = {"listener": 1, "prompt": 0}[unit]
        present = ~np.isnan(d)
        counts = present.sum(axis=axis)
        units = np.where(present, d, 0).sum(axis=axis)[counts > 0] / counts[counts > 0]
    if len(units) < 2:
        raise ValueError(f"only one {unit}: a standardized difference needs at least two")
    spread = float(units.std(ddof=1))
    if spread <= 1e-12 * float(np.abs(units).max()):
        raise ValueError(f"all {unit} differences are equal: there is no spread to standardize by")
    return float(units.mean()) / spread


class Equivalence(NamedTuple):
    """Two one-sided tests: ``p`` is small where the difference lies within ±margin.

    ``low`` and ``high`` are the interval that goes with it (90 % at level .05): equivalent if it lies within ±margin.
    """

    margin: float
    p: float
    low: float
    high: float


def equivalence(test: CrossedTest, margin: float, level: float = 0.05) -> Equivalence:
    """Test whether the difference is too small to matter: TOST on the crossed t.

    p is the larger of P(T > (estimate + margin)/se) and P(T < (estimate − margin)/se), T with the crossed test's df.

    Args:
        test: of the differences, by `bench.stats.crossed.crossed_t_test`.
        margin: the smallest difference that matters, > 0, in rating steps; to be stated before the ratings are seen.
        level: of each one-sided test, in (0, 0.5); the interval's confidence is 1 − 2·level.

    Raises:
        ValueError: a margin that is not positive and finite, a level outside (0, 0.5), or a test without an interval.

    Source: Schuirmann, "A comparison of the two one-sided tests procedure and the power approach", Journal of
    Pharmacokinetics and Biopharmaceutics 15 (1987).
    """
    from scipy.special import stdtr, stdtrit

    if not (margin > 0 and np.isfinite(margin)):
        raise ValueError(f"the margin must be above 0, got {margin}")
    if not 0 < level < 0.5:
        raise ValueError(f"the level of a one-sided test must be between 0 and 0.5, got {level}")
    if test.reason:
        raise ValueError(f"{test.reason}: no test of equivalence")
    below = stdtr(test.df, -(test.estimate + margin) / test.se)
    above = stdtr(test.df, (test.estimate - margin) / test.se)
    reach = float(stdtrit(test.df, 1 - level)) * test.se
    return Equivalence(margin, float(max(below, above)), test.estimate - reach, test.estimate + reach)


def _known(differences: npt.ArrayLike) -> Array:
    d = np.asarray(differences, dtype=np.float64)
    known: Array = d[~np.isnan(d)]
    if not len(known) or not np.isfinite(known).all():
        raise ValueError("an effect size needs finite differences, but there are none")
    return known
