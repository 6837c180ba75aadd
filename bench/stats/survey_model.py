"""A model of ratings: latent opinions with crossed listener and prompt effects, rounded to a scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class Scale(NamedTuple):
    """A rating scale of whole numbers from ``low`` to ``high``; (0, 1) or (1, 2) is a yes-or-no question."""

    low: int = 1
    high: int = 5

    @property
    def step(self) -> float:
        """One step, in steps of a five-point scale."""
        return 4 / (self.high - self.low)


@dataclass(frozen=True)
class OpinionVariances:
    """Variances of the latent opinion, each ≥ 0, in squared steps of a five-point scale.

    Attributes:
        listener: some listeners rate everything higher.
        prompt: some prompts come out better with every model.
        listener_model: a listener likes one model more than other listeners do.
        prompt_model: a prompt suits one model more than other prompts do.
        residual: whatever is particular to a single rating.

    Raises:
        ValueError: one is below 0 or not finite.
    """

    listener: float
    prompt: float
    listener_model: float
    prompt_model: float
    residual: float

    def __post_init__(self) -> None:
        if not all(np.isfinite(variance) and variance >= 0 for variance in vars(self).values()):
            stated = ", ".join(f"{name} {value:g}" for name, value in vars(self).items())
            raise ValueError(f"variances must be at least 0, got {stated}")


FIVE_POINT = Scale()

# Chosen so that the customary tests go wrong as often as in a simulation study of such surveys, see the tests.
NO_MODEL_VARIANCE = OpinionVariances(listener=0.16, prompt=0.16, listener_model=0.0, prompt_model=0.0, residual=0.64)
TYPICAL = OpinionVariances(listener=0.16, prompt=0.16, listener_model=0.05, prompt_model=0.16, residual=0.64)
STRONG = OpinionVariances(listener=0.16, prompt=0.16, listener_model=0.2, prompt_model=0.22, residual=0.64)


def simulate_ratings(
    rng: np.random.Generator,
    runs: int,
    listeners: int,
    prompts: int,
    effect: float,
    variances: OpinionVariances,
    scale: Scale = FIVE_POINT,
    centre: float = 0.0,
) -> Array:
    """Return ratings of two models, A and B, by every listener on every prompt.

    opinion = centre ± effect/2 + listener + prompt + listener × model + prompt × model + residual, all normal; the
    rating is the nearest step of the scale, whose middle is at opinion 0, and its ends catch what lies beyond. The
    draws do not depend on the effect: surveys from equal generators differ in nothing else.

    Args:
        rng: all randomness comes from it.
        runs: surveys, ≥ 1.
        listeners, prompts: ≥ 1.
        effect: latent difference B − A, in steps of a five-point scale.
        variances: of the opinion.
        scale: of the ratings.
        centre: mean opinion, in steps of a five-point scale; 1.5 makes a ceiling.

    Returns:
        Shape (2, runs, listeners, prompts), whole numbers from scale.low to scale.high.

    Raises:
        ValueError: a scale without two steps.

    Source: Liddell and Kruschke, "Analyzing ordinal data with metric models", Journal of Experimental Social Psychology
    79 (2018), for the thresholded normal; Barr et al., Journal of Memory and Language 68 (2013), for the crossings.
    """
    _check(scale)
    ratings: Array = rng.standard_normal((2, runs, listeners, prompts))
    ratings *= np.sqrt(variances.residual)
    for variance, shape in (
        (variances.listener, (1, runs, listeners, 1)),
        (variances.prompt, (1, runs, 1, prompts)),
        (variances.listener_model, (2, runs, listeners, 1)),
        (variances.prompt_model, (2, runs, 1, prompts)),
    ):
        ratings += np.sqrt(variance) * rng.standard_normal(shape)
    ratings += centre + effect * np.array([-0.5, 0.5]).reshape(2, 1, 1, 1)
    return rounded(ratings, scale)


def rounded(opinions: Array, scale: Scale) -> Array:
    """Round latent opinions in place to ratings: the nearest steps of a scale within its ends.

    Args:
        opinions: any shape, in steps of a five-point scale from its middle; overwritten.
        scale: of the ratings, with two steps or more.

    Returns:
        The same array: whole numbers from scale.low to scale.high.
    """
    opinions /= scale.step
    opinions += (scale.low + scale.high) / 2 + 0.5
    np.floor(opinions, out=opinions)
    np.clip(opinions, scale.low, scale.high, out=opinions)
    return opinions


def simulate_differences(
    rng: np.random.Generator,
    runs: int,
    listeners: int,
    prompts: int,
    effect: float,
    variances: OpinionVariances,
    scale: Scale = FIVE_POINT,
    centre: float = 0.0,
) -> Array:
    """Return differences B − A of `simulate_ratings`, whose arguments and errors are the same.

    Returns:
        Shape (runs, listeners, prompts), in steps of the scale itself.
    """
    a, b = simulate_ratings(rng, runs, listeners, prompts, effect, variances, scale, centre)
    differences: Array = b - a
    return differences


def expected_difference(
    effect: float, variances: OpinionVariances, scale: Scale = FIVE_POINT, centre: float = 0.0
) -> float:
    """Return what the ratings' mean difference is in the long run, in steps of the scale itself.

    E(rating) = low + Σₖ Φ((mean opinion − threshold k)/σ), σ² the sum of the variances. Less than the latent effect on
    a five-point scale, as the ends of the scale take their share.

    Args:
        effect, variances, scale, centre: see `simulate_ratings`.

    Raises:
        ValueError: a scale without two steps.

    >>> round(expected_difference(0.4, TYPICAL), 3)
    0.377
    """
    a, b = (expected_rating(centre + half, variances, scale) for half in (-effect / 2, effect / 2))
    return b - a


def expected_rating(opinion: float, variances: OpinionVariances, scale: Scale = FIVE_POINT) -> float:
    """Return what the mean rating of a model is in the long run: low + Σₖ Φ((opinion − threshold k)/σ).

    Args:
        opinion: mean opinion of the model, in steps of a five-point scale from its middle.
        variances, scale: see `simulate_ratings`.

    Raises:
        ValueError: a scale without two steps.
    """
    from scipy.special import ndtr

    _check(scale)
    thresholds = (np.arange(scale.low, scale.high) + 0.5 - (scale.low + scale.high) / 2) * scale.step
    spread = max(sum(vars(variances).values()), 1e-12) ** 0.5
    return float(scale.low + ndtr((opinion - thresholds) / spread).sum())


def _check(scale: Scale) -> None:
    if scale.high <= scale.low:
        raise ValueError(f"a scale from {scale.low} to {scale.high} has no steps")
