"""The tables of a survey's report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.number_format import NONE, first_few, number, p_text
from bench.survey.listener_results import Agreement, GroupMean, ListenerRating
from bench.survey.ratings import Exclusion
from bench.survey.results import (
    CustomaryTest,
    GenreComparison,
    ModelRating,
    OmnibusTest,
    OrdinalModel,
    SurveyComparison,
)

_ROWS = 8  # rows of an exclusion, before "and N more"
_WARNINGS = 6  # comparisons per warning
_LISTENERS = 20  # rows of the table of listeners


@dataclass(frozen=True)
class Rows:
    """A text table; the first ``words`` columns are text, the others numbers."""

    header: list[str]
    rows: list[list[str]]
    words: int


Table = tuple[Rows, tuple[str, ...]]


def exclusions(found: Sequence[Exclusion]) -> Rows:
    """Return the exclusions: reason, count and rows."""
    rows = []
    for one in found:
        places = dict.fromkeys(zip(one.rows, one.found, strict=True))  # a row may have several of the answers
        shown = [f"{row} ({text})" if text else str(row) for row, text in places]
        rows.append([one.reason, one.column, ", ".join(first_few(shown, _ROWS)), str(one.count)])
    return Rows(["reason", "column", "rows (content)", "count"], rows, 3)


def model_rows(found: Sequence[ModelRating]) -> Table:
    """Return the mean, interval, median and quartiles of each model, and why some are missing."""
    rows = [
        [
            one.scale,
            one.model,
            number(one.mean, 2),
            interval(one.low, one.high),
            _shortest(one.median),
            f"{_shortest(one.q1)}–{_shortest(one.q3)}" if one.q1 is not None else NONE,
            str(one.n),
            str(one.missing),
        ]
        for one in found
    ]
    header = ["scale", "model", "mean", "interval", "median", "IQR", "ratings", "missing"]
    return Rows(header, rows, 2), reasons((f"{one.scale}, {one.model}", one.reason) for one in found)


def omnibus_rows(found: Sequence[OmnibusTest]) -> Table:
    """Return the test of all models on each scale, and why some are missing."""
    rows = [
        [
            *(one.scale, one.method or NONE, number(one.f, 2), number(one.df_models, 1), number(one.df_error, 1)),
            *(p_text(one.p), p_text(one.p_holm)),
        ]
        for one in found
    ]
    header = ["scale", "method", "F", "df models", "df error", "p", "p Holm"]
    return Rows(header, rows, 2), reasons((one.scale, one.reason) for one in found)


def differences(found: Sequence[SurveyComparison]) -> Table:
    """Return the tests of all pairs; below are their warnings, and why some are missing."""
    margin = next((one.equivalence.margin for one in found if one.equivalence), None)
    rows = [
        [
            one.scale,
            f"{one.b} − {one.a}",
            number(one.estimate, 2),
            interval(one.low, one.high),
            number(one.t, 2),
            number(one.df, 1),
            p_text(one.p),
            p_text(one.p_holm),
            _method(one),
            f"{one.cells}/{one.cells + one.missing}",
            *([p_text(one.equivalence.p if one.equivalence else None)] if margin is not None else []),
        ]
        for one in found
    ]
    header = ["scale", "comparison", "diff.", "interval", "t", "df", "p", "p Holm", "method", "cells"]
    extra = [] if margin is None else [f"p equiv. ±{margin:g}"]
    pairs = [(f"{one.scale}, {one.b} − {one.a}", one) for one in found]
    warnings = first_few(reasons((pair, said) for pair, one in pairs for said in one.warnings), _WARNINGS)
    why = reasons((pair, one.reason) for pair, one in pairs)
    return Rows([*header, *extra], rows, 2), (*warnings, *why, *_adjusted(found))


def _adjusted(found: Sequence[SurveyComparison]) -> list[str]:
    if sum(one.p is not None for one in found) < 2:
        return []
    return [
        "Intervals and p are unadjusted; p Holm is adjusted over all rows, and so are the "
        "intervals of the plot and in 'What this shows'."
    ]


def _method(one: SurveyComparison) -> str:
    """Return a short name of the method; notes below the tables explain it."""
    marks = [*(["f"] if one.floored else []), *(["position"] if one.by_position else [])]
    name = "maximal" if one.method == "maximal mixed model" else one.method or NONE
    return ", ".join([name, *marks])


def effects(found: Sequence[SurveyComparison], votes: bool) -> Table:
    """Return effect sizes of the differences, and what they mean.

    Args:
        found: all pairs.
        votes: whether they are differences of votes; otherwise of ratings.
    """
    rows = [
        [
            one.scale,
            f"{one.b} − {one.a}",
            number(one.superiority, 2),
            interval(one.superiority_low, one.superiority_high),
            number(one.rank_biserial, 2),
            number(one.d_z, 2),
            *(
                (
                    number(one.components.listener, 2),
                    number(one.components.prompt, 2),
                    number(one.components.residual, 2),
                )
                if one.components
                else (NONE,) * 3
            ),
        ]
        for one in found
    ]
    header = ["scale", "comparison", "P(higher)", "interval", "rank-bis.", "d_z"]
    header += ["var. listeners", "var. prompts", "var. rest"]
    higher = (
        "share of votes for the first, ties half, with the interval of the test of their signs"
        if votes
        else "chance that one listener rates the first above the second on one prompt, ties half, with its bootstrap "
        "interval"
    )
    sentence = (
        f"P(higher): {higher}; rank-bis.: matched-pairs rank-biserial correlation over cells; d_z: of listener means; "
        "var.: variance of the differences between listeners, between prompts, and the rest."
    )
    return Rows(header, rows, 2), (sentence,)


def customary(found: Sequence[CustomaryTest]) -> Table:
    """Return the customary tests of all pairs with their false-positive rates, and what these mean."""
    rows = [
        [
            one.scale,
            f"{one.b} − {one.a}",
            one.test,
            p_text(one.p),
            NONE if one.false_positives is None else f"{100 * one.false_positives:.1f} %",
        ]
        for one in found
    ]
    sentence = (
        "Wrong at .05: how often the test claims a difference between equally good models, in 2,000 simulated surveys "
        "with these listeners, prompts and variances; a valid test does so in 5 %."
    )
    header = ["scale", "comparison", "test", "p", "wrong at .05"]
    why = reasons((f"{one.scale}, {one.b} − {one.a}", one.reason) for one in found)
    return Rows(header, rows, 3), (sentence, *why)


def genre_differences(found: Sequence[GenreComparison]) -> Table:
    """Return the tests of all pairs within each genre, and why some are missing."""
    rows = [
        [
            *(one.scale, f"{one.b} − {one.a}", one.genre, number(one.estimate, 2), interval(one.low, one.high)),
            *(p_text(one.p), p_text(one.p_bh), str(one.prompts)),
        ]
        for one in found
    ]
    header = ["scale", "comparison", "genre", "diff.", "interval", "p", "p BH", "prompts"]
    return Rows(header, rows, 3), reasons((f"{one.scale}, {one.b} − {one.a}, {one.genre}", one.reason) for one in found)


def agreements(found: Sequence[Agreement]) -> Table:
    """Return the agreement of listeners on each scale, what it means, and why some is missing."""
    rows = [
        [
            *(one.scale, number(one.alpha, 2), number(one.icc, 2), number(one.kendall_w, 2)),
            *(str(one.clips), str(one.complete)),
        ]
        for one in found
    ]
    header = ["scale", "Krippendorff's α", "ICC(2,k)", "Kendall's W", "clips", "rated by all"]
    why = reasons((one.scale, reason) for one in found for reason in one.reasons)
    sentence = (
        "α (ordinal): for clips rated by two or more listeners; ICC(2,k), for the mean over listeners, and W, "
        "for their rankings: for clips rated by all."
    )
    return Rows(header, rows, 1), (sentence, *why)


def ordinal_rows(found: Sequence[OrdinalModel]) -> Table:
    """Return the log-odds of each model, what they mean, and why some are missing."""
    rows = [
        [
            *(one.scale, model, number(log_odds, 2), number(math.exp(log_odds), 2)),
            *(number(one.listener_sd, 2), number(one.prompt_sd, 2)),
        ]
        for one in found
        for model, log_odds in one.log_odds.items()
    ]
    sentence = (
        "Log-odds of a higher rating against the first model, from a cumulative link mixed model (logit, random "
        "intercepts of listener and prompt by Laplace's approximation), which assumes nothing about distances between "
        "steps. Descriptive only: it has no random slopes of listeners and prompts, so its p would be "
        "too small; use the tests above."
    )
    header = ["scale", "model", "log-odds", "odds ratio", "SD listeners", "SD prompts"]
    why = reasons((one.scale, one.reason) for one in found)
    return Rows(header, rows, 2), (*([sentence] if rows else []), *why)


def listener_rows(found: Sequence[ListenerRating]) -> Table:
    """Return the listeners in the order of the survey; of many, only the most extreme."""
    shown = list(found)
    if len(shown) > _LISTENERS:
        furthest = sorted(shown, key=lambda one: (-(one.inconsistency or 0.0), -abs(one.bias or 0.0)))
        chosen = {id(one) for one in furthest[:_LISTENERS]}
        shown = [one for one in shown if id(one) in chosen]
    rows = [
        [one.scale, one.listener, str(one.ratings), number(one.bias, 2, "+"), number(one.inconsistency, 2)]
        for one in shown
    ]
    sentences = [
        "Bias: how much higher than the average listener they rate equal clips; inconsistency: standard deviation of "
        "their ratings around the clips' quality and that bias (alternating projection, ITU-T P.913). Neither is a "
        "reason to exclude a listener."
    ]
    if len(shown) < len(found):
        sentences.append(f"Shown are the {len(shown)} least consistent of {len(found)}; --json lists all.")
    why = reasons((one.scale, one.reason) for one in {(o.scale, o.reason): o for o in found}.values())
    return Rows(["scale", "listener", "ratings", "bias", "inconsistency"], rows, 2), (*sentences, *why)


def group_rows(found: Sequence[GroupMean]) -> Table:
    """Return the mean of each model within each group of listeners."""
    rows = [
        [one.column, one.group, one.scale, one.name, number(one.mean, 2), str(one.listeners), str(one.cells)]
        for one in found
    ]
    sentence = "Descriptive only: differences between groups were not tested."
    return Rows(["column", "group", "scale", "model", "mean", "listeners", "answers"], rows, 4), (sentence,)


def interval(low: float | None, high: float | None, decimals: int = 2) -> str:
    """Return ``[low, high]``, or the sign for a missing number unless both are known."""
    return NONE if low is None or high is None else f"[{number(low, decimals)}, {number(high, decimals)}]"


def _shortest(value: float | None) -> str:
    """Return a rating or a quartile, with as many decimals as it has and at most two: 3, 2.5, 3.75."""
    text = number(value, 2)
    return text.rstrip("0").rstrip(".") if "." in text else text


def reasons(found: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Return each reason once, with everything that it applies to."""
    where: dict[str, list[str]] = {}
    for place, reason in found:
        if reason:
            where.setdefault(reason, []).append(place)
    return tuple(f"{'; '.join(first_few(places, 4))}: {reason}." for reason, places in where.items())
