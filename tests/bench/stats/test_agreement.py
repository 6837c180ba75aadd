"""Agreement against published values, definitions, other implementations and the laws it obeys."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench.stats.agreement import icc, kendall_w, krippendorff_alpha

_: Any = math.nan
# Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C: 4 observers, 12 units, missing data.
KRIPPENDORFF = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
        [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
    ]
)
# Shrout and Fleiss (1979), table 2: 6 targets, 4 judges; coefficients of table 4.
SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float
)
# Anxiety of 20 people by 3 raters: the example of kendall() in the R package irr, which gives Wt = 0.54 with
# Chisq(19) = 30.8, p = 0.0429.
ANXIETY = np.array(
    [
        [3, 3, 3, 4, 5, 5, 2, 3, 5, 2, 2, 6, 1, 5, 2, 2, 1, 2, 4, 3],
        [3, 6, 4, 6, 2, 4, 2, 4, 3, 3, 2, 3, 3, 3, 2, 2, 1, 3, 3, 4],
        [2, 1, 4, 4, 3, 2, 1, 6, 1, 1, 1, 2, 3, 3, 1, 1, 3, 3, 2, 2],
    ],
    dtype=float,
)
# Zar, *Biostatistical Analysis*, 5th ed. (2010), example 20.5: wing, tail and bill of 12 birds, in mm.
BIRDS = np.array(
    [
        [10.4, 10.8, 11.1, 10.2, 10.3, 10.2, 10.7, 10.5, 10.8, 11.2, 10.6, 11.4],
        [7.4, 7.6, 7.9, 7.2, 7.4, 7.1, 7.4, 7.2, 7.8, 7.7, 7.8, 8.3],
        [17.0, 17.0, 20.0, 14.5, 15.5, 13.0, 19.5, 16.0, 21.0, 20.0, 18.0, 22.0],
    ]
)
LEVELS = ("nominal", "ordinal", "interval", "ratio")
KINDS = ("1,1", "2,1", "3,1", "1,k", "2,k", "3,k")


def ratings(missing: bool, most: int = 5) -> st.SearchStrategy[np.ndarray]:
    values = st.sampled_from([1.0, 2.0, 3.0, 4.0, 5.0, *([math.nan] if missing else [])])
    return arrays(np.float64, st.tuples(st.integers(2, most), st.integers(2, 8)), elements=values)


@pytest.mark.parametrize(("level", "value"), zip(LEVELS, (0.743, 0.815, 0.849, 0.797), strict=True))
def test_published_alpha(level: str, value: float) -> None:
    assert krippendorff_alpha(KRIPPENDORFF, level) == pytest.approx(value, abs=5e-4)


def test_ordinal_is_the_default_level() -> None:
    assert krippendorff_alpha(KRIPPENDORFF) == krippendorff_alpha(KRIPPENDORFF, "ordinal")


@pytest.mark.parametrize(("kind", "value"), zip(KINDS, (0.17, 0.29, 0.71, 0.44, 0.62, 0.91), strict=True))
def test_published_icc(kind: str, value: float) -> None:
    assert icc(SHROUT_FLEISS, kind) == pytest.approx(value, abs=5e-3)


def test_published_w_with_ties() -> None:
    w = kendall_w(ANXIETY)
    assert w == pytest.approx(0.54, abs=5e-4)
    assert 3 * 19 * w == pytest.approx(30.8, abs=0.05)
    assert scipy.stats.chi2.sf(3 * 19 * w, 19) == pytest.approx(0.0429, abs=1e-4)


def test_w_of_the_birds_by_hand() -> None:
    """Rank sums 14.5, 21, … 36: Σ R² = 5738.5, S = 5738.5 − 234²/12; groups of ties 2 2, 3 2 2, 2 2: Σ(t³ − t) = 60."""
    assert kendall_w(BIRDS) == pytest.approx(12 * (5738.5 - 234**2 / 12) / (9 * (12**3 - 12) - 3 * 60))


def pairwise_alpha(x: np.ndarray, level: str) -> float:
    """The definition without a coincidence matrix: mean δ² of pairs within units over that of all pairs of ratings."""
    units = [column[~np.isnan(column)] for column in x.T]
    units = [unit for unit in units if len(unit) > 1]
    pool = np.concatenate(units)

    def squared(a: float, b: float) -> float:
        if level == "nominal":
            return float(a != b)
        if level == "interval":
            return float((a - b) ** 2)
        if level == "ratio":
            return float(((a - b) / (a + b)) ** 2)
        between = np.count_nonzero((pool >= min(a, b)) & (pool <= max(a, b)))
        return float(a != b) * float(between - (np.count_nonzero(pool == a) + np.count_nonzero(pool == b)) / 2) ** 2

    observed = sum(sum(squared(a, b) for a, b in permutations(unit, 2)) / (len(unit) - 1) for unit in units)
    expected = sum(squared(a, b) for a, b in permutations(pool, 2)) / (len(pool) - 1)
    return 1 - observed / expected


@settings(max_examples=50)
@given(ratings(missing=True, most=4), st.sampled_from(LEVELS))
def test_alpha_is_its_pairwise_definition(x: np.ndarray, level: str) -> None:
    enough = x[:, (~np.isnan(x)).sum(axis=0) > 1]
    assume(len(np.unique(enough[~np.isnan(enough)])) > 1)
    assert krippendorff_alpha(x, level) == pytest.approx(pairwise_alpha(x, level), abs=1e-9)


@given(ratings(missing=True), st.sampled_from(LEVELS), st.integers(0, 2**32 - 1))
def test_laws_of_alpha(x: np.ndarray, level: str, seed: int) -> None:
    try:
        value = krippendorff_alpha(x, level)
    except ValueError:
        return
    rng = np.random.default_rng(seed)
    assert value <= 1 + 1e-12
    assert krippendorff_alpha(rng.permutation(rng.permutation(x).T).T, level) == pytest.approx(value, abs=1e-9)
    recoded = {"nominal": (x * 7) % 11, "ordinal": np.exp(x), "interval": 3 * x - 40, "ratio": 2.5 * x}[level]
    assert krippendorff_alpha(recoded, level) == pytest.approx(value, abs=1e-9)


@given(ratings(missing=False), st.sampled_from(KINDS), st.integers(0, 2**32 - 1))
def test_laws_of_icc(x: np.ndarray, kind: str, seed: int) -> None:
    try:
        value = icc(x, kind)
    except ValueError:
        return
    rng = np.random.default_rng(seed)
    assert value <= 1 + 1e-9
    # Near 0 the denominator makes rounding large.
    tolerance = 1e-6 * max(1, value**2)
    assert icc(rng.permutation(rng.permutation(x).T).T, kind) == pytest.approx(value, abs=tolerance)
    assert icc(4 * x + 9, kind) == pytest.approx(value, abs=tolerance)
    if kind[0] == "3":
        assert icc(x + rng.normal(size=x.shape[1]), kind) == pytest.approx(value, abs=tolerance)


@settings(max_examples=50)
@given(ratings(missing=False))
def test_mean_of_k_is_spearman_brown_of_one(x: np.ndarray) -> None:
    k = x.shape[1]
    for family in "123":
        try:
            one, mean = icc(x, f"{family},1"), icc(x, f"{family},k")
        except ValueError:
            continue
        assert mean * (1 + (k - 1) * one) == pytest.approx(k * one, abs=1e-6 * max(1, abs(mean)))


@settings(max_examples=50)
@given(ratings(missing=False), st.integers(0, 2**32 - 1))
def test_w_is_friedmans_statistic_rescaled(x: np.ndarray, seed: int) -> None:
    m, n = x.shape
    assume((np.ptp(x, axis=1) > 0).any())
    value = kendall_w(x)
    assert -1e-12 <= value <= 1 + 1e-12
    if n >= 3:
        assert value == pytest.approx(scipy.stats.friedmanchisquare(*x.T).statistic / (m * (n - 1)), abs=1e-9)
    rng = np.random.default_rng(seed)
    assert kendall_w(np.exp(rng.permutation(rng.permutation(x).T).T)) == pytest.approx(value, abs=1e-9)


def test_perfect_agreement_is_one() -> None:
    same = np.tile([1.0, 4.0, 2.0, 2.0, 5.0], (3, 1))
    assert [krippendorff_alpha(same, level) for level in LEVELS] == pytest.approx([1] * 4)
    assert [icc(same.T, kind) for kind in KINDS] == pytest.approx([1] * 6)
    assert kendall_w(same) == pytest.approx(1)


def test_random_ratings_do_not_agree() -> None:
    x = np.random.default_rng(3).integers(1, 6, (10, 2000)).astype(float)
    assert [krippendorff_alpha(x, level) for level in LEVELS] == pytest.approx([0] * 4, abs=0.01)
    assert icc(x.T, "2,1") == pytest.approx(0, abs=0.01)
    assert kendall_w(x) == pytest.approx(1 / 10, abs=0.01)


@pytest.mark.parametrize("statistic", [krippendorff_alpha, icc, kendall_w])
@pytest.mark.parametrize(
    ("x", "said"),
    [
        (np.full((4, 5), 3.0), "equal|same rating"),
        (np.full((4, 5), _), "missing"),
        ([1.0, 2.0], "shape"),
        ([[]], "shape"),
        ([[1.0, math.inf], [1.0, 2.0]], "infinite"),
    ],
)
def test_what_has_no_agreement_says_why(statistic: object, x: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        statistic(x)  # type: ignore[operator]


def test_one_rater_and_one_unit_say_so() -> None:
    one_rater, one_unit = np.array([[1.0, 2.0, 3.0]]), np.array([[1.0], [2.0], [3.0]])
    for statistic, x in ((krippendorff_alpha, one_rater), (kendall_w, one_rater), (icc, one_rater.T)):
        with pytest.raises(ValueError, match="got 1"):
            statistic(x)
    with pytest.raises(ValueError, match="one unit"):
        kendall_w(one_unit)
    with pytest.raises(ValueError, match="one target"):
        icc(one_unit.T)
    assert krippendorff_alpha(one_unit) == pytest.approx(0)  # all there is to expect is what is seen


def test_other_refusals_say_what_to_do() -> None:
    with pytest.raises(ValueError, match="two raters"):
        krippendorff_alpha([[1, _], [_, 2]])
    with pytest.raises(ValueError, match=r"\b1 of 6\b.*Krippendorff"):
        icc([[1, 2], [3, _], [2, 2]])
    with pytest.raises(ValueError, match=r"\b1 of 6\b.*Krippendorff"):
        kendall_w([[1, 2, _], [3, 1, 2]])
    with pytest.raises(ValueError, match="below 0"):
        krippendorff_alpha([[-1, 2], [1, 2]], "ratio")
    with pytest.raises(ValueError) as caught:
        krippendorff_alpha(KRIPPENDORFF, "cardinal")
    assert all(word in str(caught.value) for word in ("nominal, ordinal, interval, ratio", "'cardinal'"))
    with pytest.raises(ValueError, match="2,k"):
        icc(SHROUT_FLEISS, "2,4")
    with pytest.raises(ValueError, match=r"ICC\(3,k\)"):
        icc([[1, 2], [2, 1]], "3,k")


def test_zero_counts_on_a_ratio_scale() -> None:
    assert krippendorff_alpha([[0, 0, 2, 4], [0, 1, 2, 4]], "ratio") < 1


@pytest.mark.parametrize("level", LEVELS)
def test_alpha_against_the_package_krippendorff(level: str) -> None:
    other = pytest.importorskip("krippendorff")
    rng = np.random.default_rng(5)
    for _round in range(20):
        x = rng.integers(1, 6, (6, 40)).astype(float)
        x[rng.random(x.shape) < 0.3] = math.nan
        assert krippendorff_alpha(x, level) == pytest.approx(other.alpha(x, level_of_measurement=level), abs=1e-9)


def test_icc_against_the_package_pingouin() -> None:
    pingouin, pd = pytest.importorskip("pingouin"), pytest.importorskip("pandas")
    x = np.random.default_rng(6).normal(size=(12, 5)) + np.arange(12)[:, None] / 4
    long = pd.DataFrame(x).reset_index().melt("index", var_name="rater", value_name="rating")
    theirs = pingouin.intraclass_corr(long, targets="index", raters="rater", ratings="rating")["ICC"].to_numpy()
    assert [icc(x, kind) for kind in KINDS] == pytest.approx(theirs, abs=1e-8)
