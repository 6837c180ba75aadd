"""REML for ratings of several models by listeners on prompts, with random effects per model.

y = Xβ + (listener's value for the model) + (prompt's value for the model) + residual. The listeners' values have a free
covariance matrix among the models, and so have the prompts': random intercepts and slopes, all correlated. The
covariances are relative to the residual variance and written as T·Tᵀ with T lower triangular, so that a fit whose
covariance is singular is one like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from bench.stats.symmetric_inverse import inverse_and_logarithm

Array = npt.NDArray[np.float64]

# Relative standard deviations; beyond, the residual is 0 for every purpose.
_LARGEST = 1e4


@dataclass(frozen=True, eq=False)
class Layout:
    """Ratings and fixed effects, with all products needed for a fit.

    Attributes:
        ratings: shape (models, listeners, prompts), 0 where missing.
        present: the same shape, 1 where there is a rating and 0 elsewhere.
        fixed: shape (effects, models, listeners, prompts), 0 where missing; of full rank over the ratings.
    """

    ratings: Array
    present: Array
    fixed: Array

    @classmethod
    def of(cls, ratings: npt.ArrayLike, fixed: npt.ArrayLike) -> Layout:
        """Lay out ratings.

        Args:
            ratings: shape (models, listeners, prompts), NaN where missing.
            fixed: shape (effects, models, listeners, prompts); set to 0 where there is no rating.
        """
        x = np.asarray(ratings, dtype=np.float64)
        present = ~np.isnan(x)
        return cls(np.where(present, x, 0.0), present.astype(np.float64), np.where(present, fixed, 0.0))

    def turned(self) -> Layout:
        """Return the layout with listeners and prompts swapped."""
        return Layout(*(part.swapaxes(-1, -2) for part in (self.ratings, self.present, self.fixed)))

    @property
    def shape(self) -> tuple[int, int, int]:
        """How many models, listeners and prompts there are."""
        models, listeners, prompts = self.present.shape
        return models, listeners, prompts

    @cached_property
    def count(self) -> int:
        """How many ratings there are."""
        return int(self.present.sum())

    @property
    def effects(self) -> int:
        """How many fixed effects there are."""
        return len(self.fixed)

    @cached_property
    def data(self) -> Array:
        """The fixed effects and, last, the ratings: shape (effects + 1, models, listeners, prompts)."""
        return np.concatenate([self.fixed, self.ratings[None]])

    @cached_property
    def sums(self) -> tuple[Array, Array]:
        """ZᵀX and Zᵀy of the listeners and of the prompts, each of shape (levels, models, effects + 1)."""
        return self.data.sum(axis=3).transpose(2, 1, 0), self.data.sum(axis=2).transpose(2, 1, 0)

    @cached_property
    def products(self) -> Array:
        """XᵀX, Xᵀy and yᵀy, shape (effects + 1, effects + 1)."""
        flat = self.data.reshape(len(self.data), -1)
        products: Array = flat @ flat.T
        return products

    @cached_property
    def counts(self) -> tuple[Array, Array]:
        """Ratings of each listener and of each prompt, shape (levels, models) each."""
        return self.present.sum(axis=2).T, self.present.sum(axis=1).T


@dataclass(frozen=True, eq=False)
class Fit:
    """The result of REML.

    Attributes:
        layout: that it was found for.
        roots: T of listeners and of prompts, shape (models, models) each, lower triangular, relative to the residual.
        residual: variance of the residual, > 0.
        effects: β, shape (effects,).
        covariance: of β, shape (effects, effects).
        deviance: −2 × the logarithm of the restricted likelihood.
    """

    layout: Layout
    roots: tuple[Array, Array]
    residual: float
    effects: Array
    covariance: Array
    deviance: float

    @property
    def covariances(self) -> tuple[Array, Array]:
        """Of the listeners' and of the prompts' values among the models, shape (models, models) each."""
        listener, prompt = (self.residual * root @ root.T for root in self.roots)
        return listener, prompt


def fit(layout: Layout) -> Fit:
    """Maximize the restricted likelihood.

    Raises:
        ValueError: there are no more ratings than fixed effects, no maximum was found, or none exists because listeners
            and prompts explain every rating exactly.

    Source: Bates, Mächler, Bolker and Walker, "Fitting linear mixed-effects models using lme4", Journal of Statistical
    Software 67 (2015), sections 3.4 to 3.6.
    """
    from scipy.optimize import minimize

    models, listeners, prompts = layout.shape
    if prompts > listeners:
        # What `State` takes out block by block should be the larger of both.
        other = fit(layout.turned())
        return replace(other, layout=layout, roots=other.roots[::-1])
    lower = np.tril_indices(models)
    size = len(lower[0])
    if layout.count <= layout.effects:
        raise ValueError(f"{layout.count} ratings are too few for {layout.effects} fixed effects and a residual")

    def roots(parameters: Array) -> tuple[Array, Array]:
        found = np.zeros((2, models, models))
        for root, part in zip(found, np.split(parameters, [size]), strict=True):
            root[lower] = part
        return found[0], found[1]

    def objective(parameters: Array) -> tuple[float, Array]:
        state = State(layout, roots(parameters))
        return state.deviance, np.concatenate([part[lower] for part in state.gradient()])

    start = np.tile(0.5 * np.eye(models)[lower], 2)
    # Off the diagonal the start is not 0: there the gradient may be, by symmetry, at a saddle.
    start[start == 0] = 0.05
    try:
        with np.errstate(all="ignore"):
            # scipy's other quasi-Newton method, L-BFGS-B, waits for threads at every step (`symmetric_inverse`).
            found = minimize(objective, start, jac=True, method="BFGS", options={"maxiter": 1000, "gtol": 1e-6})
        state = State(layout, roots(found.x))
    except np.linalg.LinAlgError as error:
        raise ValueError(f"the mixed model did not converge for these {layout.count} ratings") from error
    if not np.isfinite(state.deviance):
        raise ValueError(f"the mixed model did not converge for these {layout.count} ratings")
    spread = float(layout.products[-1, -1]) / layout.count
    if state.residual <= 1e-7 * spread or np.abs(found.x).max() >= _LARGEST:
        raise ValueError("listeners and prompts explain every rating exactly: there is no residual")
    return Fit(
        layout, state.roots, state.residual, state.effects, state.residual * state.inverse, float(state.deviance)
    )


class State:
    """The profiled deviance at given relative covariances, with everything needed for its gradient.

    A = ΛᵀZᵀZΛ + I has a block of models × models for each listener; they are taken out first, which leaves a system
    for the prompts alone (the Schur complement). The deviance is infinite where the ratings leave no residual.

    Args:
        layout: of the ratings.
        roots: as in `Fit`.

    Raises:
        numpy.linalg.LinAlgError: a matrix to be inverted is not positive definite.
    """

    def __init__(self, layout: Layout, roots: tuple[Array, Array]) -> None:
        self.layout, self.roots = layout, roots
        models, listeners, prompts = layout.shape
        by_listener, by_prompt = roots
        size = prompts * models
        unit = np.eye(models)
        blocks = by_listener.T @ (layout.counts[0][:, :, None] * by_listener) + unit
        pairs = (by_listener[:, :, None] * by_prompt[:, None, :]).reshape(models, -1)
        cross = (layout.present.reshape(models, -1).T @ pairs).reshape(listeners, prompts, models, models)
        cross = cross.transpose(0, 2, 1, 3).reshape(listeners, models, size)
        self.block_inverse, of_blocks = inverse_and_logarithm(blocks)
        self.forward = self.block_inverse @ cross  # D⁻¹B, shape (listeners, models, prompts·models)
        flat = self.forward.reshape(-1, size)
        system = -(cross.reshape(-1, size).T @ flat)
        corner = by_prompt.T @ (layout.counts[1][:, :, None] * by_prompt) + unit
        view = system.reshape(prompts, models, prompts, models)
        along = np.arange(prompts)
        view[along, :, along, :] += corner
        self.system_inverse, of_system = inverse_and_logarithm(system)
        right = [root.T @ part for root, part in zip(roots, layout.sums, strict=True)]
        width = layout.effects + 1
        below = right[1].reshape(size, width) - flat.T @ right[0].reshape(-1, width)
        prompt_part = self.system_inverse @ below
        listener_part = self.block_inverse @ right[0] - self.forward @ prompt_part
        # ΛᵀZᵀV⁻¹ of the fixed effects and the ratings, shape (levels, models, effects + 1).
        self.solved = (listener_part, prompt_part.reshape(prompts, models, width))
        products = layout.products - sum(
            one.reshape(-1, width).T @ other.reshape(-1, width) for one, other in zip(right, self.solved, strict=True)
        )
        within = products[:-1, :-1]
        self.inverse, of_effects = inverse_and_logarithm(within)
        self.effects = self.inverse @ products[:-1, -1]
        freedom = layout.count - layout.effects
        left = float(products[-1, -1] - products[:-1, -1] @ self.effects)
        self.residual = left / freedom
        if not left > 0:
            self.deviance = float("inf")
            return
        logarithms = float(of_blocks.sum() + of_system + of_effects)
        self.deviance = logarithms + freedom * (1 + float(np.log(2 * np.pi * self.residual)))

    def gradient(self) -> tuple[Array, Array]:
        """Return derivatives of the deviance by the entries of both roots, shape (models, models) each."""
        layout, (by_listener, by_prompt) = self.layout, self.roots
        models, listeners, prompts = layout.shape
        back = self.forward.reshape(-1, prompts * models) @ self.system_inverse
        back = back.reshape(self.forward.shape)
        joint = back.reshape(listeners, models, prompts, models)
        own = self.block_inverse + back @ self.forward.transpose(0, 2, 1)
        diagonal = self.system_inverse.reshape(prompts, models, prompts, models)
        along = np.arange(prompts)
        theirs = diagonal[along, :, along, :]
        # Σ_l of joint × present, by model: shape (i, j, m)
        shared = np.tensordot(joint, layout.present, axes=([0, 2], [1, 2]))
        listener = ((own @ by_listener.T) * layout.counts[0][:, None, :]).sum(axis=0).T
        listener -= (shared * by_prompt.T).sum(axis=1).T
        prompt = ((theirs @ by_prompt.T) * layout.counts[1][:, None, :]).sum(axis=0).T
        prompt -= (shared * by_listener.T[:, None, :]).sum(axis=0).T
        weight = np.zeros((layout.effects + 1, layout.effects + 1))
        weight[:-1, :-1] = self.inverse
        unexplained = np.append(-self.effects, 1.0)
        weight += np.outer(unexplained, unexplained) / self.residual
        for found, solved, applied in zip((listener, prompt), self.solved, self.applied(), strict=True):
            found -= np.tensordot(applied @ weight, solved, axes=([0, 2], [0, 2]))
        return 2 * listener, 2 * prompt

    def applied(self) -> tuple[Array, Array]:
        """Return ZᵀV⁻¹ of the fixed effects and the ratings, V relative to the residual variance.

        Returns:
            Of listeners and of prompts, shape (levels, models, effects + 1) each.
        """
        layout = self.layout
        spread = [root @ part for root, part in zip(self.roots, self.solved, strict=True)]
        from_prompts = (layout.present @ spread[1].transpose(1, 0, 2)).transpose(1, 0, 2)
        from_listeners = (layout.present.transpose(0, 2, 1) @ spread[0].transpose(1, 0, 2)).transpose(1, 0, 2)
        listener = layout.sums[0] - layout.counts[0][:, :, None] * spread[0] - from_prompts
        prompt = layout.sums[1] - layout.counts[1][:, :, None] * spread[1] - from_listeners
        return listener, prompt
