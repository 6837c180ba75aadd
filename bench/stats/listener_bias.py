"""Each listener's bias and consistency, estimated together with the quality of the clips."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

_ROUNDS = 1000
_MOVED = 1e-8  # norm of the change of all qualities at which they stand
_FEWEST = 3  # clips that a listener shares with others, below which an inconsistency is none
_SMALL = 1e-8  # keeps the weight of a listener who errs by nothing finite


@dataclass(frozen=True, eq=False)
class ListenerBias:
    """Ratings as quality of the clip + bias of the listener + inconsistency of the listener × noise.

    Attributes:
        quality: of each clip, shape (clips,); NaN where nobody rated it.
        bias: of each listener, shape (listeners,), 0 on average: how much higher than others they rate.
        inconsistency: of each listener, shape (listeners,), ≥ 0: standard deviation of their ratings around the clips'
            quality and their own bias.
        ratings: of each listener, shape (listeners,).
    """

    quality: Array
    bias: Array
    inconsistency: Array
    ratings: npt.NDArray[np.intp]


def listener_bias(ratings: npt.ArrayLike) -> ListenerBias:
    """Estimate bias and inconsistency by alternating projection.

    By turns: each listener's inconsistency is the standard deviation of what quality and bias leave; each clip's
    quality is the mean of its ratings without their biases, weighted by 1/inconsistency²; each listener's bias is the
    mean of what the qualities leave. Starts from plain means, ends when the qualities stand still.

    The likelihood behind it has no maximum: with one listener's own ratings for qualities, their inconsistency is 0 and
    their weight without limit. Of simulated surveys of 36 prompts and two models, 97, 87, 32 and 2 % end there with 3,
    4, 5 and 8 listeners; `listener_bias_by_moments` does not.

    Args:
        ratings: shape (listeners, clips), NaN where missing.

    Returns:
        Estimates in rating steps; NaN for listeners without a rating.

    Raises:
        ValueError: fewer than two listeners with a rating, or no clip that two of them rated.

    Source: Li, Bampis, Krasula, Janowski and Katsavounidis, "A simple model for subject behavior in subjective
    experiments", Human Vision and Electronic Imaging (2020); ITU-T P.913 (2021), clause 12.6; P.910 (2022), annex E.
    """
    x, counts = _rated(ratings)
    quality = _qualities(x, np.ones(len(x)), np.zeros(len(x)))
    bias = _listener_means(x - quality)
    inconsistency = np.zeros(len(x))
    for _ in range(_ROUNDS):
        left = x - quality - bias[:, None]
        middle = _listener_means(left)
        inconsistency = np.sqrt(_listener_means((left - middle[:, None]) ** 2))
        before, quality = quality, _qualities(x, 1 / (inconsistency**2 + _SMALL), bias)
        bias = _listener_means(x - quality)
        if np.sqrt(np.nansum((quality - before) ** 2)) < _MOVED:
            break
    return _centred(quality, bias, inconsistency, counts)


def listener_bias_by_moments(ratings: npt.ArrayLike) -> ListenerBias:
    """Estimate bias and inconsistency without weights, for surveys in which `listener_bias` follows one listener.

    Qualities and biases are those of least squares. A listener's ratings less their bias differ from the mean of the
    others' by υᵢ² + Σ υₖ²/(n − 1)² on a clip of n ratings; the υ² that meet the observed mean squares, none below 0,
    are the estimates. On complete data these are Grubbs' estimators.

    Args:
        ratings: shape (listeners, clips), NaN where missing.

    Returns:
        As `listener_bias`; the inconsistencies are NaN where two listeners are all there are, or a listener shares
        fewer than three clips with others.

    Raises:
        ValueError: see `listener_bias`.

    Source: Grubbs, "On estimating precision of measuring instruments and product variability", JASA 43 (1948).
    """
    from scipy.optimize import nnls

    x, counts = _rated(ratings)
    present = ~np.isnan(x)
    equal = np.ones(len(x))
    bias = np.zeros(len(x))
    for _ in range(_ROUNDS):
        before, bias = bias, _listener_means(x - _qualities(x, equal, bias))
        if np.abs(bias - before).max() < _MOVED:
            break
    quality = _qualities(x, equal, bias)
    others = np.where(present, present.sum(axis=0) - 1, 0)
    shared = others > 0
    told = shared.sum(axis=1) >= _FEWEST
    if told.sum() < 3:
        return _centred(quality, bias, np.full(len(x), np.nan), counts)
    own = np.where(present, x - bias[:, None], 0.0)
    apart = np.where(shared, own - (own.sum(axis=0) - own) / np.maximum(others, 1), 0.0)
    number = np.maximum(shared.sum(axis=1), 2)
    apart -= np.where(shared, (apart.sum(axis=1) / number)[:, None], 0.0)
    squares = (apart**2).sum(axis=1) / (number - 1)
    part = np.where(shared, 1 / np.maximum(others, 1) ** 2, 0.0)
    system = part @ present.T / number[:, None]
    np.fill_diagonal(system, 1.0)
    found = np.full(len(x), np.nan)
    found[told] = np.sqrt(nnls(system[np.ix_(told, told)], squares[told])[0])
    return _centred(quality, bias, found, counts)


def _rated(ratings: npt.ArrayLike) -> tuple[Array, npt.NDArray[np.intp]]:
    x = np.asarray(ratings, dtype=np.float64)
    present = ~np.isnan(x)
    counts = present.sum(axis=1)
    if (counts > 0).sum() < 2 or not (present.sum(axis=0) > 1).any():
        raise ValueError("no clip was rated by two listeners: their biases are confounded with the clips")
    return x, counts


def _listener_means(values: Array) -> Array:
    """Return the mean of each listener's values, 0 where there are none."""
    there = ~np.isnan(values)
    mean: Array = np.where(there, values, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return mean


def _qualities(x: Array, weights: Array, bias: Array) -> Array:
    """Return the mean of each clip's ratings without the listeners' biases, NaN where there are none."""
    present = ~np.isnan(x)
    with np.errstate(invalid="ignore"):
        mean: Array = (np.where(present, x - bias[:, None], 0.0).T @ weights) / (present.T @ weights)
    return mean


def _centred(quality: Array, bias: Array, inconsistency: Array, counts: npt.NDArray[np.intp]) -> ListenerBias:
    """Return biases with mean 0, and NaN for listeners without ratings."""
    middle = float(bias[counts > 0].mean())
    nothing = np.where(counts > 0, 0.0, np.nan)
    return ListenerBias(quality + middle, bias - middle + nothing, inconsistency + nothing, counts)
