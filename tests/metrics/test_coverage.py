"""Density, coverage and diversity: the published formulas pair by pair, and what a model gains by repeating itself."""

from __future__ import annotations

from dataclasses import replace
from re import findall

import numpy as np
import numpy.typing as npt
import pytest
from scipy.spatial.distance import cdist, pdist

from bench.contracts.set_metric import EmbeddingSet, Reference
from bench.errors import UsageError
from metrics import pairwise
from metrics.coverage import Coverage, Density, squared_radii
from metrics.diversity import Diversity

DIMENSION = 6


def music(seed: int, prompts: int, seeds: int, windows: int, spread: float = 1.0) -> EmbeddingSet:
    rng = np.random.default_rng(seed)
    shape = (prompts, seeds, windows, DIMENSION)
    vectors = spread * rng.normal(size=shape) + 0.5 * rng.normal(size=(prompts, seeds, 1, DIMENSION))
    clips = np.repeat(np.arange(prompts * seeds), windows)
    return EmbeddingSet(vectors.reshape(-1, DIMENSION).astype(np.float32), clips, clips // seeds, "e")


def reference(seed: int, recordings: int, windows: int) -> Reference:
    own = music(seed, recordings, 1, windows)
    vectors = own.vectors.astype(float)
    return Reference("music", "e", f"{seed}", own.windows, vectors.mean(axis=0), np.cov(vectors.T), own)


def windows_of(of: Reference) -> EmbeddingSet:
    assert of.embeddings is not None
    return of.embeddings


def radii(of: Reference, k: int = 5) -> npt.NDArray[np.float64]:
    """Pair by pair: distance to the k-th nearest window of another recording."""
    own = windows_of(of)
    distances = cdist(own.vectors.astype(float), own.vectors.astype(float))
    distances[own.recordings[:, None] == own.recordings] = np.inf
    return np.sort(distances, axis=1)[:, k - 1]


@pytest.mark.parametrize("k", [1, 5])
def test_density_and_coverage_are_the_published_formulas(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairwise, "ROWS", 16)
    monkeypatch.setattr(pairwise, "COLUMNS", 24)
    of, clips = reference(1, 20, 4), music(2, 6, 2, 3)
    own = windows_of(of)
    np.testing.assert_allclose(np.sqrt(squared_radii(own.vectors, own.recordings, k)), radii(of, k), rtol=1e-12)
    inside = cdist(own.vectors.astype(float), clips.vectors.astype(float)) < radii(of, k)[:, None]
    density, coverage = Density(k=k).evaluate(clips, of), Coverage(k=k).evaluate(clips, of)
    assert density.value == pytest.approx(inside.sum(axis=0).mean() / k)
    assert coverage.value == pytest.approx(100 * inside.any(axis=1).mean())
    assert (density.n, coverage.n) == (12, 12)


def test_intervals_leave_prompts_out() -> None:
    of, clips = reference(1, 30, 4), music(2, 8, 2, 3)
    for metric in (Density(), Coverage(), Diversity()):
        without = [metric.evaluate(clips.part(clips.groups != prompt), of).value for prompt in range(8)]
        estimate = metric.evaluate(clips, of)
        values = [value for value in without if value is not None]
        assert len(values) == 8
        spread = np.array(values) - float(np.mean(values))
        reach = 2.364624 * np.sqrt(7 / 8 * (spread**2).sum())
        assert estimate.value is not None and estimate.low is not None and estimate.high is not None
        assert (estimate.low, estimate.high) == pytest.approx(
            (estimate.value - reach, estimate.value + reach), rel=1e-5
        )


def test_music_like_the_reference_is_dense_and_covers() -> None:
    of, clips = reference(1, 150, 4), music(2, 150, 1, 4)
    assert Density().evaluate(clips, of).value == pytest.approx(1, abs=0.15)
    assert Coverage().evaluate(clips, of).value > 90  # type: ignore[operator]


def test_repeating_one_good_clip_is_dense_but_covers_little() -> None:
    """What is most typical of the reference, again and again, wins by density and loses by coverage and diversity."""
    of, honest = reference(1, 150, 4), music(2, 36, 2, 4)
    own = windows_of(of)
    balls = (cdist(own.vectors, own.vectors) < radii(of)[:, None]).sum(axis=0)
    typical = own.vectors[np.argsort(balls)[-4:]]
    repeating = replace(honest, vectors=np.tile(typical, (72, 1)))
    density, coverage, diversity = Density(), Coverage(), Diversity()
    assert density.evaluate(repeating, of).value > 2 * density.evaluate(honest, of).value  # type: ignore[operator]
    assert coverage.evaluate(repeating, of).value < 0.5 * coverage.evaluate(honest, of).value  # type: ignore[operator]
    assert diversity.evaluate(repeating, None).value == 0
    for metric, sign in ((density, 1), (coverage, -1), (diversity, -1)):
        difference = metric.difference(honest, repeating, of, 0)
        assert difference.estimate is not None and difference.p is not None
        assert sign * difference.estimate > 0
        assert difference.p < 0.01


def test_a_recordings_own_windows_do_not_shrink_its_ball() -> None:
    """Were they neighbours, windows that are alike in each recording would make music of the same kind miss them."""
    of = reference(1, 40, 8)
    own = windows_of(of)
    clustered = replace(own, vectors=np.repeat(own.vectors[::8], 8, axis=0) + np.float32(1e-3) * own.vectors)
    with_own = np.sort(cdist(clustered.vectors, clustered.vectors), axis=1)[:, 5]
    others = np.sqrt(squared_radii(clustered.vectors, clustered.recordings))
    assert with_own.max() < 0.1 < others.min()


def test_too_small_a_reference_is_a_reason() -> None:
    clips = music(2, 6, 2, 3)
    estimate = Density().evaluate(clips, reference(1, 2, 4))
    assert (estimate.value, findall(r"\d+", estimate.reason or "")) == (None, ["2", "8", "5"])
    of = reference(1, 20, 4)
    still = replace(of, embeddings=replace(windows_of(of), vectors=np.ones_like(windows_of(of).vectors)))
    assert "same embedding" in str(Coverage().evaluate(clips, still).reason)
    with pytest.raises(UsageError, match="only their mean and covariance"):
        Coverage().evaluate(clips, replace(of, embeddings=None))
    with pytest.raises(UsageError, match="k is 0"):
        Density(k=0)


def test_diversity_is_the_mean_distance_between_the_clips_of_a_prompt() -> None:
    clips = music(3, 5, 3, 4)
    means = clips.vectors.astype(float).reshape(5, 3, 4, DIMENSION).mean(axis=2)
    estimate = Diversity().evaluate(clips, None)
    assert estimate.value == pytest.approx(np.mean([pdist(prompt).mean() for prompt in means]))
    assert (estimate.n, estimate.reason, estimate.warnings) == (15, None, ())


def test_diversity_needs_two_seeds_and_counts_the_prompts_that_have_them() -> None:
    single = music(3, 5, 1, 4)
    estimate = Diversity().evaluate(single, None)
    assert (estimate.value, findall(r"\d+", estimate.reason or "")) == (None, ["2", "2"])
    clips = music(3, 5, 2, 4)
    some = clips.part((clips.groups > 0) | (clips.recordings == 0))
    estimate = Diversity().evaluate(some, None)
    assert estimate.value == Diversity().evaluate(clips.part(clips.groups > 0), None).value
    assert estimate.n == 8
