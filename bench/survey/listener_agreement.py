"""Agreement of a survey's listeners about its clips."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from bench.survey.listener_results import Agreement
from bench.survey.ratings import Ratings

Array = npt.NDArray[np.float64]


def agreement(ratings: Ratings) -> tuple[Agreement, ...]:
    """Return Krippendorff's α, ICC(2,k) and Kendall's W of each scale; a clip is a pair of model and prompt."""
    return tuple(_agreement(scale, ratings.cube(scale)) for scale in ratings.scales)


def _agreement(scale: str, cube: Array) -> Agreement:
    from bench.stats.agreement import icc, kendall_w, krippendorff_alpha

    by_listener = cube.transpose(1, 0, 2).reshape(cube.shape[1], -1)
    # Skip listeners without ratings on this scale.
    rated = ~np.isnan(by_listener)
    by_listener = by_listener[rated.any(axis=1)]
    count = (~np.isnan(by_listener)).sum(axis=0)
    complete = by_listener[:, count == len(by_listener)]
    reasons: list[str] = []

    def value(name: str, compute: Callable[[], float]) -> float | None:
        try:
            return compute()
        except ValueError as error:
            reasons.append(f"{name}: {error}")
            return None

    none = "no clip was rated by all listeners"

    def of_complete(statistic: Callable[[Array], float]) -> float:
        if not complete.shape[1]:
            raise ValueError(none)
        return statistic(complete)

    return Agreement(
        scale,
        alpha=value("α", lambda: krippendorff_alpha(by_listener, level="ordinal")),
        icc=value("ICC(2,k)", lambda: of_complete(lambda x: icc(x.T, kind="2,k"))),
        kendall_w=value("W", lambda: of_complete(kendall_w)),
        clips=int((count >= 2).sum()),
        complete=complete.shape[1],
        reasons=tuple(reasons),
    )
