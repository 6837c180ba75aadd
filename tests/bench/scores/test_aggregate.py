"""From clip scores to table cells: the unit is the prompt."""

from __future__ import annotations

from collections.abc import Iterable
from re import findall

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.contracts.metric import Estimate
from bench.scores.aggregate import estimate, why_none
from bench.scores.clip_scores import grouped
from bench.stats import stratified_t_interval


def _estimate(
    values: Iterable[float], bounds: tuple[float, float] | None = None, hit_or_miss: bool = False
) -> Estimate:
    """Of prompts of one genre with a clip each."""
    of_prompts = {f"p{i}": [value] for i, value in enumerate(values)}
    return estimate(of_prompts, dict.fromkeys(of_prompts, "pop"), bounds, hit_or_miss)


@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=4, max_size=12))
def test_seeds_are_averaged_within_the_prompt(pairs: list[tuple[float, float]]) -> None:
    genres = ["jazz" if i % 2 else "pop" for i in range(len(pairs))]
    prompts = [f"p{i}" for i in range(len(pairs))]
    ours = estimate(dict(zip(prompts, pairs, strict=True)), dict(zip(prompts, genres, strict=True)))
    expected = stratified_t_interval([(a + b) / 2 for a, b in pairs], genres)
    assert ours.value == pytest.approx(expected.mean)
    if expected.low < expected.high:
        assert (ours.low, ours.high) == pytest.approx((expected.low, expected.high))
    else:
        assert (ours.low, ours.high) == (None, None)
    assert ours.n == 2 * len(pairs)


def test_copies_of_a_clip_make_nobody_surer() -> None:
    genres = {f"p{i}": "pop" for i in range(6)}
    once, often = (estimate({f"p{i}": [float(i)] * clips for i in range(6)}, genres) for clips in (1, 50))
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_undefined_is_not_zero() -> None:
    prompts, values = np.arange(9), np.array([10.0, 11.0, 12.0, 13.0, *[np.nan] * 5])
    found = grouped(prompts, values)
    assert found == [(i, [10.0 + i]) for i in range(4)]
    ours = _estimate(own[0] for _, own in found)
    assert ours.value == pytest.approx(11.5)
    assert ours.n == 4


@given(st.lists(st.tuples(st.integers(0, 5), st.none() | st.floats(-1e9, 1e9))))
def test_values_keep_their_order_within_groups_that_are_in_the_order_of_their_first(
    pairs: list[tuple[int, float | None]],
) -> None:
    expected: dict[int, list[float]] = {}
    for group, value in pairs:
        if value is not None:
            expected.setdefault(group, []).append(value)
    values = np.array([np.nan if value is None else value for _, value in pairs], dtype=np.float64)
    assert grouped(np.array([group for group, _ in pairs], dtype=np.intp), values) == list(expected.items())


def test_no_interval_below_four_prompts() -> None:
    ours = _estimate([0.0, 1.0, 2.0])
    assert ours.value == 1.0
    assert ours.low is None and ours.high is None
    assert findall(r"\d+", ours.reason or "") == ["3", "4"]
    reasons = ["3 notes, needs 20", "silent", "5 notes, needs 20", "3 notes, needs 20", None]
    assert "3 of 5: 3 notes, needs 20" in why_none(reasons)
    missing = [
        f"no file for prompt '{id}', seed 0 in clips: expected {id}.wav or {id}_0.wav" for id in ("a-1", "o'n", "b")
    ]
    assert "; 3 of 4: " in why_none([*missing, "silent"])


def test_hits_and_misses_have_wilsons_interval() -> None:
    """10 hits in 10 trials: Wilson's interval is [0.722, 1] (Brown, Cai & DasGupta 2001, fig. 5's interval)."""
    ours = _estimate([100.0] * 10, (0.0, 100.0), True)
    assert (ours.value, ours.low, ours.high) == (100.0, pytest.approx(72.25, abs=0.01), 100.0)
    half = _estimate([100.0, 0.0] * 5, (0.0, 100.0), True)
    assert (half.low, half.high) == (pytest.approx(23.66, abs=0.01), pytest.approx(76.34, abs=0.01))


def test_intervals_stay_within_the_bounds() -> None:
    ours = _estimate([99.0, 100.0, 100.0, 60.0], (0.0, 100.0))
    assert ours.high == 100.0
    high = _estimate([99.0, 100.0, 100.0, 60.0]).high
    assert high is not None and high > 100


def test_one_value_for_all_says_nothing_about_another() -> None:
    ours = _estimate([7.0] * 9)
    assert (ours.value, ours.low, ours.high) == (7.0, None, None)
    assert ours.reason and "same value" in ours.reason
