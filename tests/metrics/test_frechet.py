"""Fréchet distance: closed forms, 40-digit arithmetic, the published form, and what no value may break."""

from __future__ import annotations

import ast
import importlib.util
import tracemalloc
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import numpy.typing as npt
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.contracts.reference import EmbeddingSet, Reference
from bench.errors import DataError, Undefined
from bench.stats import Moments
from metrics.frechet import (
    FrechetAudioDistance,
    frechet_audio_distance,
    frechet_distance,
    gaussian_distance,
    per_clip_distances,
)
from metrics.gaussian import Gaussian, nuclear_norm
from metrics.grouped import Grouped

Array = npt.NDArray[np.float64]
relaxed = settings(deadline=None, max_examples=40)
seeds = st.integers(0, 2**32 - 1)
methods = ("auto", "fast", "exact")


def gaussian(seed: int, n: int, d: int, spread: float = 1.0) -> tuple[Array, Array]:
    x = windows(seed, n, d, spread)
    return x.mean(axis=0), np.cov(x.T).reshape(d, d)


def windows(seed: int, n: int, d: int, spread: float = 1.0) -> Array:
    """Correlated, with standard deviations from 1 to ``spread``."""
    rng = np.random.default_rng(seed)
    mix = np.linalg.qr(rng.normal(size=(d, d)))[0]
    return rng.normal(size=(n, d)) * np.geomspace(1, spread, d) @ mix + rng.normal(size=d)


def scale(a: tuple[Array, Array], b: tuple[Array, Array]) -> float:
    """What errors are relative to: ‖Δμ‖² + tr C₁ + tr C₂."""
    return float(((a[0] - b[0]) ** 2).sum() + np.trace(a[1]) + np.trace(b[1]))


def in_forty_digits(x: Array, y: Array) -> float:
    """From the windows themselves, so that a covariance without full rank has exactly that rank."""
    with mpmath.workdps(60):

        def moments(rows: Array) -> tuple[mpmath.matrix, mpmath.matrix]:
            matrix = mpmath.matrix(rows.tolist())
            mean = mpmath.matrix([mpmath.fsum(matrix[:, j]) / matrix.rows for j in range(matrix.cols)])
            centred = mpmath.matrix(matrix.rows, matrix.cols)
            for i in range(matrix.rows):
                for j in range(matrix.cols):
                    centred[i, j] = matrix[i, j] - mean[j]
            return mean, centred.T * centred / (matrix.rows - 1)

        def root(matrix: mpmath.matrix) -> mpmath.matrix:
            values, vectors = mpmath.eigsy(matrix)
            return vectors * mpmath.diag([mpmath.sqrt(max(value, 0)) for value in values]) * vectors.T

        (mean_a, cov_a), (mean_b, cov_b) = moments(x), moments(y)
        side = root(cov_a)
        values = mpmath.eigsy(side * cov_b * side, eigvals_only=True)
        roots = mpmath.fsum(mpmath.sqrt(max(value, 0)) for value in values)
        step = mpmath.fsum((a - b) ** 2 for a, b in zip(mean_a, mean_b, strict=True))
        traces = mpmath.fsum(cov_a[i, i] + cov_b[i, i] for i in range(cov_a.rows))
        return float(step + traces - 2 * roots)


def published(mean_a: Array, cov_a: Array, mean_b: Array, cov_b: Array) -> float:
    """`calculate_frechet_distance` of frechet-audio-distance 0.3.4 where the product is not singular."""
    from scipy.linalg import sqrtm

    root = sqrtm(cov_a.dot(cov_b).astype(complex))
    assert np.allclose(np.diagonal(root).imag, 0, atol=1e-3)
    step = mean_a - mean_b
    return float(step.dot(step) + np.trace(cov_a) + np.trace(cov_b) - 2 * np.trace(root.real))


