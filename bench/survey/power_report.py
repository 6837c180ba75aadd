"""A survey plan as text and as JSON; all differences and variances are in rating steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.number_format import NONE, number
from bench.survey.power_analysis import PowerCell, PowerPlan, Question
from bench.text_table import Layout, paragraph, text_table


def plan_record(plan: PowerPlan) -> dict[str, Any]:
    """Return the plan as JSON values.

    ``effect`` and ``detectable`` are differences of opinions before rounding, ``effect_mean`` and ``detectable_mean``
    of mean ratings, or for votes the share for the better model. ``power_given``, ``power_any`` and ``power_all`` are
    null where one difference is tested, ``power_low`` and ``power_high`` without a pilot. ``power_error`` is a standard
    error, ``detectable_error`` one as a share of the difference.
    """
    asked, step = plan.question, plan.question.scale.step
    best = plan.cheapest
    return {
        "scale": list(asked.scale),
        "effect": round(asked.effect / step, 12),
        "effect_mean": plan.effect_mean,
        "components": {name: round(variance / step**2, 12) for name, variance in vars(asked.opinion.variances).items()},
        "centre": (asked.scale.low + asked.scale.high) / 2 + asked.opinion.centre / step,
        "design": {**vars(asked.design), "tests": asked.design.tests, "true": asked.design.true},
        "margin": asked.margin,
        "target": asked.target,
        "runs": asked.runs,
        "seed": asked.seed,
        "detectable_error": asked.detectable_error(),
        "cells": [
            {
                "listeners": cell.listeners,
                "prompts": cell.prompts,
                "ratings": asked.answers(cell.listeners, cell.prompts),
                "minutes": asked.minutes(cell.prompts),
                "power": cell.power,
                "power_error": asked.power_error(cell.power),
                **{f"power_{name}": getattr(cell.holm, name, None) for name in ("given", "any", "all")},
                "power_low": cell.low,
                "power_high": cell.high,
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
            "ratings": asked.answers(best.listeners, best.prompts),
            "minutes": asked.minutes(best.prompts),
            "power": best.power,
            "power_error": asked.power_error(best.power),
            "cost": best.cost,
            "unit": "minutes" if asked.timed else "ratings",
        },
    }


def plan_text(plan: PowerPlan, source: str, layout: Layout | None = None) -> str:
    """Return the plan for a terminal or a pipe, its answers first; ``source`` names the source of the variances."""
    asked = plan.question
    target = f"{100 * asked.target:g} %"
    fewest = {few.prompts: few.listeners for few in plan.fewest}
    header = ["listeners", *(f"{count} prompts" for count in fewest)]
    powers = [
        *_rows(plan, lambda cell: f"{100 * cell.power:.0f} ± {_error(asked, cell)}"),
        ["for " + target, *(str(few) if few else f"> {asked.most}" for few in fewest.values())],
    ]
    parts = [*(paragraph(text, layout) for text in answers(plan)), ""]
    parts += [paragraph(f"Power (%) to {_aim(plan)}", layout), text_table(header, powers, layout=layout), ""]
    if asked.design.tests > 1:
        told = _rows(plan, lambda cell: " / ".join(f"{100 * share:.0f}" for share in cell.holm or ()))
        text = f"Power (%) to find a given one / any / all of the {asked.design.true} true differences"
        parts += [paragraph(text, layout), text_table(header, told, layout=layout), ""]
    if asked.pilot:
        told = _rows(plan, lambda cell: f"{100 * (cell.low or 0):.0f} to {100 * (cell.high or 0):.0f}")
        text = (
            "The same power (%) for variances consistent with the earlier survey: the 10th and 90th percentiles "
            "of surveys of its size, simulated from its estimates and estimated again"
        )
        parts += [paragraph(text, layout), text_table(header, told, layout=layout), ""]
    if asked.margin is None:
        differences = _rows(
            plan, lambda cell: NONE if cell.detectable_mean is None else _shown(asked, cell.detectable_mean)
        )
        parts += [
            paragraph(f"{_unit(asked)} found with a power of {target}", layout),
            text_table(header, differences, layout=layout),
            "",
        ]
    return "\n".join([*parts, paragraph(_method(plan, source), layout)])


def answers(plan: PowerPlan) -> list[str]:
    """Return two sentences: the number of listeners needed, and the difference that a survey can detect."""
    asked, best = plan.question, plan.cheapest
    target = f"{100 * asked.target:g} %"
    if best is None:
        first = (
            f"No design with these numbers of prompts has a power of {target} to {_aim(plan)}, even with {asked.most} "
            "listeners: more prompts help, since differences specific to a prompt do not average out "
            "over listeners."
        )
    else:
        minutes = asked.minutes(best.prompts)
        time = "" if minutes is None else f", {minutes:.0f} minutes a listener, {best.cost / 60:.1f} hours in all"
        first = (
            f"To {_aim(plan)} with a power of {target}, the cheapest design is {best.listeners} listeners × "
            f"{best.prompts} prompts: power {100 * best.power:.0f} %, {asked.answers(best.listeners, best.prompts)} "
            f"{'votes' if asked.design.votes else 'ratings'}{time}."
        )
    if asked.margin is not None or not plan.cells:
        return [first]
    smallest = min(plan.cells, key=lambda cell: (cell.listeners, -cell.prompts))
    can = (
        "no difference within this scale"
        if smallest.detectable_mean is None
        else (f"{_unit(asked, capital=False)} of {_shown(asked, smallest.detectable_mean)}")
    )
    return [
        first,
        f"{smallest.listeners} listeners × {smallest.prompts} prompts can find {can} with that power.",
    ]


def _unit(asked: Question, capital: bool = True) -> str:
    text = "a share of votes for the better model" if asked.design.votes else "a difference of mean ratings"
    return text[2:].capitalize() if capital else text


def _shown(asked: Question, seen: float) -> str:
    return f"{100 * seen:.0f} %" if asked.design.votes else _number(seen)


def _aim(plan: PowerPlan) -> str:
    """Return the definition of success."""
    asked, design = plan.question, plan.question.design
    if asked.margin is not None:
        return f"show that equal models differ by less than {_number(asked.margin)} between mean ratings"
    if design.votes:
        what = f"find that {_shown(asked, plan.effect_mean)} of votes are for the better model"
    else:
        what = (
            f"find a difference of {_number(plan.effect_mean)} between mean ratings on "
            f"{asked.scale.low}–{asked.scale.high}"
        )
    if design.tests == 1:
        return what
    which = {"given": "a given one", "any": "any", "all": "all"}[design.criterion]
    return f"{what} ({which} of {design.true} true ones among {design.tests} tests, Holm)"


def _rows(plan: PowerPlan, shown: Callable[[PowerCell], str]) -> list[list[str]]:
    """Return a row per number of listeners, with a cell per number of prompts."""
    return [
        [str(listeners), *(shown(cell) for cell in plan.cells if cell.listeners == listeners)]
        for listeners in dict.fromkeys(cell.listeners for cell in plan.cells)
    ]


def _method(plan: PowerPlan, source: str) -> str:
    asked, step = plan.question, plan.question.scale.step
    names = {name: name.replace("_", " × ") for name in vars(asked.opinion.variances)}
    variances = ", ".join(
        f"{names[name]} {_number(variance / step**2)}" for name, variance in vars(asked.opinion.variances).items()
    )
    middle = (asked.scale.low + asked.scale.high) / 2 + asked.opinion.centre / step
    error = "" if asked.margin is not None else f", which is {196 * asked.detectable_error():.0f} % of the differences"
    latent = _number(asked.effect / step)
    opinion = "" if asked.margin is not None else f" The difference is {latent} between opinions before rounding."
    return (
        f"{_tested(asked)} {asked.runs} simulated surveys per number, seed {asked.seed}; ± is their own 95 % "
        f"error{error}. Variances of opinions before rounding ({source}): {variances}; mean rating about "
        f"{_number(middle)}.{opinion}"
    )


def _tested(asked: Question) -> str:
    """Return how the simulated surveys are tested, and what listeners do in them."""
    design = asked.design
    if asked.margin is not None:
        return "Two one-sided crossed t-tests at .05, of two models that every listener rates on every prompt."
    scales = "one scale" if design.scales == 1 else f"{design.scales} scales, which correlate by {design.correlation:g}"
    done = {
        "complete": "every listener rating all on every prompt",
        "latin": "every listener rating each prompt from one model, rotated",
        "between": "every listener rating one model on every prompt",
    }
    if design.votes:
        ties = f", {100 * design.ties:g} % ties between equals" if design.ties else ""
        return f"Crossed t-test of votes, two-sided .05, every listener choosing on every prompt{ties}."
    share = (
        f"{100 * design.cells:g} % of cells rated, at random" if isinstance(design.cells, float) else done[design.cells]
    )
    test = "Crossed t-test" if design.cells == "complete" else "Maximal mixed model"
    return f"{test}, two-sided .05, of {design.models} models on {scales}, {share}."


def _error(asked: Question, cell: PowerCell) -> str:
    error = 196 * asked.power_error(cell.power)
    return f"{error:.0f}" if error >= 1 else f"{error:.1f}"


def _number(value: float) -> str:
    return number(value, 2 if abs(value) < 10 else 1)
