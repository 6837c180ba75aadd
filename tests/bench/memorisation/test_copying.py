"""Memorisation: exact means over subsets, no bias whatever the numbers, and copies that are found."""

from __future__ import annotations

from itertools import combinations, pairwise
from re import findall

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.memorisation.copying import (
    RESPLITS,
    SEED,
    Audit,
    best_windows,
    expected_largest,
    largest_odds,
    similarities,
    trained_nearer,
)

Array = npt.NDArray[np.float64]

values = st.lists(st.floats(-1, 1), min_size=1, max_size=8)


def audit(matrix: Array, trained: int, prompts: list[int] | None = None, genre: str = "all") -> Audit:
    """An audit in which the first recordings were trained on; by default every clip has a prompt of its own."""
    clips, recordings = matrix.shape
    numbers = np.arange(clips) if prompts is None else np.array(prompts)
    return Audit(matrix, np.arange(recordings) < trained, numbers, [genre] * clips)


def unaware(rng: np.random.Generator, clips: int, recordings: int) -> Array:
    """Similarities of clips that know nothing of a split: recordings are alike, but some nearer to all clips."""
    shared = rng.normal(0, 0.1, recordings)
    own = rng.normal(0.5, 0.1, (clips, 1))
    return np.tanh(own + shared + rng.normal(0, 0.1, (clips, recordings)))


def brute_excess(row: Array, trained: npt.NDArray[np.bool_]) -> float:
    """The definition, by enumeration."""
    one, other = row[trained], row[~trained]
    size = min(len(one), len(other))
    means = [np.mean([max(chosen) for chosen in combinations(kind, size)]) for kind in (one, other)]
    return float(means[0] - means[1])


class TestSubsets:
    @given(values, st.data())
    def test_mean_over_all_subsets_is_that_of_enumeration(self, numbers: list[float], data: st.DataObject) -> None:
        size = data.draw(st.integers(1, len(numbers)))
        expected = np.mean([max(chosen) for chosen in combinations(numbers, size)])
        assert expected_largest(numbers, size) == pytest.approx(expected, abs=1e-12)

    @given(values)
    def test_one_alone_gives_the_mean_all_give_the_maximum_and_more_never_give_less(self, numbers: list[float]) -> None:
        by_size = [float(expected_largest(numbers, size)) for size in range(1, len(numbers) + 1)]
        assert by_size[0] == pytest.approx(np.mean(numbers), abs=1e-12)
        assert by_size[-1] == max(numbers)
        assert all(b >= a - 1e-12 for a, b in pairwise(by_size))

    def test_odds_of_large_sets_neither_overflow_nor_get_lost(self) -> None:
        from scipy.stats import nhypergeom

        odds = largest_odds(5000, 50)
        assert odds.sum() == pytest.approx(1, abs=1e-9)
        # How many of the 4,950 others lie above the largest of 50 is negative hypergeometric.
        above = np.arange(200)
        assert odds[::-1][:200] == pytest.approx(nhypergeom(5000, 4950, 1).pmf(above), rel=1e-6)

    def test_a_subset_must_fit(self) -> None:
        for size in (0, 4):
            with pytest.raises(ValueError, match=rf"\b3\b.*\b{size}\b"):
                largest_odds(3, size)

    @given(st.lists(st.integers(0, 4), min_size=1, max_size=6), st.lists(st.integers(0, 4), min_size=1, max_size=6))
    def test_probability_is_that_of_enumeration_with_ties_by_half(self, trained: list[int], held: list[int]) -> None:
        size = min(len(trained), len(held))
        pairs = [(max(a), max(b)) for a in combinations(trained, size) for b in combinations(held, size)]
        expected = np.mean([(a > b) + (a == b) / 2 for a, b in pairs])
        assert trained_nearer([trained], [held]) == pytest.approx([expected])


class TestSimilarity:
    def test_is_the_best_cosine_of_any_two_windows(self) -> None:
        rng = np.random.default_rng(0)
        clips = [rng.normal(size=(n, 5)).astype(np.float32) for n in (1, 3, 2)]
        recordings = [rng.normal(size=(n, 5)).astype(np.float32) for n in (4, 1)]
        found = similarities(clips, recordings)
        for i, clip in enumerate(clips):
            for j, recording in enumerate(recordings):
                cosines = [[a @ b / np.sqrt((a @ a) * (b @ b)) for b in recording] for a in clip]
                assert found[i, j] == pytest.approx(np.max(cosines), abs=1e-6)
                row, column = best_windows(clip, recording)
                assert cosines[row][column] == np.max(cosines)

    def test_a_window_of_zeros_is_like_nothing(self) -> None:
        zeros, ones = np.zeros((1, 3), dtype=np.float32), np.ones((1, 3), dtype=np.float32)
        assert similarities([zeros, ones], [ones, zeros]) == pytest.approx(np.array([[0.0, 0.0], [1.0, 0.0]]))


