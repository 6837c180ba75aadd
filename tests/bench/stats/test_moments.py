"""Running moments against NumPy's of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.stats.moments import Moments


@given(
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=6),
    dimension=st.integers(1, 5),
    offset=st.sampled_from([0.0, 1e3, 1e6]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_partition_gives_the_moments_of_the_whole(
    sizes: list[int], dimension: int, offset: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    parts = [rng.normal(offset, 1, (size, dimension)) for size in sizes]
    whole = np.concatenate(parts)
    joined = sum((Moments.of(part) for part in parts), Moments.empty(dimension))
    assert joined.n == len(whole)
    if len(whole):
        np.testing.assert_allclose(joined.mean, whole.mean(axis=0), rtol=1e-12, atol=1e-12)
    if len(whole) > 1:
        reference = np.cov(whole, rowvar=False).reshape(dimension, dimension)
        # A large offset costs digits in the input itself; the two-pass sum must lose no more than that.
        np.testing.assert_allclose(joined.covariance, reference, rtol=1e-9, atol=1e-14 * (1 + offset**2) + 1e-12)


def test_blocks_do_not_change_the_result() -> None:
    rows = np.random.default_rng(1).normal(size=(1000, 8)).astype(np.float32)
    once, often = Moments.of(rows), Moments.of(rows, block=7)
    np.testing.assert_allclose(often.mean, once.mean, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(often.scatter, once.scatter, rtol=1e-12, atol=1e-12)


def test_a_constant_far_from_zero_has_no_scatter() -> None:
    moments = Moments.of(np.full((50, 3), 1e8), block=13)
    assert moments.mean.tolist() == [1e8] * 3
    assert not moments.scatter.any()


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        Moments.of([[1.0, np.nan]])
    with pytest.raises(ValueError, match="shape"):
        Moments.of([1.0, 2.0])
    with pytest.raises(ValueError, match="2 rows"):
        _ = Moments.of([[1.0, 2.0]]).covariance
