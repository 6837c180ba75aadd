"""Power of the analysis of a planned survey, with Holm's adjustment over all its tests."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.stats.crossed import crossed_p
from bench.stats.planned_survey import PlannedDesign, Simulation
from bench.stats.survey_model import OpinionVariances, rounded

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_NUMBERS_AT_A_TIME = 2_000_000


class HolmPower(NamedTuple):
    """Power after Holm's adjustment, in [0, 1]: to find a given true difference, any of them, or all."""

    given: float
    any: float
    all: float


def holm_power(listeners: int, prompts: int, effect: float, simulation: Simulation) -> HolmPower:
    """Compute the power of an analysis of such surveys, with Holm's adjustment over all tests.

    Complete designs are tested by the crossed t, votes by the same on their signs, others by the maximal mixed model.

    Args:
        listeners, prompts: each 2 or more; "latin" and "between" need ``models`` of listeners or more.
        effect: latent difference of the last model, in steps of a five-point scale.
        simulation: the surveys, with their ``design``.

    Raises:
        ValueError: fewer than 2 of either, or fewer listeners than `PlannedDesign.least_listeners`.
    """
    design = simulation.design
    if min(listeners, prompts) < 2:
        raise ValueError(f"at least two listeners and two prompts are needed, got {listeners} and {prompts}")
    if listeners < design.least_listeners:
        raise ValueError(f"each of {design.models} models needs its own listener, got {listeners} listeners")
    rng = np.random.default_rng(simulation.seed)
    size = design.scales * design.models * listeners * prompts
    block = max(1, _NUMBERS_AT_A_TIME // size)
    counts = np.zeros(3)
    for start in range(0, simulation.runs, block):
        opinions = _opinions(rng, min(block, simulation.runs - start), listeners, prompts, effect, simulation)
        adjusted = _holm(_p_values(rng, opinions, simulation))
        found = adjusted[:, _true(design)] < simulation.level  # NaN finds nothing
        counts += found[:, 0].sum(), found.any(axis=1).sum(), found.all(axis=1).sum()
    return HolmPower(*(float(count) / simulation.runs for count in counts))


def _true(design: PlannedDesign) -> list[int]:
    """Return which tests are of true differences, in the order of `_p_values`."""
    pairs = list(combinations(range(design.models), 2))
    last = design.models - 1
    return [
        scale * len(pairs) + place
        for scale in range(design.differing)
        for place, (_, b) in enumerate(pairs)
        if b == last
    ]


def _opinions(
    rng: np.random.Generator, runs: int, listeners: int, prompts: int, effect: float, simulation: Simulation
) -> Array:
    """Latent opinions, shape (runs, scales, models, listeners, prompts); see `survey_model.simulate_ratings`."""
    design, variances = simulation.design, simulation.components
    shape = (runs, design.scales, design.models, listeners, prompts)
    shared, own = np.sqrt(design.correlation), np.sqrt(1 - design.correlation)

    def normal(variance: float, *size: int) -> Array:
        """Return one draw per scale, and one common to all scales."""
        common = rng.standard_normal((runs, 1, *size)) if shared else 0.0
        drawn = own * rng.standard_normal((runs, design.scales, *size)) + shared * common
        return np.asarray(np.sqrt(variance) * drawn)

    found = normal(variances.residual, *shape[2:])
    found += normal(variances.listener, 1, listeners, 1) + normal(variances.prompt, 1, 1, prompts)
    found += normal(variances.listener_model, design.models, listeners, 1)
    found += normal(variances.prompt_model, design.models, 1, prompts)
    found += simulation.centre - effect / 2
    found[:, : design.differing, -1] += effect
    return found


def _p_values(rng: np.random.Generator, opinions: Array, simulation: Simulation) -> Array:
    """Return two-sided p of every pair on every scale, shape (runs, scales · pairs)."""
    design = simulation.design
    pairs = list(combinations(range(design.models), 2))
    if design.votes:
        threshold = tie_threshold(design.ties, simulation.components)
        gaps = np.stack([opinions[:, :, b] - opinions[:, :, a] for a, b in pairs], axis=2)
        signs = np.where(np.abs(gaps) < threshold, 0.0, np.sign(gaps))
        return crossed_p(signs).reshape(len(opinions), -1)
    ratings = rounded(opinions, simulation.scale)
    if design.cells == "complete":
        differences = np.stack([ratings[:, :, b] - ratings[:, :, a] for a, b in pairs], axis=2)
        return crossed_p(differences).reshape(len(opinions), -1)
    return _incomplete(rng, ratings, design, pairs)


def _incomplete(rng: np.random.Generator, ratings: Array, design: PlannedDesign, pairs: list[tuple[int, int]]) -> Array:
    from bench.stats.maximal_model import maximal_t_test

    runs, scales = ratings.shape[:2]
    found = np.full((runs, scales, len(pairs)), np.nan)
    for run in range(runs):
        filled = _filled(rng, design, *ratings.shape[2:])
        for scale in range(scales):
            seen = np.where(filled, ratings[run, scale], np.nan)
            for place, (a, b) in enumerate(pairs):
                try:
                    found[run, scale, place] = maximal_t_test(seen[a], seen[b]).p
                except ValueError:  # too little was rated: nothing is found
                    continue
    return found.reshape(runs, -1)


def _filled(rng: np.random.Generator, design: PlannedDesign, models: int, listeners: int, prompts: int) -> Flags:
    """Return which cells are rated, shape (models, listeners, prompts)."""
    if isinstance(design.cells, float):
        count = max(1, round(design.cells * models * listeners * prompts))
        chosen = np.zeros(models * listeners * prompts, dtype=bool)
        chosen[rng.permutation(len(chosen))[:count]] = True
        return chosen.reshape(models, listeners, prompts)
    listener, prompt = np.ogrid[:listeners, :prompts]
    turn = (listener + (prompt if design.cells == "latin" else 0 * prompt)) % models
    found: Flags = np.arange(models)[:, None, None] == turn
    return found


def tie_threshold(ties: float, variances: OpinionVariances) -> float:
    """Return how near two opinions must be for a tie, so that equal models tie in that share of votes.

    Args:
        ties: the share, in [0, 1).
        variances: of the latent opinion.

    Returns:
        Their least distance without a tie, ≥ 0, in steps of a five-point scale.
    """
    from scipy.special import ndtri

    spread = np.sqrt(2 * (variances.listener_model + variances.prompt_model + variances.residual))
    return float(spread * ndtri((1 + ties) / 2))


def preferred_share(effect: float, variances: OpinionVariances) -> float:
    """Return the share of votes, ties half, for a model that is better by the effect.

    Φ(effect / √(2(σ²listener×model + σ²prompt×model + σ²residual))) where there are no ties.

    Args:
        effect: latent difference, in steps of a five-point scale.
        variances: of the latent opinion.

    Returns:
        In [0, 1]; 0.5 for an effect of 0.
    """
    from scipy.special import ndtr

    spread = np.sqrt(2 * (variances.listener_model + variances.prompt_model + variances.residual))
    return float(ndtr(effect / spread)) if spread > 0 else float(effect > 0) / 2 + 0.5


def _holm(p: Array) -> Array:
    """Return Holm's adjustment of each row; NaN, which has no test, is ignored."""
    order = np.argsort(p, axis=1)  # NaN comes last
    ordered = np.take_along_axis(p, order, axis=1)
    left = (~np.isnan(p)).sum(axis=1, keepdims=True) - np.arange(p.shape[1])
    stepped = np.maximum.accumulate(ordered * np.maximum(left, 1), axis=1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, np.minimum(stepped, 1.0), axis=1)
    return adjusted


def equivalence_power(listeners: int, prompts: int, margin: float, simulation: Simulation) -> float:
    """Compute the share of surveys of equal models that show a difference within ±margin (TOST).

    Of two models that every listener rates on every prompt; each side is tested at the simulation's level.

    Args:
        listeners, prompts: each 2 or more.
        margin: of the difference of mean ratings, in steps of the rating scale, > 0.
        simulation: the surveys.

    Raises:
        ValueError: fewer than two listeners or prompts, a margin that is not positive, or a scale without steps.

    Source: Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987).
    """
    from scipy.special import stdtr

    from bench.stats.survey_model import simulate_differences
    from bench.stats.two_way import crossed_spread, mean_squares

    if min(listeners, prompts) < 2 or not margin > 0:
        raise ValueError(
            f"equivalence needs 2 listeners and prompts and a margin, got {listeners}, {prompts}, {margin}"
        )
    of = simulation
    rng = np.random.default_rng(of.seed)
    block = max(1, _NUMBERS_AT_A_TIME // (2 * listeners * prompts))
    shown = 0
    for start in range(0, of.runs, block):
        size = min(block, of.runs - start)
        differences = simulate_differences(rng, size, listeners, prompts, 0.0, of.components, of.scale, of.centre)
        spread = crossed_spread(mean_squares(differences), listeners, prompts)
        mean, se = differences.mean(axis=(-2, -1)), np.sqrt(spread.variance)
        with np.errstate(divide="ignore", invalid="ignore"):
            p = np.maximum(stdtr(spread.df, -(mean + margin) / se), stdtr(spread.df, (mean - margin) / se))
        shown += int((p < of.level).sum())
    return shown / of.runs