class TestFairness:
    """Clips that know nothing of the split, and unequal numbers of recordings on its sides."""

    @pytest.mark.parametrize(("trained", "held_out"), [(40, 4), (12, 12), (4, 40)])
    def test_excess_is_centred_at_zero_whatever_the_numbers(self, trained: int, held_out: int) -> None:
        rng = np.random.default_rng(1)
        audits = [audit(unaware(rng, 6, trained + held_out), trained) for _ in range(1500)]
        excess = np.array([a.mean(a.nearest_trained - a.nearest_held_out) for a in audits])
        chances = np.array(
            [trained_nearer(a.similarities[:, a.trained], a.similarities[:, ~a.trained]) for a in audits]
        )
        assert abs(excess.mean()) < 4 * excess.std() / len(excess) ** 0.5
        assert abs(chances.mean() - 0.5) < 4 * chances.mean(axis=1).std() / len(chances) ** 0.5
        # What it would be without the correction: the larger side is nearer by chance alone.
        naive = np.array(
            [(a.similarities[:, a.trained].max(1) - a.similarities[:, ~a.trained].max(1)).mean() for a in audits]
        )
        if trained != held_out:
            assert np.sign(naive.mean()) == np.sign(trained - held_out)
            assert abs(naive.mean()) > 20 * naive.std() / len(naive) ** 0.5

    def test_p_is_the_share_of_all_splits_where_these_can_be_counted(self) -> None:
        matrix = unaware(np.random.default_rng(3), 5, 7)
        splits = [np.isin(np.arange(7), chosen) for chosen in combinations(range(7), 5)]
        excesses = np.array([np.mean([brute_excess(row, split) for row in matrix]) for split in splits])
        judged = audit(matrix, 5).excess()
        assert judged.value == pytest.approx(excesses[0])
        exact = np.mean(excesses >= excesses[0] - 1e-12)
        assert judged.p == pytest.approx(exact, abs=4 * (exact * (1 - exact) / RESPLITS) ** 0.5)

    @pytest.mark.parametrize("trained", [240, 60])
    def test_resplits_are_the_definition_though_far_recordings_are_left_out(self, trained: int) -> None:
        matrix = unaware(np.random.default_rng(4), 3, 300)
        found = audit(matrix, trained)
        rng = np.random.default_rng(SEED)
        for row in found.resplits[:20]:
            split = rng.permutation(found.trained)
            expected = expected_largest(matrix[:, split], 60) - expected_largest(matrix[:, ~split], 60)
            assert row == pytest.approx(expected, abs=1e-6)


class TestJudgement:
    def test_interval_is_students_on_means_over_prompts(self) -> None:
        from scipy import stats

        rng = np.random.default_rng(5)
        matrix, prompts = unaware(rng, 11, 9), [0, 0, 0, 1, 2, 2, 3, 3, 3, 4, 4]
        judged = audit(matrix, 5, prompts).excess()
        excesses = np.array([brute_excess(row, np.arange(9) < 5) for row in matrix])
        means = [excesses[np.array(prompts) == prompt].mean() for prompt in range(5)]
        low, high = stats.t.interval(0.95, 4, np.mean(means), stats.sem(means))
        assert (judged.value, judged.low, judged.high) == pytest.approx((np.mean(means), low, high))
        assert judged.prompts == 5

    def test_a_difference_is_paired_by_the_prompts_that_both_have(self) -> None:
        rng = np.random.default_rng(6)
        base = unaware(rng, 6, 8)
        nearer = base.copy()
        nearer[:, :4] += 0.25
        a = audit(base, 4, [0, 1, 2, 3, 4, 5])
        b = audit(np.vstack([nearer[1:], rng.normal(size=(1, 8))]), 4, [1, 2, 3, 4, 5, 9])
        judged = b.excess_over(a)
        assert judged is not None
        # The same shift for every prompt leaves nothing to be unsure of.
        assert judged.value == pytest.approx(0.25)
        assert (judged.prompts, judged.low) == (5, None)
        assert judged.reason and "same value" in judged.reason
        assert a.excess_over(audit(base, 4, [7, 8, 9, 10, 11, 12])) is None
        assert a.excess_over(a) == (0.0, None, None, 1.0, 6, judged.reason)

    def test_few_prompts_have_no_interval(self) -> None:
        judged = audit(unaware(np.random.default_rng(7), 6, 8), 4, [0, 0, 1, 1, 2, 2]).excess()
        assert (judged.low, findall(r"\d+", judged.reason or "")) == (None, ["3", "4"])

    def test_copies_are_found_though_most_recordings_are_on_their_side(self) -> None:
        rng = np.random.default_rng(8)
        recordings = [rng.normal(size=(3, 30)) + rng.normal(size=30) for _ in range(40)]
        honest = [rng.normal(size=(3, 30)) + rng.normal(size=30) for _ in range(24)]
        source = [place % 30 for place in range(24)]
        copies = [recordings[place] + 0.2 * rng.normal(size=(3, 30)) for place in source]
        good, bad = (audit(similarities(clips, recordings), 30) for clips in (honest, copies))
        excess, difference = bad.excess(), bad.excess_over(good)
        assert difference is not None and difference.low is not None and excess.low is not None
        assert excess.low > 0 and excess.p is not None and excess.p < 0.01
        assert difference.low > 0 and difference.p is not None and difference.p < 0.01
        low, high = good.excess().low, good.excess().high
        assert low is not None and high is not None and low < 0 < high
        assert [(s.clip, s.recording) for s in sorted(bad.suspects())] == list(enumerate(source))
        assert max(s.ratio for s in bad.suspects()) < 0.1 < min(s.ratio for s in good.suspects())

    def test_suspects_are_copies_and_not_what_is_like_everything(self) -> None:
        # A copy through a poor channel, a drone that equals all recordings, and noise that is like none.
        matrix = np.array([[0.95, 0.6, 0.6], [1.0, 1.0, 1.0], [0.1, 0.2, 0.15]])
        found = audit(matrix, 2).suspects()
        assert [s.clip for s in found] == [0, 2, 1]
        assert found[0].ratio == pytest.approx(0.05 / 0.4, rel=1e-4)
        assert found[2].ratio == pytest.approx(1.0)
