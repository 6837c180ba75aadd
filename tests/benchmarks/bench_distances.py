"""Fréchet and kernel audio distance against the forms in use, in one run and on one thread."""

from __future__ import annotations

import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from row import Row

from metrics.frechet import frechet_distance, per_clip_distances
from metrics.gaussian import Gaussian
from metrics.kernel import kernel_audio_distance
from metrics.median_distance import median_distance

Array = npt.NDArray[np.float64]


def measure() -> Iterator[Row]:
    yield from frechet(512, target=8, repeats=3)
    yield from frechet(2048, target=3, repeats=1)
    yield from per_clip()
    yield from kernel(10_000, 512)


def published_frechet(mean_a: Array, cov_a: Array, mean_b: Array, cov_b: Array) -> float:
    """As `calculate_frechet_distance` of frechet-audio-distance 0.3.4 computes it where the product is not singular."""
    from scipy.linalg import sqrtm

    root = sqrtm(cov_a.dot(cov_b).astype(complex))
    step = mean_a - mean_b
    return float(step.dot(step) + np.trace(cov_a) + np.trace(cov_b) - 2 * np.trace(root.real))


def frechet(dimension: int, target: float, repeats: int) -> Iterator[Row]:
    rng = np.random.default_rng(dimension)
    sets = [rng.normal(size=(3 * dimension, dimension)) @ np.diag(rng.uniform(0.1, 2, dimension)) for _ in range(2)]
    a, b = [(x.mean(axis=0), np.cov(x.T)) for x in sets]
    ours, here = timed(lambda: frechet_distance(*a, *b), repeats)
    theirs, there = timed(lambda: published_frechet(*a, *b), repeats)
    note = f"{here:.3g} s against {there:.3g} s; they differ by {abs(ours - theirs) / ours:.1g} of it"
    yield Row(f"Fréchet distance, d = {dimension}", there / here, "× sqrtm", target, note=note)


def per_clip() -> Iterator[Row]:
    rng = np.random.default_rng(1)
    music = rng.normal(size=(5000, 512))
    clips = [rng.normal(size=(30, 512)).astype(np.float32) for _ in range(50)]
    reference = Gaussian.of_windows(music)
    _, here = timed(lambda: per_clip_distances(clips, reference), 3)
    mean, covariance = music.mean(axis=0), np.cov(music.T)
    clip = clips[0].astype(np.float64)
    _, there = timed(lambda: published_frechet(clip.mean(axis=0), np.cov(clip.T), mean, covariance), 1)
    note = f"30 windows, d = 512; {1000 * here / len(clips):.2g} ms a clip against {1000 * there:.3g} ms"
    yield Row("Fréchet distance of a clip", there / (here / len(clips)), "× sqrtm", 100, note=note)


def kernel(n: int, dimension: int) -> Iterator[Row]:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(n, dimension)).astype(np.float32)
    y = rng.normal(0.05, 1, size=(n, dimension)).astype(np.float32)
    tracemalloc.start()
    kernel_audio_distance(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    size = f"n = {n}, d = {dimension}"
    yield Row(f"KAD, {size}: memory above its inputs", peak / 1e6, "MB", 100, "lower", "traced, median included")
    sigma = median_distance(y)
    _, median = timed(lambda: median_distance(y), 1)
    ours, here = timed(lambda: kernel_audio_distance(x, y, bandwidth=sigma), 1)
    try:
        import torch
    except ImportError:
        yield Row(f"KAD, {size}", here, "s", note=f"the median another {median:.2g} s; no torch to compare with")
        return
    torch.set_num_threads(1)
    a, b = torch.from_numpy(x), torch.from_numpy(y)
    _, their_median = timed(lambda: torch.median(torch.pdist(b)), 1)
    theirs, there = timed(lambda: full_matrix_kad(torch, a, b, sigma), 1)
    note = f"{here:.3g} s against {there:.3g} s; they differ by {abs(ours - theirs):.1g}"
    yield Row(f"KAD, {size}, bandwidth given", here / there, "of torch", None, "lower", note)
    here, there = here + median, there + their_median
    note = f"{here:.3g} s against {there:.3g} s"
    yield Row(f"KAD, {size}, with the median", here / there, "of torch", 0.5, "lower", note)


def full_matrix_kad(torch: Any, x: Any, y: Any, sigma: float) -> float:
    """kadtk's formula, three whole matrices in float32."""

    def kernel(a: Any, b: Any) -> Any:
        squares = (a * a).sum(1)[:, None] + (b * b).sum(1)[None, :] - 2 * a @ b.T
        return torch.exp(-squares / (2 * sigma**2))

    def own(a: Any) -> Any:
        matrix = kernel(a, a)
        matrix = matrix - torch.diag(torch.diagonal(matrix))
        return matrix.sum() / (len(a) * (len(a) - 1))

    return float(100 * (own(x) + own(y) - 2 * kernel(x, y).mean()))


def timed(work: Callable[[], Any], repeats: int) -> tuple[Any, float]:
    """The result, and the median of seconds taken."""
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - begin)
    return result, statistics.median(seconds)
