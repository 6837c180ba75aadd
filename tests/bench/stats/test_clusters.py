"""Means of clustered answers: where nothing is clustered, Student's interval."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.stats.clusters import clustered_mean, effective_number


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_answers_without_clusters_have_students_interval(confidence: float) -> None:
    values, own = np.random.default_rng(4).normal(0.3, 1.0, 15), np.arange(15)
    found = clustered_mean(values, own, own, confidence)
    known = stats.ttest_1samp(values, 0.0)
    low, high = known.confidence_interval(confidence)
    assert [found.estimate, found.low, found.high] == pytest.approx([values.mean(), low, high])
    assert (found.df, found.p) == (14, pytest.approx(known.pvalue))


def test_answers_that_are_said_twice_tell_no_more() -> None:
    """Every listener's answer ten times over: the interval is that of the listeners."""
    values, listeners = np.random.default_rng(5).normal(0.0, 1.0, 12), np.arange(12)
    once = clustered_mean(values, listeners, listeners)
    repeated = np.repeat(listeners, 10)
    often = clustered_mean(np.repeat(values, 10), repeated, np.arange(120))
    assert (often.low, often.high) == pytest.approx((once.low, once.high))
    assert effective_number(repeated) == pytest.approx(12)


@pytest.mark.parametrize("confidence", [0.0, 1.0, float("nan")])
def test_no_confidence_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match=str(confidence)):
        clustered_mean(np.array([0.0, 1.0]), np.arange(2), np.arange(2), confidence)
