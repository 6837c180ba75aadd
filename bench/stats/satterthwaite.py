"""Satterthwaite's degrees of freedom of a REML fit, from the curvature of the restricted likelihood."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bench.stats.crossed_reml import Fit, Layout, State
from bench.stats.symmetric_inverse import inverse_and_logarithm

Array = npt.NDArray[np.float64]

# Curvatures below this share of the largest belong to parameters that the ratings do not tell.
_FLAT = 1e-8


class Curvature:
    """The second derivatives of −2 log restricted likelihood at a fit, by its variance parameters.

    The parameters are the entries of the two triangular roots and the residual variance. Where a covariance is
    singular, its own directions have a curvature and no influence on a contrast's variance, so that they drop out.

    Source: Giesbrecht and Burns, "Two-stage analysis based on a mixed model", Biometrics 41 (1985); Kuznetsova,
    Brockhoff and Christensen, "lmerTest package", Journal of Statistical Software 82 (2017), section 2.
    """

    def __init__(self, fit: Fit) -> None:
        self.fit = fit
        layout, residual = fit.layout, fit.residual
        self.levels = layout.shape[1:]
        self.roots = [residual**0.5 * root for root in fit.roots]
        state = State(layout, fit.roots)
        width = layout.effects + 1
        applied = np.concatenate([part.reshape(-1, width) for part in state.applied()]) / residual
        self.applied = applied[:, :-1]  # ZᵀV⁻¹X
        self.pull = applied @ np.append(-fit.effects, 1.0)  # ZᵀPy
        self.projected = _across(layout, state) / residual - self.applied @ fit.covariance @ self.applied.T  # ZᵀPZ
        self.within, _ = inverse_and_logarithm(fit.covariance)  # XᵀV⁻¹X
        self.quadratic = float(layout.count - layout.effects)  # yᵀPy, which the residual variance is made of
        self._directions()

    def _directions(self) -> None:
        """Compute, by entry of the roots, the derivative of its covariance and its effect on random effects."""
        models = self.fit.layout.shape[0]
        lower = list(zip(*np.tril_indices(models), strict=True))
        self.entries = [(group, row, column) for group in (0, 1) for row, column in lower]
        self.changes = np.zeros((len(self.entries), models, models))
        for change, (group, row, column) in zip(self.changes, self.entries, strict=True):
            change[row] += self.roots[group][:, column]
            change[:, row] += self.roots[group][:, column]

    def _blocks(self, matrix: Array) -> tuple[Array, Array]:
        """Split a matrix with random effects as rows into listeners and prompts, as (levels, models, …)."""
        models = self.fit.layout.shape[0]
        cut = self.levels[0] * models
        listener, prompt = (part.reshape(-1, models, *matrix.shape[1:]) for part in np.split(matrix, [cut]))
        return listener, prompt

    def _diagonal(self, matrix: Array) -> list[Array]:
        """Return Σ of the blocks along the diagonal, over listeners and over prompts: shape (models, models) each."""
        models = self.fit.layout.shape[0]
        cut = self.levels[0] * models
        found = []
        for part, count in zip((matrix[:cut, :cut], matrix[cut:, cut:]), self.levels, strict=True):
            blocks = part.reshape(count, models, count, models)
            found.append(np.einsum("lilj->ij", blocks))
        return found

    def _scaled(self, matrix: Array) -> Array:
        """Return the covariance of the random effects times a matrix whose rows they are."""
        parts = [
            np.einsum("ij,lj...->li...", root @ root.T, part)
            for root, part in zip(self.roots, self._blocks(matrix), strict=True)
        ]
        return np.concatenate([part.reshape(-1, *matrix.shape[1:]) for part in parts])

    def hessian(self) -> Array:
        """Return the second derivatives, shape (parameters, parameters).

        In the order of the entries of the listeners' root, of the prompts' root, and the residual variance.
        """
        residual, layout = self.fit.residual, self.fit.layout
        models = layout.shape[0]
        count = len(self.entries)
        pull = self._blocks(self.pull)
        groups = np.array([group for group, _, _ in self.entries])
        changed = np.zeros((count, len(self.pull)))  # the change of the covariance times ZᵀPy
        cut = self.levels[0] * models
        for row, (change, group) in enumerate(zip(self.changes, groups, strict=True)):
            part = (pull[group] @ change).ravel()
            changed[row, slice(None, cut) if group == 0 else slice(cut, None)] = part
        found = np.zeros((count + 1, count + 1))
        paired = self._paired()
        found[:count, :count] = 2 * changed @ self.projected @ changed.T - self._traces(groups, paired)
        slopes = [
            trace - np.einsum("li,lj->ij", part, part)
            for trace, part in zip(self._diagonal(self.projected), pull, strict=True)
        ]
        for i, (group, row, column) in enumerate(self.entries):
            for j, (other, also, same) in enumerate(self.entries):
                if group == other and column == same:
                    found[i, j] += 2 * slopes[group][row, also]
        covariances = [root @ root.T for root in self.roots]
        blocks = self._diagonal(self.projected)
        traces = [  # of the diagonal blocks of ZᵀPPZ, of listeners and of prompts
            (block - sum(np.einsum("ibjc,bc->ij", paired[one, other], covariances[other]) for other in (0, 1)))
            / residual
            for one, block in enumerate(blocks)
        ]
        pulled_twice = (self.pull - self.projected @ self._scaled(self.pull)) / residual  # ZᵀPPy
        for i, (change, group) in enumerate(zip(self.changes, groups, strict=True)):
            found[i, -1] = found[-1, i] = 2 * changed[i] @ pulled_twice - (change * traces[group]).sum()
        freedom = layout.count - layout.effects
        once = (
            freedom - sum(float((c * b).sum()) for c, b in zip(covariances, blocks, strict=True))
        ) / residual  # tr P
        twice = sum(float((c * t).sum()) for c, t in zip(covariances, traces, strict=True))
        squared = (once - twice) / residual  # tr PP
        first = (self.quadratic - float(self.pull @ self._scaled(self.pull))) / residual  # yᵀPPy
        found[-1, -1] = 2 * (first - float(pulled_twice @ self._scaled(self.pull))) / residual - squared
        return found

    def _paired(self) -> dict[tuple[int, int], Array]:
        """Σ over blocks of ZᵀPZ, S, of S[i, b]·S[j, c], by the groups of its rows and columns: shape (i, b, j, c)."""
        models = self.fit.layout.shape[0]
        cut = self.levels[0] * models
        where = (slice(None, cut), slice(cut, None))
        found = {}
        for one in (0, 1):
            for other in (0, 1):
                part = self.projected[where[one], where[other]]
                part = part.reshape(self.levels[one], models, self.levels[other], models)
                flat = part.transpose(1, 3, 0, 2).reshape(models * models, -1)
                found[one, other] = (flat @ flat.T).reshape(models, models, models, models)
        return found

    def _traces(self, groups: npt.NDArray[np.intp], paired: dict[tuple[int, int], Array]) -> Array:
        """Compute tr(P ∂V P ∂V) of all pairs of entries of the roots."""
        found = np.zeros((len(groups), len(groups)))
        for (one, other), products in paired.items():
            mine, theirs = self.changes[groups == one], self.changes[groups == other]
            traces = np.einsum("iab,jcd,bcad->ij", mine, theirs, products, optimize=True)
            found[np.ix_(groups == one, groups == other)] = traces
        return found

    def spread(self) -> Array:
        """Return the covariance of the variance parameters, in the order of `hessian`.

        It is twice the inverse curvature, without flat and falling directions.
        """
        values, vectors = np.linalg.eigh(self.hessian())
        kept = values > _FLAT * max(values.max(), 0.0)
        found: Array = 2 * (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
        return found

    def slope(self, contrast: Array) -> Array:
        """Return derivatives of the variance of a contrast of the fixed effects by the parameters.

        Args:
            contrast: shape (effects,).

        Returns:
            Shape (parameters,), in the order of `hessian`.
        """
        weights = self.fit.covariance @ contrast
        moved = self.applied @ weights  # ZᵀV⁻¹X(XᵀV⁻¹X)⁻¹c
        parts = self._blocks(moved)
        found = [
            float(np.einsum("li,ij,lj->", parts[group], change, parts[group]))
            for change, (group, _, _) in zip(self.changes, self.entries, strict=True)
        ]
        rest = float(weights @ self.within @ weights) - float(moved @ self._scaled(moved))
        return np.array([*found, rest / self.fit.residual])


def _across(layout: Layout, state: State) -> Array:
    """ZᵀV⁻¹Z, V relative to the residual: ZᵀZ − ZᵀZΛA⁻¹ΛᵀZᵀZ, with A⁻¹ in the two parts that `State` holds."""
    models, listeners, prompts = layout.shape
    rows, columns = listeners * models, prompts * models
    by_listener, by_prompt = state.roots
    joint = np.zeros((listeners, models, prompts, models))
    along = np.arange(models)
    joint[:, along, :, along] = layout.present
    flat = joint.reshape(rows, columns)
    # Of the listeners' blocks alone, as if there were no prompts.
    inner = by_listener @ state.block_inverse @ by_listener.T
    counts = layout.counts[0][:, :, None]
    found = np.zeros((rows + columns, rows + columns))
    places = np.arange(listeners)
    own = counts * np.eye(models) - counts * inner * layout.counts[0][:, None, :]
    found[:rows, :rows].reshape(listeners, models, listeners, models)[places, :, places, :] = own
    through = (inner @ joint.reshape(listeners, models, columns)).reshape(rows, columns)
    found[:rows, rows:] = flat - layout.counts[0].reshape(-1, 1) * through
    found[rows:, :rows] = found[:rows, rows:].T
    found[rows:, rows:] = np.diag(layout.counts[1].ravel()) - flat.T @ through
    # What the prompts take away from that: ZᵀZΛ times (F, −1), around the inverse of their system.
    forward = (by_listener @ state.forward).reshape(rows, columns)
    prompts_spread = (flat.reshape(rows, prompts, models) @ by_prompt).reshape(rows, columns)
    upper = layout.counts[0].reshape(-1, 1) * forward - prompts_spread
    lower = flat.T @ forward
    blocks = lower.reshape(prompts, models, prompts, models)
    each = np.arange(prompts)
    blocks[each, :, each, :] -= layout.counts[1][:, :, None] * by_prompt
    edge = np.vstack([upper, lower])
    found -= edge @ state.system_inverse @ edge.T
    return found


def satterthwaite_df(fit: Fit, contrasts: npt.ArrayLike) -> Array:
    """Compute 2 v²/var(v) of each contrast's variance v, at least 1.

    Args:
        fit: of `bench.stats.crossed_reml`.
        contrasts: shape (contrasts, effects).

    Returns:
        Shape (contrasts,); infinite where var(v) is 0.
    """
    _, listeners, prompts = fit.layout.shape
    if prompts > listeners:
        # What `State` takes out block by block should be the larger of both.
        fit = replace(fit, layout=fit.layout.turned(), roots=fit.roots[::-1])
    curvature = Curvature(fit)
    spread = curvature.spread()
    found = []
    for contrast in np.asarray(contrasts, dtype=np.float64):
        slope = curvature.slope(contrast)
        variance = float(contrast @ fit.covariance @ contrast)
        uncertainty = float(slope @ spread @ slope)
        found.append(max(1.0, 2 * variance**2 / uncertainty) if uncertainty > 0 else float("inf"))
    return np.array(found)
