"""Strengths of models from preferences: one per model from all pairs, with two treatments of ties."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np
import numpy.typing as npt

from bench.stats.vote_strengths import TieModel
from bench.survey.pair_votes import vote_table
from bench.survey.ratings import Preferences
from bench.survey.results import known
from bench.survey.vote_results import Strength, StrengthDifference, StrengthFit

Array = npt.NDArray[np.float64]

ELO_CENTER = 1500.0
ELO_UNIT = 400 / math.log(10)
LEVEL = 0.05


def strength_fits(preferences: Preferences, confidence: float) -> tuple[StrengthFit, ...]:
    """Fit each scale by Bradley and Terry's model with ties as half wins, and if there are ties also by Davidson's.

    A fit that does not exist has a reason instead of strengths.

    Args:
        preferences: the votes.
        confidence: confidence of the intervals, in (0, 1).
    """
    return tuple(fit for scale in preferences.scales for fit in _of_scale(preferences, scale, confidence))


def _of_scale(preferences: Preferences, scale: str, confidence: float) -> Iterator[StrengthFit]:
    from bench.stats.vote_strengths import vote_strengths

    models = preferences.models
    counts = _counts(preferences, scale)
    kinds: tuple[TieModel, ...] = ("half wins", "Davidson") if counts["tie"].any() else ("half wins",)
    for ties in kinds:
        try:
            fit = vote_strengths(vote_table(preferences, scale), ties, confidence)
        except ValueError as error:
            none = tuple(
                _strength(counts, i, model, (math.nan,) * 3, (1, len(models))) for i, model in enumerate(models)
            )
            yield StrengthFit(scale, ties, none, (), None, 0, None, _apart(preferences, scale) or str(error))
            continue
        differences = _differences(models, fit.difference, fit.difference_low, fit.difference_high, fit.p)
        places = _places(models, differences)
        yield StrengthFit(
            scale,
            ties,
            tuple(
                _strength(counts, i, model, (fit.strengths[i], fit.low[i], fit.high[i]), places[i])
                for i, model in enumerate(models)
            ),
            differences,
            known(math.exp(fit.log_nu)) if ties == "Davidson" else None,
            fit.listeners,
            fit.effective_listeners,
            "; ".join(part for part in (fit.note, fit.reason) if part),
        )


def _apart(preferences: Preferences, scale: str) -> str:
    """Name the groups of models that no vote links, or return "" where votes link all."""
    from scipy.sparse.csgraph import connected_components

    table = preferences.table
    rows = table[(table["scale"] == scale) & (table["outcome"] != "both bad")]  # which prefers neither
    models = preferences.models
    places = {model: place for place, model in enumerate(models)}
    links = np.zeros((len(models), len(models)), dtype=bool)
    links[[places[a] for a in rows["a"]], [places[b] for b in rows["b"]]] = True
    count, group_of = connected_components(links, directed=False)
    groups = (", ".join(np.array(models)[group_of == group]) for group in range(count))
    return f"no vote links {' with '.join(groups)}: no common scale" if count > 1 else ""


def _counts(preferences: Preferences, scale: str) -> dict[str, Array]:
    """Return how often each model won, tied, lost, and was called bad with its rival; each of shape (models,)."""
    rows = preferences.table[preferences.table["scale"] == scale]
    bad = (rows["outcome"] == "both bad").to_numpy(dtype=bool)
    ahead = rows["choice"].to_numpy(dtype=np.float64)
    found: dict[str, list[int]] = {"win": [], "tie": [], "loss": [], "both bad": []}
    for model in preferences.models:
        sides = [(rows[side] == model).to_numpy(dtype=bool) for side in ("a", "b")]
        own = np.concatenate([-ahead[sides[0] & ~bad], ahead[sides[1] & ~bad]])
        for name, count in (("win", (own > 0).sum()), ("tie", (own == 0).sum()), ("loss", (own < 0).sum())):
            found[name].append(int(count))
        found["both bad"].append(int((bad & (sides[0] | sides[1])).sum()))
    return {name: np.array(values, dtype=np.float64) for name, values in found.items()}


def _strength(
    counts: dict[str, Array], place: int, model: str, of: tuple[float, ...], ranks: tuple[int, int]
) -> Strength:
    strength, low, high = (known(value) for value in of)
    wins, ties, losses, bad = (int(counts[name][place]) for name in ("win", "tie", "loss", "both bad"))
    elo = None if strength is None else ELO_CENTER + ELO_UNIT * strength
    return Strength(model, strength, low, high, elo, *ranks, wins, ties, losses, bad)


def _differences(
    models: tuple[str, ...], estimate: Array, low: Array, high: Array, p: Array
) -> tuple[StrengthDifference, ...]:
    """Return all pairs, with Holm's adjustment over them."""
    from bench.stats.multiplicity import holm

    pairs = list(combinations(range(len(models)), 2))
    adjusted = holm([float(p[i, j]) for i, j in pairs])
    return tuple(
        StrengthDifference(
            models[i],
            models[j],
            known(estimate[i, j]),
            known(low[i, j]),
            known(high[i, j]),
            known(p[i, j]),
            known(holm_p),
        )
        for (i, j), holm_p in zip(pairs, adjusted, strict=True)
    )


def _places(models: tuple[str, ...], differences: tuple[StrengthDifference, ...]) -> list[tuple[int, int]]:
    """Return the best and the worst place of each model that tests do not exclude; 1 is first."""
    better, worse = dict.fromkeys(models, 0), dict.fromkeys(models, 0)
    for one in differences:
        if one.p_holm is not None and one.p_holm < LEVEL and one.estimate:
            winner, loser = (one.b, one.a) if one.estimate > 0 else (one.a, one.b)
            better[loser] += 1
            worse[winner] += 1
    return [(1 + better[model], len(models) - worse[model]) for model in models]
