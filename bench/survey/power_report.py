"""A plan of a survey, for people and for programs; in both, all differences and variances are in rating steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.number_format import NONE, number
from bench.survey.power_analysis import MODELS, PowerCell, PowerPlan, Question
from bench.text_table import Layout, paragraph, text_table


def plan_record(plan: PowerPlan) -> dict[str, Any]:
    """The plan as JSON knows it.

    ``effect`` and ``detectable`` are differences of opinions before rounding, ``effect_mean`` and ``detectable_mean``
    of mean ratings. ``power_error`` is a standard error, ``detectable_error`` one as a share of the difference.
    """
    asked, step = plan.question, plan.question.scale.step
    best = plan.cheapest
    return {
        "scale": list(asked.scale),
        "effect": round(asked.effect / step, 12),
        "effect_mean": plan.effect_mean,
        "components": {name: round(variance / step**2, 12) for name, variance in vars(asked.opinion.variances).items()},
        "centre": (asked.scale.low + asked.scale.high) / 2 + asked.opinion.centre / step,
        "target": asked.target,
        "runs": asked.runs,
        "seed": asked.seed,
        "detectable_error": asked.detectable_error(),
        "cells": [
            {
                "listeners": cell.listeners,
                "prompts": cell.prompts,
                "ratings": MODELS * cell.listeners * cell.prompts,
                "minutes": asked.minutes(cell.prompts),
                "power": cell.power,
                "power_error": asked.power_error(cell.power),
                "detectable": None if cell.detectable is None else cell.detectable / step,
                "detectable_mean": cell.detectable_mean,
            }
            for cell in plan.cells
        ],
        "fewest": [vars(few) for few in plan.fewest],
        "cheapest": best
        and {
            "listeners": best.listeners,
            "prompts": best.prompts,
            "ratings": MODELS * best.listeners * best.prompts,
            "minutes": asked.minutes(best.prompts),
            "power": best.power,
            "power_error": asked.power_error(best.power),
            "cost": best.cost,
            "unit": "minutes" if asked.timed else "ratings",
        },
    }


def plan_text(plan: PowerPlan, source: str, layout: Layout | None = None) -> str:
    """The plan for a terminal or a pipe; ``source`` says where the variances are from."""
    asked = plan.question
    target = f"{100 * asked.target:g} %"
    fewest = {few.prompts: few.listeners for few in plan.fewest}
    more = f"> {asked.most}"
    header = ["listeners", *(f"{count} prompts" for count in fewest)]
    powers = [
        *_rows(plan, lambda cell: f"{100 * cell.power:.0f} ± {_error(asked, cell)}"),
        ["for " + target, *(str(few) if few else more for few in fewest.values())],
    ]
    differences = _rows(plan, lambda cell: NONE if cell.detectable_mean is None else _number(cell.detectable_mean))
    to_find = (
        f"Power (%) to find a difference of {_number(asked.effect / asked.scale.step)} on "
        f"{asked.scale.low}–{asked.scale.high} (seen as {_number(plan.effect_mean)} between mean ratings)"
    )
    parts = [
        paragraph(to_find, layout),
        text_table(header, powers, layout=layout),
        "",
        paragraph(f"Difference of mean ratings that is found with a power of {target}", layout),
        text_table(header, differences, layout=layout),
        "",
        paragraph(_cheapest(plan, target), layout),
        paragraph(_method(plan, source), layout),
    ]
    return "\n".join(parts)


def _rows(plan: PowerPlan, shown: Callable[[PowerCell], str]) -> list[list[str]]:
    """A row for each number of listeners, a cell for each number of prompts."""
    return [
        [str(listeners), *(shown(cell) for cell in plan.cells if cell.listeners == listeners)]
        for listeners in dict.fromkeys(cell.listeners for cell in plan.cells)
    ]


def _cheapest(plan: PowerPlan, target: str) -> str:
    asked, best = plan.question, plan.cheapest
    if best is None:
        return (
            f"No design with these numbers of prompts reaches {target}, even with {asked.most} listeners: more prompts "
            "are what helps, since what suits one model in one prompt does not average out over listeners."
        )
    ratings = MODELS * best.listeners * best.prompts
    minutes = asked.minutes(best.prompts)
    time = "" if minutes is None else f", {minutes:.0f} minutes a listener, {best.cost / 60:.1f} hours in all"
    return (
        f"Cheapest design that reaches {target}: {best.listeners} listeners × {best.prompts} prompts × {MODELS} "
        f"models, power {100 * best.power:.0f} %; {ratings} ratings{time}."
    )


def _method(plan: PowerPlan, source: str) -> str:
    asked, step = plan.question, plan.question.scale.step
    names = {name: name.replace("_", " × ") for name in vars(asked.opinion.variances)}
    variances = ", ".join(
        f"{names[name]} {_number(variance / step**2)}" for name, variance in vars(asked.opinion.variances).items()
    )
    middle = (asked.scale.low + asked.scale.high) / 2 + asked.opinion.centre / step
    return (
        "Crossed t-test, two-sided .05, of two models on one scale, every listener rating both on every prompt. "
        f"{asked.runs} simulated surveys a number, seed {asked.seed}; ± is their own 95 % error, which is "
        f"{196 * asked.detectable_error():.0f} % of the differences. Variances of opinions before rounding ({source}): "
        f"{variances}; mean rating about {_number(middle)}."
    )


def _error(asked: Question, cell: PowerCell) -> str:
    error = 196 * asked.power_error(cell.power)
    return f"{error:.0f}" if error >= 1 else f"{error:.1f}"


def _number(value: float) -> str:
    return number(value, 2 if abs(value) < 10 else 1)
