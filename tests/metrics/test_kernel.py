"""Kernel audio distance: closed forms, 40-digit arithmetic, kadtk's formula, and bounded memory."""

from __future__ import annotations

import tracemalloc

import mpmath
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, pdist

from bench.errors import DataError, UsageError
from metrics import median_distance as median_module
from metrics import pairwise
from metrics.kernel import kernel_audio_distance
from metrics.kernel_sums import kernel_sums_across, kernel_sums_between
from metrics.median_distance import median_distance

Array = npt.NDArray[np.float64]
relaxed = settings(deadline=None, max_examples=40)
seeds = st.integers(0, 2**32 - 1)


def windows(seed: int, n: int, d: int, offset: float = 0.0) -> Array:
    return np.random.default_rng(seed).normal(offset, 1, (n, d))


def whole_matrices(x: Array, y: Array, sigma: float, same_x: Array | None = None, same_y: Array | None = None) -> float:
    """The definition, every pair at once; ``same`` marks the pairs that are left out."""

    def kernel(a: Array, b: Array) -> Array:
        return np.exp(-cdist(a, b, "sqeuclidean") / (2 * sigma**2))

    def own(a: Array, same: Array | None) -> float:
        return float(kernel(a, a)[~(np.eye(len(a), dtype=bool) if same is None else same)].mean())

    return 100 * (own(x, same_x) + own(y, same_y) - 2 * float(kernel(x, y).mean()))


