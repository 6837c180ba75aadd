"""Ratings as ordered categories: positions of models on a latent scale, descriptive only."""

from __future__ import annotations

import numpy as np

from bench.survey.ratings import Ratings
from bench.survey.results import OrdinalModel

_MOST_STEPS = 11  # 0 to 10; more steps are no longer a few ordered categories


def ordinal_models(ratings: Ratings) -> tuple[OrdinalModel, ...]:
    """Return the cumulative link mixed model of each scale, its first model at 0; using every single rating."""
    return tuple(_of_scale(ratings, scale) for scale in ratings.scales) if len(ratings.models) > 1 else ()


def _of_scale(ratings: Ratings, scale: str) -> OrdinalModel:
    from bench.stats.ordinal_mixed import fit_ordinal

    rows = ratings.table[ratings.table["scale"] == scale]
    models = [name for name in ratings.models if (rows["model"] == name).any()]
    steps, categories = np.unique(rows["value"].to_numpy(dtype=np.float64), return_inverse=True)

    def without(reason: str) -> OrdinalModel:
        return OrdinalModel(scale, models[0], {}, {}, None, None, reason)

    if len(models) < 2:
        return without("only one model was rated")
    if not 2 <= len(steps) <= _MOST_STEPS:
        return without(f"{len(steps)} different ratings; an ordinal scale needs 2 to {_MOST_STEPS}")
    fixed = np.stack([(rows["model"] == name).to_numpy(dtype=np.float64) for name in models[1:]], axis=1)
    groups = [rows[column].factorize()[0] for column in ("listener", "prompt")]
    try:
        found = fit_ordinal(categories, fixed, *groups)
    except ValueError as error:
        return without(str(error))
    effects = dict(zip(models, [0.0, *map(float, found.effects)], strict=True))
    thresholds = {f"{step:g}": float(cut) for step, cut in zip(steps[:-1], found.thresholds, strict=True)}
    return OrdinalModel(scale, models[0], effects, thresholds, found.listener_sd, found.prompt_sd, "")
