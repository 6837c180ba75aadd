"""The maximal mixed model of several models' ratings, for designs with cells missing."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from bench.stats.crossed_f import CrossedF


def maximal_f_test(ratings: npt.ArrayLike) -> CrossedF:
    """Test all models at once with ``rating ~ model + (1 + model|listener) + (1 + model|prompt)``, fitted by REML.

    F = βᵀV⁻¹β/(k − 1) of the k − 1 model effects β with covariance V, and df₂ the smallest of their Satterthwaite df,
    which errs on the safe side. A fit takes a second or more.

    Args:
        ratings: shape (models, listeners, prompts), NaN where missing, at least 2 of each.

    Raises:
        ValueError: fewer than two models, listeners or prompts, fewer ratings than models × (listeners + prompts), or
            no fit to what there is.

    Source: Barr, Levy, Scheepers and Tily, "Random effects structure for confirmatory hypothesis testing", Journal of
    Memory and Language 68 (2013).
    """
    import mixedlm
    import pandas as pd
    from scipy.special import fdtrc

    x = np.asarray(ratings, dtype=np.float64)
    if x.ndim != 3 or min(x.shape) < 2:
        raise ValueError(f"two models, two listeners and two prompts or more are needed, got {x.shape}")
    models, listeners, prompts = np.nonzero(~np.isnan(x))
    y = x[models, listeners, prompts]
    contrasts = len(x) - 1
    needed = len(x) * (x.shape[1] + x.shape[2])
    if len(y) < needed or len(np.unique(models)) <= contrasts or np.ptp(y) == 0:
        raise ValueError(f"{len(y)} ratings are too few, or too alike, for a model of all at once ({needed} or more)")
    frame = pd.DataFrame(
        {
            "y": (y - y.mean()) / y.std(),
            "model": [f"m{number:04d}" for number in models],
            "listener": listeners.astype(str),
            "prompt": prompts.astype(str),
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a variance of 0 is a result
        try:
            fit = mixedlm.lmer("y ~ model + (1 + model|listener) + (1 + model|prompt)", frame)
            effects, covariance = np.asarray(fit.beta)[1:], np.asarray(fit.vcov())[1:, 1:]
            f = float(effects @ np.linalg.solve(covariance, effects)) / contrasts
            df = float(np.min(mixedlm.satterthwaite_df(fit).df[1:]))
        except (ArithmeticError, ValueError, RuntimeError, np.linalg.LinAlgError) as error:
            raise ValueError(f"the mixed model of all models at once cannot be fitted ({error})") from None
    if not (fit.converged and np.isfinite(f) and np.isfinite(df)):
        raise ValueError("the mixed model of all models at once did not converge")
    return CrossedF(f, float(contrasts), df, float(fdtrc(contrasts, df, f)), 1.0)
