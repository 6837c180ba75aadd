"""The two-way layout, listeners × prompts with one value a cell: its mean squares, and the variance of its mean."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class Components(NamedTuple):
    """Estimated variances, each ≥ 0 and in squared rating steps: between listeners, between prompts, and the rest."""

    listener: float
    prompt: float
    residual: float


class Solution(NamedTuple):
    """A mean, its variance and degrees of freedom, whether the floor bound, and the variance components."""

    estimate: float
    variance: float
    df: float
    floored: bool
    components: Components


class MeanSquares(NamedTuple):
    """The mean squares of a two-way layout with one value a cell, each of the layout's leading shape."""

    listener: Array
    prompt: Array
    residual: Array


class Spread(NamedTuple):
    """Variance of the grand mean, its degrees of freedom, and whether the floor bound; each of the leading shape."""

    variance: Array
    df: Array
    floored: npt.NDArray[np.bool_]


def solve_complete(values: Array) -> Solution:
    """Return the closed form for one complete layout, shape (listeners, prompts) with at least 2 of each."""
    listeners, prompts = values.shape
    squares = mean_squares(values)
    spread = crossed_spread(squares, listeners, prompts)
    L, I, E = map(float, squares)  # noqa: E741, the names of the formula
    components = Components(max(0.0, (L - E) / prompts), max(0.0, (I - E) / listeners), E)
    return Solution(float(values.mean()), float(spread.variance), float(spread.df), bool(spread.floored), components)


def mean_squares(values: Array) -> MeanSquares:
    """Return mean squares of complete layouts, shape (…, listeners, prompts) with at least 2 of each.

    L = M Σ(x̄ᵢ. − x̄)²/(N−1), I = N Σ(x̄.ⱼ − x̄)²/(M−1), E = Σ(xᵢⱼ − x̄ᵢ. − x̄.ⱼ + x̄)²/((N−1)(M−1)).
    """
    listeners, prompts = values.shape[-2:]
    grand = values.mean(axis=(-2, -1), keepdims=True)
    rows = values.mean(axis=-1, keepdims=True) - grand
    columns = values.mean(axis=-2, keepdims=True) - grand
    residual = values - (grand + rows)
    residual -= columns
    # What is left of equal values after rounding is no variance.
    noise = 1e-24 * _sum_of_squares(values) / (listeners * prompts)
    squares = (
        prompts * _sum_of_squares(rows) / (listeners - 1),
        listeners * _sum_of_squares(columns) / (prompts - 1),
        _sum_of_squares(residual) / ((listeners - 1) * (prompts - 1)),
    )
    return MeanSquares(*(np.where(square <= noise, 0.0, square) for square in squares))


def crossed_spread(squares: MeanSquares, listeners: int, prompts: int) -> Spread:
    """Return variance of the grand mean and its df: V = max(L + I − E, L, I)/(N·M).

    L + I − E estimates it without bias, but can be too small, even negative, by chance; the floor keeps the size of the
    test. The df are Satterthwaite's, (L+I−E)²/(L²/(N−1) + I²/(M−1) + E²/((N−1)(M−1))) but at least 1, or N−1 or M−1
    where L or I is the floor (the smaller where both are). Where all listener means and all prompt means are equal, E
    is all there is. With two or three listeners who differ strongly, Satterthwaite's approximation is strained: the
    size at level .05 then reaches .11 and .08.

    Args:
        squares: of one layout or many.
        listeners, prompts: how many a layout has, N and M, each 2 or more.

    Source: Satterthwaite, "An approximate distribution of estimates of variance components", Biometrics 2 (1946).
    """
    L, I, E = squares  # noqa: E741, the names of the formula
    rows, columns = listeners - 1, prompts - 1
    unbiased = L + I - E
    flat = (L == 0) & (I == 0)
    # Equal mean squares are common in ratings, and rounding must not decide between them.
    equal = np.abs(L - I) <= 1e-9 * np.maximum(L, I)
    free = ~flat & (np.minimum(L, I) * (1 + 1e-9) >= E)
    with np.errstate(divide="ignore", invalid="ignore"):
        satterthwaite = np.maximum(unbiased**2 / (L**2 / rows + I**2 / columns + E**2 / (rows * columns)), 1.0)
    floor_df = np.where(equal, min(rows, columns), np.where(L > I, rows, columns))
    variance = np.where(free, unbiased, np.where(flat, E, np.maximum(L, I))) / (listeners * prompts)
    df = np.where(free, satterthwaite, np.where(flat, rows * columns, floor_df))
    return Spread(variance, df, ~free)


def _sum_of_squares(layout: Array) -> Array:
    total: Array = np.einsum("...ij,...ij->...", layout, layout)
    return total
