"""Satterthwaite's degrees of freedom of a REML fit, from the curvature of the restricted likelihood."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.stats.crossed_reml import Fit

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
        layout = fit.layout
        models, listeners, prompts = layout.shape
        residual = fit.residual
        roots = [residual**0.5 * root for root in fit.roots]
        self.levels = (listeners, prompts)
        joint = np.zeros((listeners * models, prompts * models))
        view = joint.reshape(listeners, models, prompts, models)
        for model in range(models):
            view[:, model, :, model] = layout.present[model]
        design = np.block([[np.diag(layout.counts[0].ravel()), joint], [joint.T, np.diag(layout.counts[1].ravel())]])
        spread = [np.kron(np.eye(count), root) for count, root in zip(self.levels, roots, strict=True)]
        cut = listeners * models

        def spread_right(matrix: Array) -> Array:
            return np.hstack([matrix[:, :cut] @ spread[0], matrix[:, cut:] @ spread[1]])

        half = spread_right(design)
        system = np.vstack([spread[0].T @ half[:cut], spread[1].T @ half[cut:]])
        system[np.diag_indices_from(system)] += residual
        sums = np.concatenate([part.reshape(-1, layout.effects + 1) for part in layout.sums])
        pulled = np.concatenate([spread[0].T @ sums[:cut], spread[1].T @ sums[cut:]])
        solved = np.linalg.solve(system, np.hstack([half.T, pulled]))
        size = len(design)
        # ZᵀV⁻¹Z, and ZᵀV⁻¹ of the fixed effects and the ratings
        across = (design - half @ solved[:, :size]) / residual
        applied = (sums - half @ solved[:, size:]) / residual
        self.applied = applied[:, :-1]
        products = (layout.products - pulled.T @ solved[:, size:]) / residual
        unexplained = np.append(-fit.effects, 1.0)
        self.pull = applied @ unexplained  # ZᵀPy
        self.projected = across - self.applied @ fit.covariance @ self.applied.T  # ZᵀPZ
        self.within = products[:-1, :-1]  # XᵀV⁻¹X
        self.quadratic = float(products[-1] @ unexplained)  # yᵀPy
        self.roots = roots
        self._directions()

    def _directions(self) -> None:
        """By each entry of the roots: the derivative of its covariance, and what that does to the random effects."""
        models = self.fit.layout.shape[0]
        lower = list(zip(*np.tril_indices(models), strict=True))
        self.entries = [(group, row, column) for group in (0, 1) for row, column in lower]
        self.changes = np.zeros((len(self.entries), models, models))
        for change, (group, row, column) in zip(self.changes, self.entries, strict=True):
            change[row] += self.roots[group][:, column]
            change[:, row] += self.roots[group][:, column]

    def _blocks(self, matrix: Array) -> tuple[Array, Array]:
        """The parts of listeners and of prompts of a matrix whose rows are random effects, as (levels, models, …)."""
        models = self.fit.layout.shape[0]
        cut = self.levels[0] * models
        listener, prompt = (part.reshape(-1, models, *matrix.shape[1:]) for part in np.split(matrix, [cut]))
        return listener, prompt

    def _diagonal(self, matrix: Array) -> list[Array]:
        """Σ of the blocks along the diagonal, over listeners and over prompts: shape (models, models) each."""
        models = self.fit.layout.shape[0]
        cut = self.levels[0] * models
        found = []
        for part, count in zip((matrix[:cut, :cut], matrix[cut:, cut:]), self.levels, strict=True):
            blocks = part.reshape(count, models, count, models)
            found.append(np.einsum("lilj->ij", blocks))
        return found

    def _scaled(self, matrix: Array) -> Array:
        """The covariance of the random effects times a matrix whose rows they are."""
        parts = [
            np.einsum("ij,lj...->li...", root @ root.T, part)
            for root, part in zip(self.roots, self._blocks(matrix), strict=True)
        ]
        return np.concatenate([part.reshape(-1, *matrix.shape[1:]) for part in parts])

    def hessian(self) -> Array:
        """Shape (parameters, parameters), the residual variance last."""
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
        found[:count, :count] = 2 * changed @ self.projected @ changed.T - self._traces(groups)
        slopes = [
            trace - np.einsum("li,lj->ij", part, part)
            for trace, part in zip(self._diagonal(self.projected), pull, strict=True)
        ]
        for i, (group, row, column) in enumerate(self.entries):
            for j, (other, also, same) in enumerate(self.entries):
                if group == other and column == same:
                    found[i, j] += 2 * slopes[group][row, also]
        twice = (self.projected - self.projected @ self._scaled(self.projected)) / residual  # ZᵀPPZ
        pulled_twice = (self.pull - self.projected @ self._scaled(self.pull)) / residual  # ZᵀPPy
        traces = self._diagonal(twice)
        for i, (change, group) in enumerate(zip(self.changes, groups, strict=True)):
            found[i, -1] = found[-1, i] = 2 * changed[i] @ pulled_twice - (change * traces[group]).sum()
        freedom = layout.count - layout.effects
        once = (freedom - np.trace(self._scaled(self.projected))) / residual  # tr P
        squared = (once - np.trace(self._scaled(twice))) / residual  # tr PP
        first = (self.quadratic - float(self.pull @ self._scaled(self.pull))) / residual  # yᵀPPy
        found[-1, -1] = 2 * (first - float(pulled_twice @ self._scaled(self.pull))) / residual - squared
        return found

    def _traces(self, groups: npt.NDArray[np.intp]) -> Array:
        """tr(P ∂V P ∂V) of all pairs of entries of the roots."""
        models = self.fit.layout.shape[0]
        cut = self.levels[0] * models
        where = (slice(None, cut), slice(cut, None))
        found = np.zeros((len(groups), len(groups)))
        for one in (0, 1):
            for other in (0, 1):
                part = self.projected[where[one], where[other]]
                part = part.reshape(self.levels[one], models, self.levels[other], models)
                flat = part.transpose(1, 3, 0, 2).reshape(models * models, -1)
                paired = (flat @ flat.T).reshape(models, models, models, models)  # b, c, a, d
                mine, theirs = self.changes[groups == one], self.changes[groups == other]
                traces = np.einsum("iab,jcd,bcad->ij", mine, theirs, paired, optimize=True)
                found[np.ix_(groups == one, groups == other)] = traces
        return found

    def spread(self) -> Array:
        """Covariance of the variance parameters: twice the inverse curvature, without flat and falling directions."""
        values, vectors = np.linalg.eigh(self.hessian())
        kept = values > _FLAT * max(values.max(), 0.0)
        found: Array = 2 * (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
        return found

    def slope(self, contrast: Array) -> Array:
        """Derivatives of the variance of a contrast of the fixed effects by the parameters."""
        weights = self.fit.covariance @ contrast
        moved = self.applied @ weights  # ZᵀV⁻¹X(XᵀV⁻¹X)⁻¹c
        parts = self._blocks(moved)
        found = [
            float(np.einsum("li,ij,lj->", parts[group], change, parts[group]))
            for change, (group, _, _) in zip(self.changes, self.entries, strict=True)
        ]
        rest = float(weights @ self.within @ weights) - float(moved @ self._scaled(moved))
        return np.array([*found, rest / self.fit.residual])


def satterthwaite_df(fit: Fit, contrasts: npt.ArrayLike) -> Array:
    """2 v²/var(v) of each contrast's variance v, at least 1.

    Args:
        fit: of `bench.stats.crossed_reml`.
        contrasts: shape (contrasts, effects).

    Returns:
        shape (contrasts,).
    """
    curvature = Curvature(fit)
    spread = curvature.spread()
    found = []
    for contrast in np.asarray(contrasts, dtype=np.float64):
        slope = curvature.slope(contrast)
        variance = float(contrast @ fit.covariance @ contrast)
        uncertainty = float(slope @ spread @ slope)
        found.append(max(1.0, 2 * variance**2 / uncertainty) if uncertainty > 0 else float("inf"))
    return np.array(found)
