"""Inception score: closed forms, the definition written out, and its interval."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr

from bench.contracts.notice import Notice
from bench.contracts.reference import EmbeddingSet
from bench.errors import DataError, UsageError
from bench.stats import jackknife_interval
from metrics.inception import InceptionScore, inception_score
from metrics.tagger import softmax, tag_shares

Array = npt.NDArray[np.float64]
seeds = st.integers(0, 2**32 - 1)


def by_definition(p: Array) -> float:
    """exp of the mean divergence of each clip's classes from those of all."""
    return float(np.exp(rel_entr(p, p.mean(axis=0)).sum(axis=1).mean()))


def clips(seed: int, prompts: int, each: int, windows: int, classes: int = 12, spread: float = 3.0) -> EmbeddingSet:
    rng = np.random.default_rng(seed)
    recordings = np.repeat(np.arange(prompts * each), windows)
    vectors = rng.normal(0, spread, (prompts * each, 1, classes)) + rng.normal(
        0, 0.3, (prompts * each, windows, classes)
    )
    return EmbeddingSet(vectors.reshape(-1, classes).astype(np.float32), recordings, recordings // each, "e")


@pytest.mark.parametrize("classes", [2, 5, 527])
def test_closed_forms(classes: int) -> None:
    assert inception_score(np.full((9, classes), 1 / classes)) == pytest.approx(1.0, abs=1e-12)
    assert inception_score(np.eye(classes)) == pytest.approx(classes, rel=1e-12)
    assert inception_score(np.tile(np.eye(classes)[0], (4, 1))) == 1.0
    # Two classes of equal share, however many there are.
    assert inception_score(np.eye(classes)[[0, 1, 0, 1]]) == pytest.approx(2.0, rel=1e-12)


@given(seeds, st.integers(1, 30), st.integers(2, 40))
def test_it_is_the_definition_and_lies_between_its_bounds(seed: int, n: int, classes: int) -> None:
    p = np.random.default_rng(seed).dirichlet(np.full(classes, 0.2), n)
    score = inception_score(p)
    assert score == pytest.approx(by_definition(p), rel=1e-9)
    assert 1 <= score <= min(n, classes) * (1 + 1e-9)
    assert inception_score(np.repeat(p, 2, axis=0)) == pytest.approx(score, rel=1e-9)


@pytest.mark.parametrize("wrong", [[0.5, 0.5], [[0.5, 0.6]], [[1.5, -0.5]], np.zeros((0, 3)), [[np.nan, 1.0]]])
def test_what_is_no_distribution_is_refused(wrong: npt.ArrayLike) -> None:
    with pytest.raises(DataError):
        inception_score(wrong)


def test_a_clip_counts_once_and_its_interval_leaves_out_prompts() -> None:
    sets = clips(1, 12, 2, 3)
    metric = InceptionScore("plugin.py:Tagger")
    found = metric.evaluate(sets, None)
    pooled = softmax(sets.vectors.reshape(24, 3, 12).astype(np.float64).mean(axis=1))
    assert found.value == pytest.approx(by_definition(pooled), rel=1e-6) and found.n == 24
    without = [by_definition(np.delete(pooled, [2 * prompt, 2 * prompt + 1], axis=0)) for prompt in range(12)]
    _, low, high, _ = jackknife_interval(found.value or 0.0, np.array(without))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-5)
    shuffled = np.random.default_rng(2).permutation(len(sets.vectors))
    moved = replace(
        sets, vectors=sets.vectors[shuffled], recordings=sets.recordings[shuffled], groups=sets.groups[shuffled]
    )
    assert metric.evaluate(moved, None).value == pytest.approx(found.value, rel=1e-6)


def test_two_models_are_told_apart_by_what_varies() -> None:
    metric = InceptionScore("plugin.py:Tagger")
    varied, alike = clips(3, 14, 1, 2), clips(4, 14, 1, 2, spread=0.1)
    found = metric.difference(alike, varied, None, 0)
    assert found.estimate is not None and found.estimate > 1 and found.low is not None and found.low > 0
    assert found.p is not None and found.p < 0.01
    more = metric.difference(alike, clips(3, 14, 2, 2), None, 0)
    assert Notice("W-CLIPS", {"a": 14, "b": 28}) in more.warnings


def test_musicnn_gives_shares_of_tags() -> None:
    sets = clips(5, 8, 1, 3, classes=200, spread=1.0)
    shares = np.array([tag_shares(own, "msd") for own in sets.vectors.reshape(8, 3, 200)])
    found = InceptionScore().evaluate(sets, None).value
    assert found == pytest.approx(by_definition(shares), rel=1e-6)


def test_what_gives_no_number() -> None:
    metric = InceptionScore("plugin.py:Tagger")
    sets = clips(6, 3, 1, 2)
    few = metric.evaluate(sets, None)
    assert few.value is not None and few.low is None and "3 prompts" in str(few.reason)
    nothing = metric.evaluate(sets.part(np.zeros(len(sets.vectors), dtype=bool)), None)
    assert nothing.value is None and nothing.n == 0
    spoiled = sets.vectors.copy()
    spoiled[1, 2] = np.nan
    with pytest.raises(DataError, match="not finite"):
        metric.evaluate(replace(sets, vectors=spoiled), None)
    with pytest.raises(UsageError, match="pann-tags"):
        InceptionScore("vggish")
