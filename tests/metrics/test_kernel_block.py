"""kad-block against kad: equal in one block, unbiased in several, its variance, and what kad says beyond its size."""

from __future__ import annotations

from dataclasses import replace
from re import findall

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import EmbeddingSet, Reference
from bench.errors import UsageError
from metrics.kernel import KernelAudioDistance
from metrics.kernel_block import KernelAudioDistanceBlock

D = 3


def music(rng: np.random.Generator, prompts: int, windows: int, shift: float = 0.0, first: int = 0) -> EmbeddingSet:
    """Prompts of three genres in turn; ``first`` numbers their texts."""
    vectors = shift + rng.normal(size=(prompts, 1, D)) + rng.normal(size=(prompts, windows, D))
    groups = np.repeat(np.arange(prompts), windows)
    genres = {group: f"genre {group % 3}" for group in range(prompts)}
    texts = {group: f"text {first + group}" for group in range(prompts)}
    return EmbeddingSet(vectors.reshape(-1, D).astype(np.float32), groups, groups, "e", genres, texts)


def as_reference(own: EmbeddingSet, name: str = "r") -> Reference:
    wide = own.vectors.astype(float)
    return Reference("music", "e", name, own.windows, wide.mean(axis=0), np.cov(wide.T), own)


def renumbered(own: EmbeddingSet, order: npt.NDArray[np.int64]) -> EmbeddingSet:
    """The same with other numbers of the groups, so that others get to a block."""
    return replace(
        own,
        groups=order[own.groups],
        genres={int(order[group]): genre for group, genre in own.genres.items()},
        prompts={int(order[group]): text for group, text in own.prompts.items()},
    )


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(6, 30), st.integers(1, 4))
def test_in_one_block_it_is_kad(seed: int, prompts: int, windows: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (music(rng, prompts, windows, shift) for shift in (0.2, 0.4))
    of = as_reference(music(rng, 20, 3))
    whole, blocks = KernelAudioDistance(bandwidth=2.0), KernelAudioDistanceBlock(bandwidth=2.0, block=1000)
    ours, theirs = blocks.evaluate(a, of), whole.evaluate(a, of)
    assert (ours.value, ours.low, ours.high) == (theirs.value, theirs.low, theirs.high)
    assert blocks.difference(a, b, of, 0) == whole.difference(a, b, of, 0)


@pytest.mark.parametrize(("prompts", "recordings"), [(300, 30), (30, 300), (300, 200)])
def test_over_all_ways_to_deal_it_is_kad(prompts: int, recordings: int) -> None:
    """Clips, reference or both in several blocks: the mean is that of all pairs."""
    rng = np.random.default_rng(prompts)
    clips, own = music(rng, prompts, 2, 0.3), music(rng, recordings, 2, first=0 if prompts == 300 else 1000)
    whole = KernelAudioDistance(bandwidth=2.0).evaluate(clips, as_reference(own)).value
    metric = KernelAudioDistanceBlock(bandwidth=2.0, block=100)
    values = []
    for draw in range(60):
        shuffled = [renumbered(one, rng.permutation(len(one.genres))) for one in (clips, own)]
        estimate = metric.evaluate(shuffled[0], as_reference(shuffled[1], str(draw)))
        assert estimate.value is not None
        values.append(estimate.value)
    spread = np.std(values, ddof=1)
    assert spread > 1e-6
    assert np.mean(values) == pytest.approx(whole, abs=4 * spread / np.sqrt(60))


@pytest.mark.slow
@pytest.mark.parametrize(
    "runs", [pytest.param(60, id="short"), pytest.param(1000, marks=pytest.mark.simulate, id="long")]
)
def test_its_variance_is_that_of_its_values_and_a_true_zero_reads_zero(runs: int) -> None:
    """Given the reference. For sets that are alike the jackknife overstates the variance, up to twice."""
    rng = np.random.default_rng(7)
    of, found = as_reference(music(rng, 400, 1, first=1000)), []
    metric = KernelAudioDistanceBlock(bandwidth=2.0, block=100)
    for shift in (0.0, 0.5):
        estimates = [metric.evaluate(music(rng, 200, 2, shift), of) for _ in range(runs)]
        values = np.array([estimate.value for estimate in estimates], dtype=float)
        variances = np.array([estimate.details["variance"] for estimate in estimates])
        found.append((values, variances.mean() / values.var(ddof=1)))
    (zero, wide), (_, near) = found
    reach = 3.5 / np.sqrt(runs)
    assert abs(zero.mean()) <= reach * zero.std() + 0.15  # given one reference, what that reference is off
    assert 0.8 - reach <= wide <= 2.5 + reach
    assert 1 - 2 * reach <= near <= 1.3 + 2 * reach


def test_kad_names_it_beyond_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KernelAudioDistance, "most_windows", 500)
    rng = np.random.default_rng(1)
    few, many = music(rng, 200, 2), music(rng, 200, 3)
    for clips, own in ((many, few), (few, many)):
        estimate = KernelAudioDistance().evaluate(clips, as_reference(own, str(own.windows)))
        assert estimate.value is None and estimate.reason is not None
        assert findall(r"kad-\w+|\d+", estimate.reason) == ["600", "500", "kad-block"]
        difference = KernelAudioDistance().difference(clips, clips, as_reference(own, str(own.windows)), 0)
        assert difference.p is None and "kad-block" in str(difference.reason)
    assert KernelAudioDistanceBlock(block=200).evaluate(many, as_reference(few)).value is not None


def test_blocks_that_are_too_small_are_refused() -> None:
    with pytest.raises(UsageError):
        KernelAudioDistanceBlock(block=99)
