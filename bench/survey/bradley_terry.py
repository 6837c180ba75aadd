"""How strong each model is among preferences: one ability a model from all pairs together."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from bench.survey.ratings import Preferences
from bench.survey.results import Strength, known

SEED = 20


def strengths(preferences: Preferences, confidence: float, resamples: int = 2000) -> tuple[Strength, ...]:
    """Bradley–Terry abilities of each scale with their listener × prompt bootstrap."""
    return tuple(one for scale in preferences.scales for one in _of_scale(preferences, scale, confidence, resamples))


def _of_scale(preferences: Preferences, scale: str, confidence: float, resamples: int) -> list[Strength]:
    from bench.stats.preference import bradley_terry_bootstrap, wins_of

    models = preferences.models
    signs = np.full((len(models), len(models), len(preferences.listeners), len(preferences.prompts)), np.nan)
    for (i, a), (j, b) in combinations(enumerate(models), 2):
        signs[i, j] = preferences.decided(a, b, scale)
    rows = preferences.table[(preferences.table["scale"] == scale) & (preferences.table["outcome"] != "both bad")]
    ahead = rows["choice"].to_numpy(dtype=np.float64)
    nothing = np.full(len(models), np.nan)
    abilities, low, high = nothing, nothing, nothing
    try:
        fit = bradley_terry_bootstrap(wins_of(signs), resamples, confidence, SEED)
        abilities, low, high = fit.abilities, fit.low, fit.high
        reason = "; ".join(part for part in (fit.note, fit.reason) if part)
    except ValueError as error:
        reason = str(error)
    found = []
    for number, model in enumerate(models):
        as_a, as_b = (rows["a"] == model).to_numpy(dtype=bool), (rows["b"] == model).to_numpy(dtype=bool)
        own = np.concatenate([-ahead[as_a], ahead[as_b]])
        counts = (int((own > 0).sum()), int((own == 0).sum()), int((own < 0).sum()))
        strength = (known(abilities[number]), known(low[number]), known(high[number]))
        found.append(Strength(model, scale, *strength, *counts, reason))
    return found
