"""The paired test against hand counts, scipy and binomial tails, and simulated where no difference is true."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import EmbeddingSet, Reference
from bench.stats.detectable import detectable_difference
from bench.stats.paired import (
    PairedTest,
    paired_test,
    paired_tests,
    sign_flip_p,
    sign_flips,
)
from bench.stats.permutation import EXACT

Array = npt.NDArray[np.float64]
RUNS = 2000
differences = st.lists(st.floats(-100, 100).map(lambda x: round(x, 3)), min_size=1, max_size=30)


class TestSigns:
    @pytest.mark.parametrize("n", [1, 2, 5, EXACT])
    def test_all_signs_are_there_once(self, n: int) -> None:
        signs = sign_flips(n, 9999, np.random.default_rng(0))
        assert signs.shape == (n, 2**n)
        assert len({column.tobytes() for column in np.ascontiguousarray(signs.T)}) == 2**n
        assert set(signs.ravel().tolist()) == {-1, 1}

    def test_random_signs_are_fair_and_do_not_depend_on_how_many_follow(self) -> None:
        many = sign_flips(60, 9999, np.random.default_rng(3))
        assert (sign_flips(20, 9999, np.random.default_rng(3)) == many[:20]).all()
        # Five standard errors of a fair coin, and of the product of two.
        assert np.abs(many.mean(axis=1)).max() < 5 / math.sqrt(9999)
        products = many.astype(float) @ many.T.astype(float) / 9999
        assert np.abs(products[~np.eye(60, dtype=bool)]).max() < 5 / math.sqrt(9999)

    def test_nothing_to_flip_is_refused(self) -> None:
        for n, permutations in ((0, 1), (1, 0)):
            with pytest.raises(ValueError, match=f"{n} and {permutations}"):
                sign_flips(n, permutations, np.random.default_rng(0))


class TestExact:
    @pytest.mark.parametrize(
        ("values", "p"),
        [
            ([1.0], 1.0),
            ([1.0, 2.0], 0.5),
            ([1.0, 2.0, 4.0, 8.0], 2 / 16),
            # |sum| ≥ 6 of ±1 ±2 ±3 ±2: 8, 6 (by the 1) and their mirror images.
            ([-1.0, 2.0, 3.0, 2.0], 4 / 16),
            ([1.0] * 6, 2 / 64),
            ([0.0] * 5, 1.0),
            # The zeros have no sign: as many as without them.
            ([0.0, 3.0, 0.0, 1.0, 2.0], 0.25),
        ],
    )
    def test_by_hand(self, values: list[float], p: float) -> None:
        assert paired_test(values).p == p

    @settings(max_examples=40)
    @given(st.lists(st.integers(-6, 6), min_size=2, max_size=9))
    def test_agrees_with_scipy(self, values: list[int]) -> None:
        from scipy.stats import permutation_test

        d = np.array(values, dtype=float)
        theirs = permutation_test(
            (d, np.zeros_like(d)),
            lambda x, y, axis: (x - y).mean(axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=np.inf,
        )
        assert paired_test(d).p == pytest.approx(min(theirs.pvalue, 1.0))

    @given(st.lists(st.integers(-1, 1), min_size=1, max_size=EXACT))
    def test_of_hits_and_misses_it_is_mcnemars(self, values: list[int]) -> None:
        from scipy.stats import binomtest

        gained, lost = values.count(1), values.count(-1)
        expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
        assert paired_test([100.0 * value for value in values]).p == pytest.approx(expected)

    def test_many_prompts_of_which_few_differ_are_exact_too(self) -> None:
        from scipy.stats import binomtest

        assert paired_test([1.0] * 9 + [-1.0] + [0.0] * 500).p == pytest.approx(binomtest(9, 10).pvalue, rel=1e-12)

    def test_random_signs_come_near_the_exact_p(self) -> None:
        """Ranks 1 to 20 with signs: the signed-rank test, whose exact distribution scipy has."""
        from scipy.stats import wilcoxon

        d = np.arange(1.0, 21)
        d[[2, 4, 7, 8, 10, 14]] *= -1
        exact = wilcoxon(d, method="exact").pvalue
        assert paired_test(d).p == pytest.approx(exact, abs=4 * math.sqrt(exact / 9999))


class TestLaws:
    @settings(max_examples=40)
    @given(differences, st.randoms())
    def test_neither_order_nor_sign_matters(self, values: list[float], random: object) -> None:
        one = paired_test(values)
        shuffled = list(values)
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        other = paired_test(shuffled)
        assert (other.estimate, other.p) == (one.estimate, one.p)
        assert (other.low, other.high) == pytest.approx((one.low, one.high), nan_ok=True)
        mirror = paired_test([-value for value in values])
        assert (mirror.estimate, mirror.p) == (-one.estimate, one.p)
        assert (mirror.low, mirror.high) == pytest.approx((-one.high, -one.low), nan_ok=True)

    @settings(max_examples=40)
    @given(differences, st.sampled_from([1e-6, 3.0, 1e6]))
    def test_p_has_no_unit(self, values: list[float], factor: float) -> None:
        assert paired_test([factor * value for value in values]).p == paired_test(values).p

    @settings(max_examples=40)
    @given(st.lists(differences, min_size=1, max_size=6))
    def test_many_at_once_are_each_by_itself(self, batch: list[list[float]]) -> None:
        together = paired_tests([np.array(values) for values in batch])
        for ours, alone in zip(together, map(paired_test, batch), strict=True):
            assert ours == pytest.approx(alone, nan_ok=True)

    @given(st.integers(1, 40), st.integers(0, 2**32 - 1))
    def test_p_is_no_smaller_than_its_signs_allow(self, n: int, seed: int) -> None:
        p = paired_test(np.random.default_rng(seed).normal(1, 1, n)).p
        assert (2 / 2**n if n <= EXACT else 1e-4) <= p <= 1

    def test_interval_is_students(self) -> None:
        from scipy.stats import ttest_1samp

        d = np.random.default_rng(5).normal(1, 2, 17)
        theirs = ttest_1samp(d, 0).confidence_interval()
        ours = paired_test(d)
        assert (ours.low, ours.high) == pytest.approx(tuple(theirs))
        assert (ours.n, ours.df, ours.se) == (17, 16, pytest.approx(d.std(ddof=1) / math.sqrt(17)))

    def test_little_gives_little(self) -> None:
        alone = paired_test([2.0])
        assert (alone.estimate, alone.p, alone.n) == (2.0, 1.0, 1)
        assert math.isnan(alone.se) and math.isnan(alone.low)
        assert paired_test([0.1 + 0.2, 0.3, 0.3, 0.3])[1:4] == (pytest.approx(0.3), pytest.approx(0.3), 0.125)
        assert paired_test([0.1 + 0.2, 0.3, 0.3]).se == 0
        assert paired_tests([]) == []

    @pytest.mark.parametrize("bad", [[], [[1.0, 2.0]], [math.nan, 1.0], [math.inf]])
    def test_what_is_no_row_of_numbers_is_refused(self, bad: list[float]) -> None:
        with pytest.raises(ValueError, match=r"differences?"):
            paired_test(np.array(bad))


class TestDetectable:
    def test_agrees_with_simulation(self) -> None:
        rng = np.random.default_rng(11)
        true = detectable_difference(2.0 / math.sqrt(12), 11)
        d = rng.normal(true, 2.0, (RUNS, 12))
        assert (np.array([test.p for test in paired_tests(list(d))]) < 0.05).mean() == pytest.approx(0.8, abs=0.025)

    @pytest.mark.parametrize("n", [6, 7, 8, 9])
    def test_of_fewer_than_ten_prompts_sign_flips_find_less(self, n: int) -> None:
        """Why none is given there; 6 have one value of p below .05, that of one sign for all."""
        rng = np.random.default_rng(12)
        true = detectable_difference(1 / math.sqrt(n), n - 1)
        d = rng.normal(true, 1.0, (2 * RUNS, n))
        power = float((sign_flip_p(d) < 0.05).mean())
        assert power < 0.8
        if n == 6:
            from scipy.stats import norm

            assert power == pytest.approx(norm.cdf(true) ** 6, abs=0.025) == pytest.approx(0.63, abs=0.025)

    @pytest.mark.parametrize(
        "bad", [(-1, 5, 0.05, 0.8), (1, 0, 0.05, 0.8), (1, 5, 0.8, 0.05), (math.nan, 5, 0.05, 0.8)]
    )
    def test_impossible_sizes_are_refused(self, bad: tuple[float, float, float, float]) -> None:
        with pytest.raises(ValueError, match=f"se {bad[0]}, df {bad[1]}, level {bad[2]}, power {bad[3]}"):
            detectable_difference(*bad)


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.normal(size=shape)


def _skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Exponential less its mean: most prompts suit a model a little less, a few suit it far better."""
    return rng.exponential(size=shape) - 1