def kadtk(x: npt.NDArray[np.float32], y: npt.NDArray[np.float32]) -> float:
    """`calc_kernel_audio_distance` of kadtk with its defaults: x the reference, y the evaluated set, all in float32."""
    distances = np.sort(pdist(y).astype(np.float32))
    gamma = np.float32(1 / (2 * float(distances[(len(distances) - 1) // 2]) ** 2 + 1e-8))

    def kernel(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        squares = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None, :] - 2 * a @ b.T
        return np.exp(-gamma * squares)

    def own(a: npt.NDArray[np.float32]) -> float:
        matrix = kernel(a, a)
        return float((matrix - np.diag(np.diag(matrix))).sum()) / (len(a) * (len(a) - 1))

    return 100 * (own(x) + own(y) - 2 * float(kernel(x, y).mean()))


def in_forty_digits(x: Array, y: Array) -> float:
    with mpmath.workdps(40):

        def squared(a: Array, b: Array) -> mpmath.mpf:
            return mpmath.fsum((mpmath.mpf(float(p)) - mpmath.mpf(float(q))) ** 2 for p, q in zip(a, b, strict=True))

        distances = sorted(mpmath.sqrt(squared(y[i], y[j])) for i in range(len(y)) for j in range(i))
        sigma = (distances[(len(distances) - 1) // 2] + distances[len(distances) // 2]) / 2

        def mean(a: Array, b: Array, own: bool) -> mpmath.mpf:
            values = [
                mpmath.exp(-squared(p, q) / (2 * sigma**2))
                for i, p in enumerate(a)
                for j, q in enumerate(b)
                if not (own and i == j)
            ]
            return mpmath.fsum(values) / len(values)

        return float(100 * (mean(x, x, True) + mean(y, y, True) - 2 * mean(x, y, False)))


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_agrees_with_forty_digits(offset: float) -> None:
    x, y = windows(1, 13, 5, offset), windows(2, 16, 5, offset)
    scale = ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum() + np.trace(np.cov(x.T)) + np.trace(np.cov(y.T))
    assert kernel_audio_distance(x, y) == pytest.approx(in_forty_digits(x, y), abs=1e-9 * scale)


def test_two_points_a_side_by_hand() -> None:
    """Distances 2 within each set and 1 or 3 across, σ = 2."""
    across = (2 * np.exp(-1 / 8) + np.exp(-1 / 8) + np.exp(-9 / 8)) / 4
    assert kernel_audio_distance([[0.0], [2.0]], [[1.0], [3.0]]) == pytest.approx(100 * (2 * np.exp(-0.5) - 2 * across))


def test_is_near_what_gaussians_have_in_the_limit() -> None:
    """Two standard normals a step apart: 200 (s/(s + 2))^(d/2) · (1 − exp(−step²/(2(s + 2)))) with s = σ²."""
    d, step, sigma = 4, 1.5, 2.0
    x, y = windows(1, 4000, d), windows(2, 4000, d)
    x[:, 0] += step
    s = sigma**2
    expected = 200 * (s / (s + 2)) ** (d / 2) * (1 - np.exp(-(step**2) / (2 * (s + 2))))
    assert kernel_audio_distance(x, y, bandwidth=sigma) == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("n", [40, 41, 42, 43])
def test_agrees_with_kadtks_formula(n: int) -> None:
    """Its median is the lower one and taken from the evaluated set; the function takes the mean of the middle two."""
    x, y = windows(1, 60, 16).astype(np.float32), windows(n, n, 16, 0.2).astype(np.float32)
    lower = median_distance(y, lower=True)
    assert kernel_audio_distance(y, x, bandwidth=lower) == pytest.approx(kadtk(x, y), abs=1e-3)
    assert kernel_audio_distance(y, x, bandwidth="evaluated") == pytest.approx(kadtk(x, y), abs=0.05)
    assert kernel_audio_distance(y, x, bandwidth="evaluated") == pytest.approx(
        whole_matrices(y.astype(float), x.astype(float), np.median(pdist(y.astype(float)))), abs=1e-9
    )


@relaxed
@given(seeds, st.integers(3, 30), st.integers(3, 30), st.integers(1, 8), st.floats(0.1, 10))
def test_laws(seed: int, n: int, m: int, d: int, stretch: float) -> None:
    x, y = windows(seed, n, d), windows(seed + 1, m, d, 0.5)
    value = kernel_audio_distance(x, y, bandwidth=1.5)
    rng = np.random.default_rng(seed)
    turn, shift = np.linalg.qr(rng.normal(size=(d, d)))[0], rng.normal(size=d)
    near = pytest.approx(value, abs=1e-10)
    assert -100 <= value <= 200
    assert kernel_audio_distance(y, x, bandwidth=1.5) == near
    assert kernel_audio_distance(x @ turn + shift, y @ turn + shift, bandwidth=1.5) == near
    assert kernel_audio_distance(rng.permutation(x), rng.permutation(y), bandwidth=1.5) == near
    assert kernel_audio_distance(x * stretch, y * stretch) == pytest.approx(kernel_audio_distance(x, y), abs=1e-9)
    assert value == pytest.approx(whole_matrices(x, y, 1.5), abs=1e-10)


@relaxed
@given(seeds, st.integers(6, 40))
def test_pairs_within_a_group_do_not_count(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = windows(seed, n, 3), windows(seed + 1, n, 3)
    a, b = np.r_[0, 1, rng.integers(0, 4, n - 2)], np.r_[0, 1, rng.integers(0, 4, n - 2)]
    value = kernel_audio_distance(x, y, 2.0, groups_evaluated=a, groups_reference=[f"song {g}" for g in b])
    expected = whole_matrices(x, y, 2.0, a[:, None] == a, b[:, None] == b)
    assert value == pytest.approx(expected, abs=1e-10)
    alone = kernel_audio_distance(x, y, 2.0, groups_evaluated=np.arange(n))
    assert alone == pytest.approx(kernel_audio_distance(x, y, 2.0), abs=1e-10)


@pytest.mark.parametrize("shape", [(7, 5), (16, 16), (64, 8), (1000, 1000)])
def test_blocks_do_not_change_the_sums(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairwise, "ROWS", shape[0])
    monkeypatch.setattr(pairwise, "COLUMNS", shape[1])
    x, y = windows(1, 90, 6), windows(2, 70, 6)
    starts = np.array([0, 1, 17, 30, 31, 80])
    unit = np.repeat(np.arange(6), np.diff(starts, append=90))
    one_hot = np.eye(6)[unit]
    own, across = np.exp(-cdist(x, x, "sqeuclidean") / 8), np.exp(-cdist(x, y, "sqeuclidean") / 8)
    np.fill_diagonal(own, 0)
    whole, labels = np.zeros(1, dtype=np.int64), np.sort(np.arange(90) % 7)
    apart = own * (labels[:, np.newaxis] != labels)
    assert kernel_sums_between(x, whole, 2.0, labels)[0, 0] == pytest.approx(apart.sum(), rel=1e-13)
    np.testing.assert_allclose(kernel_sums_between(x, starts, 2.0), one_hot.T @ own @ one_hot, rtol=1e-12)
    np.testing.assert_allclose(kernel_sums_between(x, starts, 2.0, labels), one_hot.T @ apart @ one_hot, rtol=1e-12)
    b_starts, of_y = np.array([0, 3, 40]), np.sort(np.arange(70) % 5)
    b_hot = np.eye(3)[np.repeat(np.arange(3), np.diff(b_starts, append=70))]
    found = kernel_sums_across(x, starts, y, b_starts, 2.0, (labels, of_y))
    expected = one_hot.T @ (across * (labels[:, np.newaxis] != of_y)) @ b_hot
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert median_distance(x) == pytest.approx(np.median(pdist(x)), rel=1e-13)


def test_memory_does_not_grow_with_the_pairs() -> None:
    """All pairs of 6,000 windows would be 288 MB."""
    x, y = windows(1, 6000, 32).astype(np.float32), windows(2, 6000, 32).astype(np.float32)
    tracemalloc.start()
    value = kernel_audio_distance(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    assert value == pytest.approx(0, abs=0.1)


def sets_of_windows() -> dict[str, Array]:
    rng = np.random.default_rng(8)
    outlier = rng.normal(size=(300, 4))
    outlier[7] = 1e6
    two = np.zeros((300, 2))
    two[:150] = 1
    mostly = np.zeros((300, 1))
    mostly[:2] = [[1e-9], [5]]
    return {
        "normal": rng.normal(size=(300, 20)),
        "float32": rng.normal(10, 1, size=(301, 20)).astype(np.float32),
        "outlier": outlier,
        "ties": rng.integers(0, 3, size=(300, 2)).astype(float),
        "two values": two,
        "one value": np.ones((300, 3)),
        "mostly one value": mostly,
        "gap in the middle": np.r_[np.zeros(2), [1.0, 1e-3]][:, None],
        "tiny": 1e-30 * rng.normal(size=(300, 2)),
        "few": rng.normal(size=(4, 2)),
    }


@pytest.mark.parametrize("kept", [700, 6000, 2_000_000], ids=["narrowed", "rounded", "whole"])
@pytest.mark.parametrize("name", sets_of_windows())
def test_the_median_is_exact(name: str, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(median_module, "KEPT", kept)
    x = sets_of_windows()[name]
    distances = np.sort(pdist(x.astype(float)))
    rounding = 1e-14 * float(np.abs(x).max())
    assert median_distance(x) == pytest.approx(np.median(distances), rel=1e-12, abs=rounding)
    lower = distances[(len(distances) - 1) // 2]
    assert median_distance(x, lower=True) == pytest.approx(lower, rel=1e-12, abs=rounding)


@pytest.mark.slow
def test_the_median_of_many_is_exact() -> None:
    """Through the pass in float32, whose result must not show it."""
    x = np.random.default_rng(1).normal(3, 1, (4000, 64)).astype(np.float32)
    distances = np.partition(pdist(x.astype(float)), (7_998_000 // 2 - 1, 7_998_000 // 2))
    assert median_module._by_rounded(x, 7_998_000 // 2 - 1) is not None
    middle = distances[7_998_000 // 2 - 1], distances[7_998_000 // 2]
    assert median_distance(x, lower=True) == pytest.approx(middle[0], rel=1e-14)
    assert median_distance(x) == pytest.approx(sum(middle) / 2, rel=1e-14)


def test_what_has_no_distance_is_refused() -> None:
    x = windows(0, 10, 3)
    spoiled = x.copy()
    spoiled[2, 1] = np.inf
    for a, b, problem in (
        (spoiled, x, "evaluated set.*not finite"),
        (x, spoiled, "reference.*not finite"),
        (x, x[:, :2], "3 and of 2 dimensions"),
        (x[:1], x, "evaluated set .*2 windows"),
        (x, x[:1], "2 windows .*got 1"),
        (x, np.ones((9, 3)), "same embedding"),
        (x[:0], x, "shape"),
        (x[0], x, "shape"),
    ):
        with pytest.raises(DataError, match=problem):
            kernel_audio_distance(a, b)
    with pytest.raises(DataError, match=r"evaluated set .*\b2 windows"):
        kernel_audio_distance(x, x, groups_evaluated=np.zeros(10))
    with pytest.raises(DataError, match=r"reference .*\b10 windows.*\(2,\)"):
        kernel_audio_distance(x, x, groups_reference=[1, 2])
    with pytest.raises(DataError, match="bandwidth is -1"):
        kernel_audio_distance(x, x, bandwidth=-1.0)
    with pytest.raises(UsageError, match=r"'median'.*'reference', 'evaluated'"):
        kernel_audio_distance(x, x, bandwidth="median")  # type: ignore[arg-type]


def test_constant_clips_are_as_far_as_can_be() -> None:
    value = kernel_audio_distance(np.full((20, 3), 1e3), windows(0, 30, 3))
    own = whole_matrices(np.full((20, 3), 1e3), windows(0, 30, 3), np.median(pdist(windows(0, 30, 3))))
    assert value == pytest.approx(own, abs=1e-9)
    assert value > 100
