"""The crossed F-test: test whether several models differ, for new listeners and new prompts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class CrossedF(NamedTuple):
    """F with its degrees of freedom and p; ``sphericity`` is ε, from 1/(k − 1) to 1, which reduced both df."""

    f: float
    df_models: float
    df_error: float
    p: float
    sphericity: float


def crossed_f_test(ratings: npt.ArrayLike) -> CrossedF:
    """Test all models at once: with two models it is the square of `bench.stats.crossed.crossed_t_test`.

    In k − 1 orthonormal contrasts of the models, L, I and E are the mean-square matrices of listeners, prompts and
    residual. F = N·M·|mean|²/tr V with V = L + I − E, or L or I where its trace is larger (the floor of the crossed t).
    The df are Satterthwaite's of the trace, df₁ = ε(k−1) and df₂ = ε(k−1)·df, with Box's ε = (tr V)²/((k−1) tr V²) for
    models that listeners or prompts disagree about unequally.

    Args:
        ratings: shape (models, listeners, prompts), complete, at least 2 of each.

    Raises:
        ValueError: a rating is missing or infinite, fewer than two models, listeners or prompts, or nothing varies.

    Source: Clark, "The language-as-fixed-effect fallacy", Journal of Verbal Learning and Verbal Behavior 12 (1973), for
    the quasi-F; Greenhouse and Geisser, "On methods in the analysis of profile data", Psychometrika 24 (1959), for ε.
    """
    from scipy.special import fdtrc

    x = np.asarray(ratings, dtype=np.float64)
    if x.ndim != 3 or min(x.shape) < 2:
        raise ValueError(f"at least two models, two listeners and two prompts are needed, got {x.shape}")
    if np.isinf(x).any():
        raise ValueError("an infinite value is not a rating")
    if np.isnan(x).any():
        raise ValueError("ratings are missing: the test of all models at once needs every listener's of every clip")
    models, listeners, prompts = x.shape
    z = np.moveaxis(x, 0, -1) @ orthonormal_contrasts(models)
    grand, rows, columns = z.mean(axis=(0, 1)), z.mean(axis=1), z.mean(axis=0)
    rest = z - rows[:, None] - columns + grand
    df_rows, df_columns = listeners - 1, prompts - 1
    of_listeners = prompts * _squares(rows - grand) / df_rows
    of_prompts = listeners * _squares(columns - grand) / df_columns
    of_rest = _squares(rest.reshape(-1, models - 1)) / (df_rows * df_columns)
    L, I, E = (float(np.trace(part)) for part in (of_listeners, of_prompts, of_rest))  # noqa: E741, the formula's names
    nothing = 1e-20 * float((x**2).mean())
    if L + I + E <= nothing:  # noqa: SIM300, the names are not constants
        raise ValueError(
            "every listener and every prompt shows the same differences: there is no variance to test against"
        )
    if max(L, I) <= L + I - E and L + I > 0:
        spread = of_listeners + of_prompts - of_rest
        df = (L + I - E) ** 2 / (L**2 / df_rows + I**2 / df_columns + E**2 / (df_rows * df_columns))
    elif max(L, I) > 0:
        spread, df = (of_listeners, float(df_rows)) if L >= I else (of_prompts, float(df_columns))
    else:
        spread, df = of_rest, float(df_rows * df_columns)
    total = float(np.trace(spread))
    contrasts = models - 1
    sphericity = float(np.clip(total**2 / (contrasts * np.trace(spread @ spread)), 1 / contrasts, 1.0))
    f = listeners * prompts * float(grand @ grand) / total
    df_models, df_error = sphericity * contrasts, sphericity * contrasts * df
    return CrossedF(f, df_models, df_error, float(fdtrc(df_models, df_error, f)), sphericity)


def orthonormal_contrasts(models: int) -> Array:
    """Return orthonormal contrasts (Helmert's), one a column: shape (models, models − 1)."""
    helmert = (np.triu(np.ones((models, models))) - np.diag(np.arange(1.0, models), -1))[:, : models - 1]
    contrasts: Array = helmert / np.linalg.norm(helmert, axis=0)
    return contrasts


def _squares(deviations: Array) -> Array:
    squares: Array = deviations.T @ deviations
    return squares
