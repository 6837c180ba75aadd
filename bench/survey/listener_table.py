"""Each listener's bias and consistency on each scale."""

from __future__ import annotations

import numpy as np

from bench.survey.listener_results import ListenerRating
from bench.survey.ratings import Ratings
from bench.survey.results import known

# An inconsistency below this share of the median is the estimate's collapse onto one listener.
_COLLAPSED = 0.01
_FEWEST = 3  # minimum ratings of a listener for an inconsistency


def listener_ratings(ratings: Ratings) -> tuple[ListenerRating, ...]:
    """Return bias and inconsistency of each listener."""
    return tuple(one for scale in ratings.scales for one in _of_scale(ratings, scale))


def _of_scale(ratings: Ratings, scale: str) -> list[ListenerRating]:
    from bench.stats.listener_bias import listener_bias, listener_bias_by_moments

    cube = ratings.cube(scale)
    by_listener = cube.transpose(1, 0, 2).reshape(cube.shape[1], -1)
    some = (~np.isnan(by_listener)).any(axis=1)
    by_listener = by_listener[some]
    names = [name for name, here in zip(ratings.listeners, some, strict=True) if here]
    reason = ""
    try:
        found = listener_bias(by_listener)
        enough = found.inconsistency[found.ratings >= _FEWEST]
        if not len(enough) or found.inconsistency.min() < _COLLAPSED * float(np.median(enough)):
            found = listener_bias_by_moments(by_listener)
            reason = "by moments (Grubbs), since alternating projection gives one listener all the weight"
    except ValueError as error:
        counts = (~np.isnan(by_listener)).sum(axis=1)
        return [
            ListenerRating(scale, name, int(count), None, None, str(error))
            for name, count in zip(names, counts, strict=True)
        ]
    return [
        ListenerRating(scale, name, int(count), known(bias), known(spread), reason)
        for name, count, bias, spread in zip(names, found.ratings, found.bias, found.inconsistency, strict=True)
    ]
