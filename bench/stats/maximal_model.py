"""The maximal mixed model of several models' ratings: it uses all ratings, whatever cells are missing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.stats.crossed import CrossedTest
from bench.stats.crossed_f import CrossedF, orthonormal_contrasts
from bench.stats.crossed_reml import Fit, Layout, fit
from bench.stats.satterthwaite import satterthwaite_df
from bench.stats.two_way import Components

Array = npt.NDArray[np.float64]

_CONSTANT = 1e-12  # share of the ratings' size below which they do not vary


def maximal_t_test(
    a: npt.ArrayLike, b: npt.ArrayLike, confidence: float = 0.95, covariate: npt.ArrayLike | None = None
) -> CrossedTest:
    """Test whether b and a have equal means for new listeners and prompts, with any missing ratings.

    ``rating ~ model + (1 + model|listener) + (1 + model|prompt)`` by REML, with Satterthwaite's df. On complete data
    whose variances are all above 0 it equals `bench.stats.crossed.crossed_t_test` of b − a. It is kept where a
    covariance is singular, which is the rule with few listeners: a model without the correlations rejects too often.

    Args:
        a, b: ratings of the two models, shape (listeners, prompts), NaN where missing.
        confidence: coverage of the interval, in (0, 1).
        covariate: of the ratings, shape (2, listeners, prompts), such as the position at which each was given; it is
            centered, and each rating needs one.

    Returns:
        The test; ``cells`` are those with a rating of either, and ``components`` the variances of a difference.

    Raises:
        ValueError: see `MaximalModel.of`; or a confidence outside (0, 1).

    Source: Barr, Levy, Scheepers and Tily, "Random effects structure for confirmatory hypothesis testing", Journal of
    Memory and Language 68 (2013).
    """
    ratings = np.stack([np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)])
    return MaximalModel.of(ratings, covariate).difference(0, 1, confidence)


def maximal_f_test(ratings: npt.ArrayLike, covariate: npt.ArrayLike | None = None) -> CrossedF:
    """Test all models at once; see `MaximalModel.all_equal`.

    Args:
        ratings: shape (models, listeners, prompts), NaN where missing, at least 2 of each.
        covariate: of the ratings, of the same shape.

    Raises:
        ValueError: see `MaximalModel.of`; or each model's ratings are all equal.
    """
    return MaximalModel.of(ratings, covariate).all_equal()


@dataclass(frozen=True, eq=False)
class MaximalModel:
    """One fit to the ratings of all models, from which pairwise differences and the joint test are computed.

    Attributes:
        layout: of the ratings of listeners and prompts with at least one.
        solution: the fit; None if each model's ratings are all equal.
        empty: listeners and prompts without any rating, left out.
    """

    layout: Layout
    solution: Fit | None
    empty: tuple[int, int]

    @classmethod
    def of(cls, ratings: npt.ArrayLike, covariate: npt.ArrayLike | None = None) -> MaximalModel:
        """Fit the ratings; the arguments are those of `maximal_f_test`.

        Raises:
            ValueError: fewer than two models, an infinite rating, a model rated by fewer than two listeners or on fewer
                than two prompts, too few ratings to tell listeners, prompts and residual apart, a rating without a
                covariate, a covariate that cannot be told from the models, or no fit.
        """
        whole = np.asarray(ratings, dtype=np.float64)
        if whole.ndim != 3 or min(whole.shape) < 2:
            raise ValueError(f"at least two models, two listeners and two prompts are needed, got {whole.shape}")
        if np.isinf(whole).any():
            raise ValueError("an infinite value is not a rating")
        listeners, prompts = ((~np.isnan(whole)).any(axis=axes) for axes in ((0, 2), (0, 1)))
        x = whole[:, listeners][:, :, prompts]
        empty = int((~listeners).sum()), int((~prompts).sum())
        present = ~np.isnan(x)
        _check(present)
        fixed = [np.broadcast_to(np.eye(len(x))[:, :, None, None], (len(x), *x.shape))]
        if covariate is not None:
            fixed.append(_centred(np.asarray(covariate, np.float64)[:, listeners][:, :, prompts], present)[None])
        # Centred and in units of their spread, the optimiser's tolerances mean the same on every scale.
        layout = Layout.of(x, np.concatenate(fixed))
        flat = layout.fixed.reshape(layout.effects, -1)
        if np.linalg.matrix_rank(flat @ flat.T, tol=1e-9 * layout.count) < layout.effects:
            raise ValueError("the covariate is confounded with the models: it is constant within each")
        means = np.array([model[there].mean() for model, there in zip(x, present, strict=True)])
        constant = np.nanmax(np.abs(x - means[:, None, None])) <= _CONSTANT * np.nanmax(np.abs(x))
        return cls(layout, None if constant else _fit_scaled(layout), empty)

    def difference(self, a: int, b: int, confidence: float = 0.95) -> CrossedTest:
        """Test whether two models have equal means.

        Args:
            a, b: their positions among the models; the difference is b − a.
            confidence: coverage of the interval, in (0, 1).

        Returns:
            As `maximal_t_test`.

        Raises:
            ValueError: a confidence outside (0, 1).
        """
        from scipy.special import stdtr, stdtrit

        if not 0 < confidence < 1:
            raise ValueError(f"the confidence must be between 0 and 1, got {confidence}")
        present = self.layout.present[[a, b]] > 0
        heard = present.any(axis=0)
        listeners, prompts = int(heard.any(axis=1).sum()), int(heard.any(axis=0).sum())
        sums, counts = (part[[a, b]].sum(axis=(1, 2)) for part in (self.layout.ratings, self.layout.present))
        nothing = float("nan")
        estimate, se, df, reach, t, p = float(np.diff(sums / counts)[0]), 0.0, nothing, nothing, nothing, nothing
        components = Components(0.0, 0.0, 0.0)
        if self.solution is not None:
            contrast = np.zeros(self.layout.effects)
            contrast[[a, b]] = -1.0, 1.0
            estimate = float(contrast @ self.solution.effects)
            se = float(contrast @ self.solution.covariance @ contrast) ** 0.5
            df = float(satterthwaite_df(self.solution, contrast[None])[0])
            t = estimate / se
            p = float(2 * stdtr(df, -abs(t)))
            reach = float(stdtrit(df, (1 + confidence) / 2)) * se
            within = contrast[: len(self.layout.present)]
            listener, prompt = (float(within @ part @ within) for part in self.solution.covariances)
            components = Components(listener, prompt, 2 * self.solution.residual)
        return CrossedTest(
            *(estimate, se, df, estimate - reach, estimate + reach, confidence),
            method="maximal mixed model",
            floored=False,
            listeners=listeners,
            prompts=prompts,
            cells=int(heard.sum()),
            missing=listeners * prompts - int(heard.sum()),
            dropped_listeners=self.empty[0] + heard.shape[0] - listeners,
            dropped_prompts=self.empty[1] + heard.shape[1] - prompts,
            components=components,
            reason="" if self.solution else "each model's ratings are all equal",
            t=t,
            p=p,
        )

    def all_equal(self) -> CrossedF:
        """Test whether all models have equal means.

        F = βᵀV⁻¹β/(k − 1) of k − 1 orthonormal contrasts β of the models, with covariance V. Its second df are those of
        Fai and Cornelius: with νᵢ Satterthwaite's df of the independent contrasts along V's axes, and E the sum of
        νᵢ/(νᵢ − 2), 2E/(E − k + 1); the smallest νᵢ where one is 2 or less. The order of the models does not matter.

        Raises:
            ValueError: each model's ratings are all equal.

        Source: Fai and Cornelius, "Approximate F-tests of multiple degree of freedom hypotheses in generalized least
        squares analyses of unbalanced split-plot experiments", Journal of Statistical Computation and Simulation 54
        (1996).
        """
        from scipy.special import fdtrc

        if self.solution is None:
            raise ValueError("each model's ratings are all equal: there is no variance to test against")
        models = len(self.layout.present)
        contrasts = np.zeros((models - 1, self.layout.effects))
        contrasts[:, :models] = orthonormal_contrasts(models).T
        differences = contrasts @ self.solution.effects
        values, axes = np.linalg.eigh(contrasts @ self.solution.covariance @ contrasts.T)
        along = axes.T @ contrasts
        f = float(((axes.T @ differences) ** 2 / values).sum()) / (models - 1)
        freedoms = satterthwaite_df(self.solution, along)
        df = float(freedoms.min())
        if df > 2 and models > 2:
            with np.errstate(invalid="ignore"):
                expected = float(np.where(np.isinf(freedoms), 1.0, freedoms / (freedoms - 2)).sum())
            df = 2 * expected / (expected - models + 1) if expected > models - 1 else float("inf")
        return CrossedF(f, float(models - 1), df, float(fdtrc(models - 1, min(df, 1e9), f)), 1.0)


def _check(present: npt.NDArray[np.bool_]) -> None:
    """Refuse ratings that do not identify listeners, prompts and residual."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    free = 0
    for there in present:
        listeners, prompts = int(there.any(axis=1).sum()), int(there.any(axis=0).sum())
        for count, what in ((listeners, "listener"), (prompts, "prompt")):
            if count < 2:
                raise ValueError(
                    f"a model was rated {'by' if what == 'listener' else 'on'} {'no' if not count else 'only one'} "
                    f"{what}, so nothing can be inferred for other {what}s"
                )
        rows, columns = np.nonzero(there)
        size = sum(there.shape)
        links = coo_matrix((np.ones(len(rows)), (rows, columns + there.shape[0])), shape=(size, size))
        # Listeners and prompts without ratings are components of their own.
        parts = connected_components(links, directed=False)[0] - (size - listeners - prompts)
        free += len(rows) - (listeners + prompts - parts)
    if free < 1:
        raise ValueError(
            f"{int(present.sum())} ratings are too few to separate effects of listeners and prompts from the residual"
        )


def _centred(covariate: Array, present: npt.NDArray[np.bool_]) -> Array:
    if covariate.shape != present.shape or np.isnan(covariate[present]).any():
        raise ValueError("the covariate needs a value for every rating")
    values = covariate[present]
    spread = float(values.std())
    return np.where(present, (covariate - values.mean()) / (spread or 1.0), 0.0)


def _fit_scaled(layout: Layout) -> Fit:
    """Fit ratings of mean 0 and spread 1, and give the result in the ratings' own unit."""
    there = layout.present > 0
    values = layout.ratings[there]
    middle, unit = float(values.mean()), float(values.std())
    scaled = Layout(np.where(there, (layout.ratings - middle) / unit, 0.0), layout.present, layout.fixed)
    found = fit(scaled)
    effects = found.effects * unit
    effects[: len(layout.present)] += middle
    deviance = found.deviance + 2 * (layout.count - layout.effects) * float(np.log(unit))
    return Fit(layout, found.roots, found.residual * unit**2, effects, found.covariance * unit**2, deviance)
