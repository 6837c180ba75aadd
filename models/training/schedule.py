"""The learning rate as a pure function of the step, so that there is no state of it to save."""

from __future__ import annotations

import math

from models.training.config import ScheduleConfig

_REACHING_ZERO = ("linear", "cosine", "polynomial")


def factor(step: int, schedule: ScheduleConfig, total: int) -> float:
    """Return the factor on the learning rate in a step: a linear rise times the fall of the schedule's kind.

    Args:
        step: counted from 0, up to ``total``.
        schedule: with a rise over ``warmup`` steps, during which all but ``inverse`` stay at their full value.
        total: optimizer steps of the whole training, ≥ 1.

    Returns:
        In [0, 1].

    The kinds are those of diffusers' ``get_scheduler``, with 0 as the polynomial's end, and ``inverse`` is
    ``InverseLR`` of stable-audio-tools.
    """
    rise = min(1.0, step / schedule.warmup) if schedule.warmup else 1.0
    left = 1 - min(1.0, max(0, step - schedule.warmup) / max(1, total - schedule.warmup))
    match schedule.kind:
        case "constant":
            return rise
        case "linear":
            return rise * left
        case "cosine":
            return rise * 0.5 * (1 - math.cos(math.pi * left))
        case "polynomial":
            return float(rise * left**schedule.power)
        case "inverse":
            return float(rise * (1 + step / schedule.inverse_gamma) ** -schedule.power)


def depends_on_total(schedule: ScheduleConfig) -> bool:
    """Return whether a longer training would have had other learning rates from its first step on."""
    return schedule.kind in _REACHING_ZERO