def _unlike(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Normal for A and skewed for B: the differences are not symmetric, which the test assumes under its null."""
    return np.concatenate([_normal(rng, shape)[:, :1], _skewed(rng, shape)[:, 1:]], axis=1)


def _clustered(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Part of it is one for all prompts of a genre; the genres are those of the suite, and their parts cancel out."""
    runs, models, prompts, _ = shape
    genres = rng.normal(0, 0.5, (runs, models, 6, 1, 1))
    genres -= genres.mean(axis=2, keepdims=True)
    parts = np.broadcast_to(genres, (runs, models, 6, prompts // 6, 1)).reshape(shape)
    return rng.normal(size=shape) + parts


def _null(prompts: int, seeds: int, interaction: object, seed: int) -> list[PairedTest]:
    """Tests where neither model is better: prompt effect + model × prompt interaction + noise of each seed."""
    rng = np.random.default_rng(seed)
    prompt = rng.normal(0, 3, (RUNS, 1, prompts, 1))
    own = interaction(rng, (RUNS, 2, prompts, 1))  # type: ignore[operator]
    values = prompt + own + rng.normal(0, 0.7, (RUNS, 2, prompts, seeds))
    means = values.mean(axis=3)
    return paired_tests(list(means[:, 1] - means[:, 0]))


@pytest.mark.parametrize("interaction", [_normal, _skewed, _unlike, _clustered])
@pytest.mark.parametrize("prompts", [6, 12, 36])
def test_false_positives_and_coverage_with_model_by_prompt_interaction(prompts: int, interaction: object) -> None:
    """At .05, where the interaction is larger than the noise of the seeds."""
    tests = _null(prompts, 2, interaction, 1000 + prompts)
    false = np.mean([test.p < 0.05 for test in tests])
    covered = np.mean([test.low <= 0 <= test.high for test in tests])
    assert len(tests) >= 2000
    assert false <= 0.07
    # With 6 prompts the largest level below .05 is 2/64; what the genres add to the spread makes the test careful.
    if prompts >= 12 and interaction is not _clustered:
        assert false >= 0.03
    assert 0.92 <= covered <= 0.97


def test_counting_clips_instead_of_prompts_would_find_too_much() -> None:
    """What the unit is for: the same music, with every clip taken for a prompt of its own."""
    rng = np.random.default_rng(8)
    own = rng.normal(size=(RUNS, 2, 12, 1)) + rng.normal(0, 0.3, (RUNS, 2, 12, 3))
    clips = (own[:, 1] - own[:, 0]).reshape(RUNS, -1)
    assert np.mean(sign_flip_p(clips, 999) < 0.05) > 0.2
    assert np.mean(sign_flip_p((own[:, 1] - own[:, 0]).mean(axis=2)) < 0.05) <= 0.07


def test_false_positives_of_a_set_metric() -> None:
    """The difference of kad between two models whose clips of a prompt come from one distribution."""
    from metrics.kernel import KernelAudioDistance

    rng = np.random.default_rng(21)
    prompts, d, runs = 12, 3, 200
    metric = KernelAudioDistance()

    def music(count: int, effect: Array) -> EmbeddingSet:
        vectors = effect[:, np.newaxis] + 0.6 * rng.normal(size=(count, 1, d)) + 0.6 * rng.normal(size=(count, 2, d))
        numbers = np.repeat(np.arange(count), 2)
        return EmbeddingSet(vectors.reshape(-1, d).astype(np.float32), numbers, numbers, "e")

    own = music(40, rng.normal(size=(40, d)))
    wide = own.vectors.astype(np.float64)
    reference = Reference("r", "e", "r", own.windows, wide.mean(axis=0), np.cov(wide.T), own)
    found = []
    for _ in range(runs):
        effect = rng.normal(size=(prompts, d))
        difference = metric.difference(music(prompts, effect), music(prompts, effect), reference, 0)
        assert difference.p is not None and difference.low is not None and difference.high is not None
        found.append((difference.p < 0.05, difference.low <= 0 <= difference.high))
    false, covered = np.mean(found, axis=0)
    # Three standard errors of 200 runs beside .05 and .95.
    assert false <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)
    assert covered >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / runs)
