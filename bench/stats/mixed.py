"""The mean of listener × prompt values with cells missing: a mixed model by REML, and a floor under its variance."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.stats.crossed_reml import Layout, fit
from bench.stats.satterthwaite import satterthwaite_df
from bench.stats.two_way import Components, Solution, solve_complete

Array = npt.NDArray[np.float64]


def mixed_mean(values: npt.ArrayLike) -> Solution:
    """Fit ``x ~ 1 + (1|listener) + (1|prompt)`` by REML with missing cells.

    The estimate is Σ wᵢⱼ xᵢⱼ with the generalized least squares weights w (they add up to 1). Its variance is the
    largest of REML's 1/(1ᵀΣ⁻¹1), with Satterthwaite's df, and of two floors that hold whatever REML makes of the
    components: Σᵢ rᵢ²/(1 − Wᵢ) over the listeners, with Wᵢ = Σⱼ wᵢⱼ and rᵢ = Σⱼ wᵢⱼ(xᵢⱼ − estimate), and the same over
    the prompts, with 1/ΣWᵢ² − 1 df. On complete data the floors are L/(N·M) and I/(N·M) with N − 1 and M − 1 df, those
    of `bench.stats.crossed`. REML needs them: it sets small components to 0, and then its df are those of all ratings.
    Where listener and prompt account for every value exactly, so do they for the missing ones, and the closed form
    holds.

    Args:
        values: shape (listeners, prompts), NaN where missing, at least one value in each row and column.

    Raises:
        ValueError: too few cells to tell listeners, prompts and residual apart, or no solution.

    Source: Kuznetsova, Brockhoff and Christensen, "lmerTest package: tests in linear mixed effects models", Journal of
    Statistical Software 82 (2017); Bell and McCaffrey, "Bias reduction in standard errors for linear regression with
    multi-stage samples", Survey Methodology 28 (2002) for the floors.
    """
    x = np.asarray(values, dtype=np.float64)
    present = ~np.isnan(x)
    listeners, prompts = x.shape
    if present.sum() < listeners + prompts:
        raise ValueError(
            f"{present.sum()} values are too few for {listeners} listeners and {prompts} prompts; at least "
            f"{listeners + prompts} are needed to separate their effects from the residual"
        )
    if (additive := _additive(x, present)) is not None:
        return solve_complete(additive)
    components, df = _reml(x)
    weights, variance = _generalised_weights(present, components)
    filled = np.where(present, x, 0.0)
    estimate = float((weights * filled).sum())
    pulls = weights * (filled - estimate)
    bounds = [(variance, df), *(_floor(weights.sum(axis), pulls.sum(axis)) for axis in (1, 0))]
    largest = max(range(3), key=lambda i: bounds[i][0])
    return Solution(estimate, *bounds[largest], largest > 0, components)


def _additive(x: Array, present: npt.NDArray[np.bool_]) -> Array | None:
    """Return the complete layout of listener effect + prompt effect, if it fits the values exactly."""
    rows, columns = np.nonzero(present)
    layout = np.hstack([np.eye(len(x))[rows], np.eye(x.shape[1])[columns]])
    effects, _, rank, _ = np.linalg.lstsq(layout, x[present], rcond=None)
    if rank < len(effects) - 1 or np.abs(layout @ effects - x[present]).max() > 1e-9 * np.ptp(x[present]):
        return None
    complete: Array = effects[: len(x), None] + effects[len(x) :]
    return complete


def _floor(shares: Array, pulls: Array) -> tuple[float, float]:
    """Return variance of the mean, and its df, if whole listeners (or whole prompts) are all that is independent."""
    variance = float((pulls**2 / (1 - shares)).sum())
    return variance, max(1.0, 1 / float((shares**2).sum()) - 1)


def _generalised_weights(present: npt.NDArray[np.bool_], components: Components) -> tuple[Array, float]:
    """Return weights Σ⁻¹1/(1ᵀΣ⁻¹1), in the layout's shape, and the variance 1/(1ᵀΣ⁻¹1).

    By the matrix inversion lemma the system has listeners + prompts unknowns, not one a cell.
    """
    # A residual of exactly 0 has no inverse; this one is 0 for every purpose.
    residual = max(components.residual, 1e-9 * sum(components))
    spread = np.sqrt(np.repeat([components.listener, components.prompt], present.shape) / residual)
    counts = np.concatenate([present.sum(axis=1), present.sum(axis=0)]).astype(np.float64)
    overlap = np.diag(counts)
    overlap[: len(present), len(present) :] = present
    overlap[len(present) :, : len(present)] = present.T
    system = np.eye(len(counts)) + spread[:, None] * overlap * spread
    taken = spread * np.linalg.solve(system, spread * counts)
    rows, columns = np.split(taken, [len(present)])
    weights = np.where(present, 1 - rows[:, None] - columns, 0.0)
    total = float(weights.sum())
    return weights / total, residual / total


def _reml(x: Array) -> tuple[Components, float]:
    """Return variance components and Satterthwaite's df of the mean."""
    # Without the rating's unit the optimiser's tolerances mean the same on every scale.
    unit = float(np.nanstd(x))
    found = fit(Layout.of(((x - np.nanmean(x)) / unit)[None], np.ones((1, 1, *x.shape))))
    listener, prompt = (float(part[0, 0]) * unit**2 for part in found.covariances)
    return Components(listener, prompt, found.residual * unit**2), float(satterthwaite_df(found, [[1.0]])[0])
