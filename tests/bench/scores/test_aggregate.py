"""From clip scores to table cells: the unit is the prompt."""

from __future__ import annotations

from dataclasses import replace
from re import findall

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.scores.aggregate import ClipScore, estimate
from bench.stats import stratified_t_interval


def _score(prompt: int, value: float | None, genre: str = "pop") -> ClipScore:
    return ClipScore("m", "x@1", f"p{prompt}", genre, 1, value)


@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=4, max_size=12))
def test_seeds_are_averaged_within_the_prompt(pairs: list[tuple[float, float]]) -> None:
    genres = ["jazz" if i % 2 else "pop" for i in range(len(pairs))]
    scores = [_score(i, v, genres[i]) for i, pair in enumerate(pairs) for v in pair]
    ours = estimate(scores)
    expected = stratified_t_interval([(a + b) / 2 for a, b in pairs], genres)
    assert ours.value == pytest.approx(expected.mean)
    if expected.low < expected.high:
        assert (ours.low, ours.high) == pytest.approx((expected.low, expected.high))
    else:
        assert (ours.low, ours.high) == (None, None)
    assert ours.n == 2 * len(pairs)


def test_copies_of_a_clip_make_nobody_surer() -> None:
    once = estimate([_score(i, float(i)) for i in range(6)])
    often = estimate([_score(i, float(i)) for i in range(6) for _ in range(50)])
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_undefined_is_not_zero() -> None:
    scores = [_score(i, 10.0 + i) for i in range(4)] + [_score(i, None) for i in range(4, 9)]
    ours = estimate(scores)
    assert ours.value == pytest.approx(11.5)
    assert ours.n == 4


def test_no_interval_below_four_prompts() -> None:
    ours = estimate([_score(i, float(i)) for i in range(3)])
    assert ours.value == 1.0
    assert ours.low is None and ours.high is None
    assert findall(r"\d+", ours.reason or "") == ["3", "4"]
    reasons = ["3 notes, needs 20", "silent", "5 notes, needs 20", "3 notes, needs 20", None]
    none = estimate([replace(_score(number, None), reason=reason) for number, reason in enumerate(reasons)])
    assert (none.value, none.n) == (None, 0)
    assert none.reason is not None and "3 of 5: 3 notes, needs 20" in none.reason


def test_hits_and_misses_have_wilsons_interval() -> None:
    """10 hits in 10 trials: Wilson's interval is [0.722, 1] (Brown, Cai & DasGupta 2001, fig. 5's interval)."""
    ours = estimate([_score(i, 100.0) for i in range(10)], (0.0, 100.0), True)
    assert (ours.value, ours.low, ours.high) == (100.0, pytest.approx(72.25, abs=0.01), 100.0)
    half = estimate([_score(i, 100.0 * (i % 2)) for i in range(10)], (0.0, 100.0), True)
    assert (half.low, half.high) == (pytest.approx(23.66, abs=0.01), pytest.approx(76.34, abs=0.01))


def test_intervals_stay_within_the_bounds() -> None:
    ours = estimate([_score(i, value) for i, value in enumerate([99.0, 100.0, 100.0, 60.0])], (0.0, 100.0))
    assert ours.high == 100.0
    high = estimate([_score(i, value) for i, value in enumerate([99.0, 100.0, 100.0, 60.0])]).high
    assert high is not None and high > 100


def test_one_value_for_all_says_nothing_about_another() -> None:
    ours = estimate([_score(i, 7.0) for i in range(9)])
    assert (ours.value, ours.low, ours.high) == (7.0, None, None)
    assert ours.reason and "same value" in ours.reason
