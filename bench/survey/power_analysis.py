"""Plan a survey: power of each number of listeners and prompts, and the cheapest design."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product

from bench.progress import ProgressOption, shown
from bench.stats.holm_power import HolmPower, equivalence_power, holm_power, preferred_share
from bench.stats.planned_survey import PlannedDesign, Simulation
from bench.stats.power import Design, cheapest_design, fewest_listeners, minimum_detectable, power_cell
from bench.stats.survey_model import OpinionVariances, Scale
from bench.survey.latent_ratings import LatentRatings, mean_difference
from bench.survey.parallel import compute


@dataclass(frozen=True)
class Question:
    """The question and the assumptions of a planned survey.

    Attributes:
        effect: true latent difference, > 0, in steps of a five-point scale.
        opinion: latent opinions with their variances.
        scale: scale of the ratings.
        target: target power, in (.05, 1).
        runs: simulated surveys for each number, ≥ 1.
        seed: seed of the simulation.
        most: maximum number of listeners, ≥ 2.
        rating_minutes, listener_minutes: time per answer, and extra time per listener; ≥ 0.
        design: design and tests of the survey.
        margin: of a test of equivalence, in steps of the rating scale: then models are equal, and the question is how
            often equivalence is shown; None for a test of difference.
        pilot: other variances consistent with the pilot, more favorable first.
    """

    effect: float
    opinion: LatentRatings
    scale: Scale = field(default_factory=Scale)
    target: float = 0.8
    runs: int = 2000
    seed: int = 0
    most: int = 100
    rating_minutes: float = 0.0
    listener_minutes: float = 0.0
    design: PlannedDesign = field(default_factory=PlannedDesign)
    margin: float | None = None
    pilot: tuple[OpinionVariances, ...] = ()

    @property
    def timed(self) -> bool:
        """Whether cost is in minutes; otherwise in ratings."""
        return self.rating_minutes > 0 or self.listener_minutes > 0

    @property
    def simulation(self) -> Simulation:
        """The surveys to simulate."""
        variances, centre = self.opinion
        return Simulation(variances, self.scale, self.runs, self.seed, centre=centre, design=self.design)

    def answers(self, listeners: int, prompts: int) -> int:
        """Return the number of answers of a survey of this size."""
        return round(listeners * self.design.answers(prompts))

    def seen(self, effect: float) -> float:
        """Return the observed size of a latent difference: in steps of mean ratings, or as a share of votes."""
        if self.design.votes:
            return preferred_share(effect, self.opinion.variances)
        return mean_difference(effect, self.opinion, self.scale)

    def minutes(self, prompts: int) -> float | None:
        """Return the minutes of one listener, or None if no times are given."""
        return self.listener_minutes + self.design.answers(prompts) * self.rating_minutes if self.timed else None

    def power_error(self, power: float) -> float:
        """Return the standard error of a simulated power; at 0 or 1, as if one survey had been different."""
        share = min(max(power, 1 / self.runs), 1 - 1 / self.runs)
        return math.sqrt(share * (1 - share) / self.runs)

    def detectable_error(self) -> float:
        """Return the standard error of a detectable difference relative to it: that of the power over its slope."""
        from scipy.special import ndtri

        # Power is about Φ(δ/se − z).
        reached = float(ndtri(self.target))
        slope = math.exp(-(reached**2) / 2) / math.sqrt(2 * math.pi) * (reached + float(ndtri(0.975)))
        return self.power_error(self.target) / slope


@dataclass(frozen=True)
class PowerCell:
    """Results for one size of the survey.

    Attributes:
        listeners, prompts: size of the survey.
        power: share of simulated surveys that succeed by the design's criterion, 0 to 1.
        detectable: the latent difference found with the target power, in steps of a five-point scale, or None where
            even the width of the scale is not enough, or the question is equivalence.
        detectable_mean: its observed size, see `Question.seen`.
        holm: power to find a given difference, any, and all; None with a single test.
        low, high: power with the other variances consistent with the pilot; None without a pilot.
    """

    listeners: int
    prompts: int
    power: float
    detectable: float | None
    detectable_mean: float | None
    holm: HolmPower | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Fewest:
    """The smallest number of listeners that reaches the target with ``prompts``, and its power, or None."""

    prompts: int
    listeners: int | None
    power: float | None


@dataclass(frozen=True)
class PowerPlan:
    """Results for all sizes.

    Attributes:
        question: the question.
        effect_mean: observed size of the effect, see `Question.seen`.
        cells: all listeners × prompts, in the requested order.
        fewest: one for each number of prompts.
        cheapest: of ``cells`` and ``fewest``, or None; cost is in answers, or in minutes if times are given.
    """

    question: Question
    effect_mean: float
    cells: tuple[PowerCell, ...]
    fewest: tuple[Fewest, ...]
    cheapest: Design | None


def plan(
    listeners: Sequence[int],
    prompts: Sequence[int],
    question: Question,
    workers: int = 1,
    progress: ProgressOption = None,
) -> PowerPlan:
    """Simulate the analysis of surveys of every number of listeners with every number of prompts.

    The result does not depend on the number of workers.

    Args:
        listeners, prompts: each 2 or more.
        question: the question.
        workers: number of processes; up to 1 works in this one.
        progress: receives the progress.

    Raises:
        ValueError: fewer than two listeners or prompts, or an invalid target power.
        UsageError: a process was killed.
    """
    sizes = list(product(dict.fromkeys(listeners), dict.fromkeys(prompts)))
    jobs: dict[tuple[int, int], Callable[[], PowerCell | Fewest]] = {
        (n, m): partial(_cell, question, n, m) for n, m in sizes
    }
    # A search takes about half the time of a cell of its largest size.
    jobs |= {(0, m): partial(_fewest, question, m) for m in dict.fromkeys(prompts)}
    longest_first = sorted(jobs, key=lambda size: -(size[0] or question.most / 2) * size[1])
    with shown(progress) as progress:
        progress.begin("simulating surveys", len(jobs), 0)
        results = compute([jobs[size] for size in longest_first], workers, progress.advance)
    found = dict(zip(longest_first, results, strict=True))
    cells = tuple(cell for size in sizes if isinstance(cell := found[size], PowerCell))
    fewest = tuple(few for m in dict.fromkeys(prompts) if isinstance(few := found[0, m], Fewest))
    powers = {(few.listeners, few.prompts): few.power for few in fewest if few.listeners and few.power}
    powers |= {(cell.listeners, cell.prompts): cell.power for cell in cells}
    price = (question.rating_minutes, question.listener_minutes) if question.timed else (1.0, 0.0)
    return PowerPlan(
        question,
        question.seen(question.effect),
        cells,
        fewest,
        cheapest_design(powers, question.target, question.design.answers(1), *price),
    )


def _power(asked: Question, listeners: int, prompts: int) -> float:
    if asked.margin is not None:
        return equivalence_power(listeners, prompts, asked.margin, asked.simulation)
    return power_cell(listeners, prompts, asked.effect, asked.simulation)


def _cell(asked: Question, listeners: int, prompts: int) -> PowerCell:
    others = [
        _power(replace(asked, opinion=asked.opinion._replace(variances=v)), listeners, prompts) for v in asked.pilot
    ]
    low, high = (min(others), max(others)) if others else (None, None)
    if asked.margin is not None:
        return PowerCell(listeners, prompts, _power(asked, listeners, prompts), None, None, None, low, high)
    holm = None
    if asked.design.tests > 1:
        holm = holm_power(listeners, prompts, asked.effect, asked.simulation)
        power = float(getattr(holm, asked.design.criterion))
    else:
        power = _power(asked, listeners, prompts)
    least = minimum_detectable(listeners, prompts, asked.simulation, asked.target)
    shown = None if least is None else asked.seen(least)
    return PowerCell(listeners, prompts, power, least, shown, holm, low, high)


def _fewest(asked: Question, prompts: int) -> Fewest:
    power = partial(_power_of, asked, prompts)
    listeners = fewest_listeners(power, asked.design.least_listeners, asked.target, asked.most)
    return Fewest(prompts, listeners, None if listeners is None else power(listeners))


def _power_of(asked: Question, prompts: int, listeners: int) -> float:
    return _power(asked, listeners, prompts)
