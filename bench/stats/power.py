"""Plan a survey: power of the crossed t-test, detectable difference, and cost of the cheapest design."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from bench.stats.crossed import crossed_p
from bench.stats.holm_power import holm_power
from bench.stats.planned_survey import Simulation
from bench.stats.survey_model import simulate_differences

# 32 MB of latent opinions at a time.
_CELLS_AT_A_TIME = 2_000_000


def power_cell(listeners: int, prompts: int, effect: float, simulation: Simulation) -> float:
    """Compute the share of simulated surveys whose analysis finds the difference, by the criterion of their design.

    Equal seeds give equal draws whatever the effect, so power rises smoothly with it; the share's standard error is at
    most .5/√runs (.011 at 2,000). With effect 0 it is the false-positive rate.

    Args:
        listeners, prompts: each 2 or more.
        effect: latent difference, in steps of a five-point scale.
        simulation: the surveys.

    Raises:
        ValueError: fewer than two listeners or prompts, too few listeners for the design, or a scale without steps
            where the design is `plain`.

    Source: Arnold, Hogan, Colford and Hubbard, "Simulation methods to estimate design power", BMC Medical Research
    Methodology 11 (2011).
    """
    if listeners < 2 or prompts < 2:
        raise ValueError(f"the crossed test needs at least 2 listeners and 2 prompts, got {listeners} and {prompts}")
    of = simulation
    if not of.design.plain:
        return float(getattr(holm_power(listeners, prompts, effect, of), of.design.criterion))
    rng = np.random.default_rng(of.seed)
    block = max(1, _CELLS_AT_A_TIME // (2 * listeners * prompts))
    found = 0
    for start in range(0, of.runs, block):
        size = min(block, of.runs - start)
        p = crossed_p(simulate_differences(rng, size, listeners, prompts, effect, of.components, of.scale, of.centre))
        found += int((p < of.level).sum())  # NaN, all differences equal, finds nothing
    return found / of.runs


def minimum_detectable(listeners: int, prompts: int, simulation: Simulation, target: float = 0.8) -> float | None:
    """Find the smallest latent difference found with the target power, to .01 of a step of a five-point scale.

    Found by bracketing on common random numbers: all trial differences meet the same simulated listeners and prompts.

    Args:
        listeners, prompts, simulation: as for `power_cell`.
        target: the power, above the simulation's level and below 1.

    Returns:
        The difference, or None where even 4 steps, the width of a five-point scale, are not found that often.

    Raises:
        ValueError: see `power_cell`; a target outside (level, 1).
    """
    from scipy.optimize import brentq
    from scipy.special import ndtri

    if not simulation.level < target < 1:
        raise ValueError(f"the target power must be between the level {simulation.level} and 1, got {target}")
    half = 0.5 / simulation.runs

    def excess(effect: float) -> float:
        # Nearly straight on this scale, so that few trials are needed.
        power = power_cell(listeners, prompts, effect, simulation)
        return float(ndtri(min(max(power, half), 1 - half)) - ndtri(target))

    high = 0.25
    while excess(high) < 0:
        if high >= 4:
            return None
        high *= 2
    low = 0.0 if high == 0.25 else high / 2
    return float(brentq(excess, low, high, xtol=0.01))


def fewest_listeners(power: Callable[[int], float], least: int = 2, target: float = 0.8, most: int = 100) -> int | None:
    """Find the smallest number of listeners that reaches the target power.

    Args:
        power: of so many listeners, such as `power_cell` with its other arguments given.
        least: fewer are not tried, ≥ 2.
        target: in (0, 1).
        most: so many listeners can be found.

    Returns:
        ``least`` to ``most``; or None where ``most`` listeners are not enough: what is due to the prompts does not
        shrink with the number of listeners.

    Raises:
        ValueError: see `power_cell`.
    """
    few, many = least - 1, least
    while power(many) < target:
        if many >= most:
            return None
        few, many = many, min(2 * many, most)
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if power(middle) >= target else (middle, many)
    return many


class Design(NamedTuple):
    """A survey's size, its power and its cost."""

    listeners: int
    prompts: int
    power: float
    cost: float


def cheapest_design(
    power: Mapping[tuple[int, int], float],
    target: float = 0.8,
    models: float = 2,
    per_rating: float = 1.0,
    per_listener: float = 0.0,
) -> Design | None:
    """Return the cheapest (listeners, prompts) that reach the target power; of equally cheap ones, the more powerful.

    Cost = listeners · (per_listener + models · prompts · per_rating); as it stands, the number of ratings.

    Args:
        power: of each design in question, by (listeners, prompts).
        target: in (0, 1).
        models: that each listener rates on each prompt.
        per_rating, per_listener: ≥ 0, in any currency.

    Returns:
        The design, or None if none reaches the target.

    >>> cheapest_design({(5, 36): 0.44, (20, 36): 0.87, (30, 36): 0.92})
    Design(listeners=20, prompts=36, power=0.87, cost=1440.0)
    """
    designs: Iterable[Design] = (
        Design(listeners, prompts, share, listeners * (per_listener + models * prompts * per_rating))
        for (listeners, prompts), share in power.items()
        if share >= target
    )
    return min(designs, key=lambda design: (design.cost, -design.power), default=None)
