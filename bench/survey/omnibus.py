"""Do the models differ at all? One test a scale, beside the pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bench.survey.findings import OmnibusTest, known
from bench.survey.ratings import Ratings


def omnibus(ratings: Ratings) -> tuple[OmnibusTest, ...]:
    """The crossed F-test of each scale, or with ratings missing the maximal mixed model; Holm over the scales."""
    from bench.stats.crossed_f import crossed_f_test
    from bench.stats.maximal_model import maximal_f_test
    from bench.stats.multiplicity import holm

    found = []
    for scale in ratings.scales:
        cube = ratings.cube(scale)
        missing = bool(np.isnan(cube).any())
        if min(cube.shape) < 2:
            reason = "the test of all models at once needs two of them, two listeners and two prompts, or more"
            found.append(OmnibusTest(scale, None, None, None, None, None, None, reason))
            continue
        try:
            test = maximal_f_test(cube) if missing else crossed_f_test(cube)
        except ValueError as error:
            found.append(OmnibusTest(scale, None, None, None, None, None, None, str(error)))
            continue
        method = "maximal mixed model" if missing else "crossed F"
        found.append(OmnibusTest(scale, test.f, test.df_models, test.df_error, test.p, None, method, ""))
    adjusted = holm([np.nan if one.p is None else one.p for one in found])
    return tuple(replace(one, p_holm=known(p)) for one, p in zip(found, adjusted, strict=True))
