"""How set metrics grow: time over sizes, against the matrix products of their blocks, and memory; on one thread."""

from __future__ import annotations

import math
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from row import Row

from bench import EmbeddingSet, Reference, SetMetric
from metrics.coverage import Coverage, Density
from metrics.frechet import FrechetAudioDistance
from metrics.kernel import KernelAudioDistance
from metrics.kernel_block import KernelAudioDistanceBlock
from metrics.mad import MauveAudioDivergence
from metrics.neighborhoods import BALLS, ROUNDS
from metrics.pairwise import COLUMNS, ROWS

SIZES = (3_000, 6_000, 12_000)
DIMENSION = 200
SQUARE, LINEAR, PRODUCTS = 2.1, 1.1, 1.3


def measure() -> Iterator[Row]:
    for metric, products in (
        (lambda: KernelAudioDistance(bandwidth=20.0), lambda n: 2 * own(n) + whole(n)),
        (KernelAudioDistance, lambda n: 2 * own(n) + whole(n) + own(n, np.float32)),
        # Missed: of prompts instead of windows there are few products, and dealing and sorting take most of the time.
        (Density, dealt),
        (Coverage, dealt),
    ):
        yield from quadratic(metric, products)
    yield from linear(
        "kad-block", lambda: KernelAudioDistanceBlock(bandwidth=20.0, block=2500), (10_000, 20_000, 40_000)
    )
    yield from linear("fad", FrechetAudioDistance, SIZES)
    yield from linear("mad", lambda: MauveAudioDivergence(buckets=100), SIZES)
    yield from memory()


def quadratic(make: Callable[[], SetMetric], products: Callable[[int], float]) -> Iterator[Row]:
    """Each size three times, beside its matrix products in the same process; the medians."""
    name = type(make()).__name__ + (", bandwidth given" if getattr(make(), "bandwidth", "") == 20.0 else "")
    seconds, ratios = [], []
    for n in SIZES:
        sets = music(n, 1), as_reference(music(n, 2))
        pairs = [(timed(lambda: make().evaluate(*sets)), products(n)) for _ in range(3 if n < 12_000 else 1)]  # noqa: B023
        seconds.append(float(np.median([ours for ours, _ in pairs])))
        ratios.append(float(np.median([ours / theirs for ours, theirs in pairs])))
    note = ", ".join(f"{n:,}: {s:.3g} s" for n, s in zip(SIZES, seconds, strict=True)) + f", d = {DIMENSION}"
    yield Row(f"{name}: exponent", exponent(SIZES, seconds), "", SQUARE, "lower", note)
    note = ", ".join(f"{ratio:.2f}" for ratio in ratios) + f" at {SIZES[0]:,} to {SIZES[-1]:,} windows a side"
    yield Row(f"{name}: time", ratios[-1], "of its matrix products", PRODUCTS, "lower", note)


def linear(name: str, make: Callable[[], SetMetric], sizes: Sequence[int]) -> Iterator[Row]:
    of = as_reference(music(5_000, 2))
    seconds = [timed(lambda: make().evaluate(music(n, 1), of)) for n in sizes]  # noqa: B023
    note = ", ".join(f"{n:,}: {s:.3g} s" for n, s in zip(sizes, seconds, strict=True))
    yield Row(
        f"{name}: exponent", exponent(sizes, seconds), "", LINEAR, "lower", f"{note}; a reference of 5,000 windows"
    )


def memory() -> Iterator[Row]:
    """Traced, above the inputs; with 3,000 prompts."""
    n = 18_000
    clips, of = music(n, 1), as_reference(music(n, 2))
    for make in (KernelAudioDistance, Density, Coverage, FrechetAudioDistance):
        tracemalloc.start()
        make().evaluate(clips, of)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        yield Row(f"{make.__name__}: memory above its inputs", peak / 1e6, "MB", 400, "lower", f"{n:,} windows a side")


def music(n: int, seed: int) -> EmbeddingSet:
    """Six windows a prompt, of six genres."""
    rng = np.random.default_rng(seed)
    groups = np.arange(n) // 6
    prompts = int(groups[-1]) + 1
    vectors = rng.normal(size=(n, DIMENSION)) + rng.normal(size=(prompts, DIMENSION))[groups]
    genres = {prompt: f"genre {6 * prompt // prompts}" for prompt in range(prompts)}
    texts = {prompt: f"prompt {prompt} of {seed}" for prompt in range(prompts)}
    return EmbeddingSet(vectors.astype(np.float32), np.arange(n) // 3, groups, "e", genres, texts)


def as_reference(own: EmbeddingSet) -> Reference:
    wide = own.vectors.astype(np.float64)
    return Reference("r", "e", "r", own.windows, wide.mean(axis=0), np.cov(wide.T), own)


def whole(n: int, precision: Any = np.float64) -> float:
    """Seconds of the bare matrix products of all pairs of two sets of n windows, in blocks as the metrics take them."""
    return products(n, False, precision)


def dealt(n: int) -> float:
    """Of every window with one of each prompt of both sides, in every round."""
    return max(ROUNDS, -(-BALLS // n)) / 6 * 2 * whole(n)


def own(n: int, precision: Any = np.float64) -> float:
    """The same of one set, every pair once."""
    return products(n, True, precision)


def products(n: int, one: bool, precision: Any) -> float:
    from scipy.linalg import blas

    gemm = blas.dgemm if precision is np.float64 else blas.sgemm
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, DIMENSION)).astype(precision)
    y = rng.normal(size=(COLUMNS, DIMENSION)).astype(precision)
    buffer = np.empty(ROWS * COLUMNS, dtype=precision)

    def multiply() -> None:
        for row in range(0, n, ROWS):
            for column in range(row if one else 0, n, COLUMNS):
                right = y[: min(COLUMNS, n - column)]
                left = x[: min(ROWS, n - row, column + len(right) - row if one else ROWS)]
                values = buffer[: len(left) * len(right)].reshape(len(left), len(right))
                gemm(1.0, right.T, left.T, c=values.T, trans_a=True, overwrite_c=True)

    return timed(multiply)


def timed(work: Callable[[], Any]) -> float:
    """Processor seconds of this thread, which other processes disturb least."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    return math.log(seconds[-1] / seconds[-2]) / math.log(sizes[-1] / sizes[-2])