@pytest.mark.parametrize("method", methods)
def test_closed_forms(method: str) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.uniform(0.1, 3, (2, 40))
    step = rng.normal(size=40)
    expected = (step**2).sum() + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum()
    diagonal = frechet_distance(np.zeros(40), np.diag(a), step, np.diag(b), method)  # type: ignore[arg-type]
    assert diagonal == pytest.approx(expected, rel=1e-12)
    turn = np.linalg.qr(rng.normal(size=(40, 40)))[0]
    rotated = (turn @ np.diag(b) @ turn.T, turn @ np.diag(a) @ turn.T)
    assert frechet_distance(step, rotated[0], step * 0, rotated[1], method) == pytest.approx(expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(("n", "m"), [(30, 40), (5, 40), (4, 3), (2, 2), (30, 7)])
@pytest.mark.parametrize("spread", [1.0, 1e3, 1e5])
def test_agrees_with_forty_digits_at_any_rank_and_condition(n: int, m: int, spread: float) -> None:
    x, y = windows(1, n, 8, spread), windows(2, m, 8, spread)
    a, b = (x.mean(axis=0), np.cov(x.T)), (y.mean(axis=0), np.cov(y.T))
    exact, allowed = in_forty_digits(x, y), 1e-9 * scale(a, b)
    assert frechet_audio_distance(x, y) == pytest.approx(exact, abs=allowed)
    assert frechet_audio_distance(x, y, "exact") == pytest.approx(exact, abs=1e-5 * allowed)
    assert frechet_distance(*a, *b) == pytest.approx(exact, abs=allowed)


def test_what_nearly_cancels_keeps_its_digits() -> None:
    """At condition 1e10 the eigenvalues alone would give a distance that is wrong in its first digit."""
    variances = np.geomspace(1, 1e-10, 30)
    other = variances * (1 + 1e-5)
    exact = float(((np.sqrt(variances) - np.sqrt(other)) ** 2).sum())
    turn = np.linalg.qr(np.random.default_rng(4).normal(size=(30, 30)))[0]
    a, b = (turn * variances @ turn.T, turn * other @ turn.T)
    zero = np.zeros(30)
    assert frechet_distance(zero, a, zero, b, "exact") == pytest.approx(exact, abs=1e-14 * 2 * variances.sum())
    assert frechet_distance(zero, a, zero, b) == pytest.approx(exact, abs=1e-10 * 2 * variances.sum())


@pytest.mark.parametrize("d", [1, 3, 20, 128])
def test_agrees_with_the_published_form(d: int) -> None:
    a, b = gaussian(1, 3 * d + 5, d), gaussian(2, 4 * d + 5, d, 3.0)
    expected = published(*a, *b)
    for method in methods:
        assert frechet_distance(*a, *b, method) == pytest.approx(expected, abs=1e-9 * scale(a, b))  # type: ignore[arg-type]


def test_agrees_with_the_package_people_use() -> None:
    """By its own lines, taken out of the installed file: importing it would import every network that it knows."""
    spec = importlib.util.find_spec("frechet_audio_distance")
    if spec is None or spec.origin is None:
        pytest.skip("frechet-audio-distance is not installed")
    tree = ast.parse(Path(spec.origin).with_name("fad.py").read_text())
    name = "calculate_frechet_distance"
    lines: list[ast.stmt] = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name]
    names: dict[str, Any] = {"np": np, "linalg": scipy.linalg}
    exec(compile(ast.Module(lines, []), spec.origin, "exec"), names)
    a, b = gaussian(5, 200, 64), gaussian(6, 300, 64, 2.0)
    assert frechet_distance(*a, *b) == pytest.approx(names[name](None, *a, *b), abs=1e-9 * scale(a, b))


@relaxed
@given(seeds, st.integers(2, 30), st.integers(2, 30), st.integers(1, 12), st.floats(0.01, 100))
def test_laws(seed: int, n: int, m: int, d: int, stretch: float) -> None:
    x, y = windows(seed, n, d, 30.0), windows(seed + 1, m, d)
    value = frechet_audio_distance(x, y)
    allowed = 1e-9 * (value + x.var(axis=0).sum() * 2 + y.var(axis=0).sum() * 2)
    rng = np.random.default_rng(seed)
    turn, shift = np.linalg.qr(rng.normal(size=(d, d)))[0], rng.normal(size=d)
    assert value >= 0
    assert frechet_audio_distance(y, x) == pytest.approx(value, abs=allowed)
    assert frechet_audio_distance(x @ turn + shift, y @ turn + shift) == pytest.approx(value, abs=allowed)
    assert frechet_audio_distance(rng.permutation(x), y) == pytest.approx(value, abs=allowed)
    assert frechet_audio_distance(stretch * x, stretch * y) == pytest.approx(
        stretch**2 * value, abs=stretch**2 * allowed
    )
    assert 0 <= frechet_audio_distance(x, x[::-1]) <= allowed
    assert frechet_audio_distance(x, x + shift) == pytest.approx(float(shift @ shift), abs=10 * allowed)


@relaxed
@given(seeds, st.integers(2, 40), st.integers(1, 15))
def test_windows_and_their_moments_give_the_same(seed: int, n: int, d: int) -> None:
    x, y = windows(seed, n, d), windows(seed + 1, 50, d)
    a, b = (x.mean(axis=0), np.cov(x.T).reshape(d, d)), (y.mean(axis=0), np.cov(y.T).reshape(d, d))
    assert frechet_audio_distance(x, y) == pytest.approx(frechet_distance(*a, *b), abs=1e-9 * scale(a, b))


