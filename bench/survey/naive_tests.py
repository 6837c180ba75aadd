"""The customary tests of a survey's pairs, each with its simulated false-positive rate."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from bench.survey.ratings import Ratings
from bench.survey.results import CustomaryTest, SurveyComparison, known

Array = npt.NDArray[np.float64]


def customary_tests(ratings: Ratings, comparisons: Sequence[SurveyComparison]) -> tuple[CustomaryTest, ...]:
    """Return every pair and scale with the crossed test first, then the customary ones.

    The false-positive rates are simulated (2,000 surveys) with the listeners, prompts and missing cells of the
    comparison and the variances estimated from it.

    Args:
        ratings: checked ratings.
        comparisons: of these ratings, every pair on every scale.
    """
    found: list[CustomaryTest] = []
    ours = {(one.a, one.b, one.scale): one for one in comparisons}
    for scale in ratings.scales:
        cube = ratings.cube(scale)
        for (i, a), (j, b) in combinations(enumerate(ratings.models), 2):
            found += _of_pair(ratings, scale, cube[i], cube[j], ours[a, b, scale])
    return tuple(found)


def _of_pair(ratings: Ratings, scale: str, a: Array, b: Array, ours: SurveyComparison) -> list[CustomaryTest]:
    from bench.stats.customary import customary_p, false_positive_rates
    from bench.survey.latent_ratings import opinion_behind, whole_scale

    pair = (ours.a, ours.b, scale)
    method = ours.method or "crossed t"
    present = ~np.isnan(b - a)
    mask = present[present.any(axis=1)][:, present.any(axis=0)]
    try:
        p = customary_p(a, b)
        whole = whole_scale(ratings, scale)
        rates = false_positive_rates(mask, opinion_behind(a, b, whole).variances, whole)
    except ValueError as error:
        return [CustomaryTest(*pair, method, ours.p, None, str(error))]
    crossed = CustomaryTest(*pair, method, ours.p, rates.get("crossed t") if method == "crossed t" else None, "")
    return [crossed, *(CustomaryTest(*pair, name, known(value), rates.get(name), "") for name, value in p.items())]