@pytest.mark.parametrize("shape", [(7, 7), (3, 9), (9, 3), (1, 4), (0, 5)])
def test_nuclear_norm_is_the_sum_of_singular_values(shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(1).normal(size=shape)
    for method in methods:
        assert nuclear_norm(matrix, method) == pytest.approx(np.linalg.norm(matrix, "nuc") if matrix.size else 0)  # type: ignore[arg-type]


def test_each_clip_has_the_distance_it_has_alone() -> None:
    rng = np.random.default_rng(9)
    music = rng.normal(size=(400, 40))
    clips = [rng.normal(0.1, 1.2, size=(n, 40)).astype(np.float32) for n in (2, 30, 41, 90)]
    distances = per_clip_distances(clips, Gaussian.of_windows(music))
    assert distances == pytest.approx([frechet_audio_distance(clip, music) for clip in clips], rel=1e-9)


def test_a_clip_repeated_is_the_same_distance_scaled_by_its_covariance_alone() -> None:
    """Equal windows have no covariance: what is left is the step and the reference's own variance."""
    music = windows(3, 100, 6)
    still = np.ones((10, 6))
    step = ((1 - music.mean(axis=0)) ** 2).sum()
    assert frechet_audio_distance(still, music) == pytest.approx(step + np.trace(np.cov(music.T)), rel=1e-12)


@pytest.mark.parametrize(
    ("mean", "covariance", "problem"),
    [
        ([np.nan, 0], np.eye(2), "not finite"),
        ([0, 0], [[1, np.inf], [np.inf, 1]], "not finite"),
        ([0, 0], np.eye(3), "shape"),
        ([0, 0], [[1, 2], [2, 1]], "positive semi-definite"),
        ([0, 0], [[1, 0.5], [0, 1]], "symmetric"),
        ([0], [[1]], "2 dimensions|1 and of 2|of 1"),
    ],
)
def test_what_is_no_gaussian_is_refused(mean: object, covariance: object, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        frechet_distance(mean, covariance, [0.0, 0.0], np.eye(2))  # type: ignore[arg-type]


def test_what_are_no_windows_is_refused() -> None:
    good = windows(0, 10, 3)
    spoiled = good.copy()
    spoiled[4, 1] = np.nan
    for bad, problem in (
        (spoiled, "not finite"),
        (good[:1], "2 windows"),
        (good[0], "shape"),
        (good * 1e300, "overflow|finite"),
    ):
        with pytest.raises(DataError, match=problem), np.errstate(over="ignore", invalid="ignore"):
            frechet_audio_distance(bad, good)


def test_a_large_reference_streams_through_in_constant_memory() -> None:
    """100,000 windows that never exist at once; what is held is a chunk and the moments."""
    d, chunk = 64, 2000

    def stream(chunks: int) -> tuple[Moments, int]:
        tracemalloc.start()
        total = Moments.empty(d)
        for number in range(chunks):
            total += Moments.of(np.random.default_rng(number).normal(size=(chunk, d)).astype(np.float32))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return total, peak

    _, small = stream(2)
    total, large = stream(50)
    assert total.n == 100_000
    assert large < 1.05 * small + 100_000 < 8e6
    standard = gaussian_distance(Gaussian.of_moments(total.mean, total.covariance), Gaussian(np.zeros(d), np.eye(d)))
    assert standard == pytest.approx(0, abs=2 * d * (d + 1) / 100_000)


def test_a_genre_of_one_window_has_no_distance() -> None:
    """Its covariance would be 0 / 0; the other genre's is that of its own windows."""
    vectors = windows(3, 6, 4).astype(np.float32)
    numbers = np.arange(6, dtype=np.int64)
    music = EmbeddingSet(vectors, numbers, numbers, "e")
    genres = {0: "choral", **dict.fromkeys(range(1, 6), "jazz")}
    whole = Reference("music", "e", "r", 6, vectors.mean(axis=0), np.cov(vectors.T), music, genres)
    fad = FrechetAudioDistance()
    with pytest.raises(Undefined):
        fad.contributions(Grouped.of(music), whole.of_genre("choral"))
    part = whole.of_genre("jazz")
    np.testing.assert_allclose(part.covariance, np.cov(vectors[1:].T.astype(np.float64)))
    assert fad.contributions(Grouped.of(music), part) is not None
