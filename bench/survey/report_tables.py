"""The tables of a survey's report: what each finding looks like in a row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.number_format import NONE, counted, first_few, number
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
from bench.survey.vote_results import SideChoice, StrengthFit

_ROWS = 8  # of an exclusion, before "and so many more"
_LISTENERS = 20  # rows of the table of listeners


@dataclass(frozen=True)
class Rows:
    """A table of text; the first ``words`` columns are words, the others numbers."""

    header: list[str]
    rows: list[list[str]]
    words: int


Table = tuple[Rows, tuple[str, ...]]


def exclusions(found: Sequence[Exclusion]) -> Rows:
    """What was left out: why, how much, and where."""
    rows = []
    for one in found:
        shown = [
            f"{row} ({text})" if text else str(row)
            for row, text in zip(one.rows[:_ROWS], one.found[:_ROWS], strict=True)
        ]
        more = [f"and {one.count - _ROWS} more"] if one.count > _ROWS else []
        rows.append([one.reason, one.column, ", ".join([*shown, *more]), str(one.count)])
    return Rows(["reason", "column", "rows (what stands there)", "count"], rows, 3)


def model_rows(found: Sequence[ModelRating]) -> Table:
    rows = [
        [
            one.scale,
            one.model,
            number(one.mean, 2),
            interval(one.low, one.high),
            number(one.median, 1),
            f"{number(one.q1, 1)}–{number(one.q3, 1)}" if one.q1 is not None else NONE,
            str(one.n),
            str(one.missing),
        ]
        for one in found
    ]
    header = ["scale", "model", "mean", "interval", "median", "IQR", "ratings", "missing"]
    return Rows(header, rows, 2), _reasons((f"{one.scale}, {one.model}", one.reason) for one in found)


def strength_rows(fit: StrengthFit) -> Table:
    rows = [
        [
            *(one.model, number(one.strength, 2), interval(one.low, one.high), number(one.elo, 0)),
            str(one.best) if one.best == one.worst else f"{one.best}–{one.worst}",
            *(str(one.wins), str(one.ties), str(one.losses), str(one.both_bad)),
        ]
        for one in sorted(fit.models, key=lambda one: -(one.strength if one.strength is not None else 0))
    ]
    header = ["model", "log-strength", "interval", "Elo", "places", "won", "tied", "lost", "both bad"]
    said = [f"{fit.scale}: {fit.reason}."] if fit.reason else []
    if fit.effective_listeners is not None:
        said.append(
            f"{counted(fit.listeners, 'listener')}, who tell as much as {number(fit.effective_listeners, 1)} with as "
            "many answers each (Kish). Intervals: listeners and prompts left out one at a time, t. Places: those that "
            "the differences leave open (Holm p below .05)."
        )
    if fit.nu is not None:
        said.append(
            f"Davidson: ν = {number(fit.nu, 2)}. Its strengths are of answers that are no ties, so they lie further "
            "apart than those of half wins; name the one you report."
        )
    return Rows(header, rows, 1), tuple(said)


def strength_differences(fit: StrengthFit) -> Rows:
    rows = [
        [
            f"{one.b} − {one.a}",
            number(one.estimate, 2),
            interval(one.low, one.high),
            p_value(one.p),
            p_value(one.p_holm),
        ]
        for one in fit.differences
    ]
    return Rows(["difference of log-strengths", "estimate", "interval", "p", "p Holm"], rows, 1)


def side_rows(found: Sequence[SideChoice]) -> Table:
    rows = [
        [
            one.scale,
            str(one.votes),
            f"{number(100 * one.share, 1)} %",
            interval(None if one.low is None else 100 * one.low, None if one.high is None else 100 * one.high),
            p_value(one.p),
        ]
        for one in found
    ]
    said = [f"{one.scale}: {one.reason}." for one in found if one.reason]
    if not all(one.known for one in found):
        said.append("The file does not say which side was shown first: a is taken for it (--column side=NAME says it).")
    return Rows(["question", "votes for a side", "first side", "interval (%)", "p of 50 %"], rows, 1), tuple(said)


def omnibus_rows(found: Sequence[OmnibusTest]) -> Table:
    rows = [
        [
            *(one.scale, one.method or NONE, number(one.f, 2), number(one.df_models, 1), number(one.df_error, 1)),
            *(p_value(one.p), p_value(one.p_holm)),
        ]
        for one in found
    ]
    header = ["scale", "method", "F", "df models", "df error", "p", "p Holm"]
    return Rows(header, rows, 2), _reasons((one.scale, one.reason) for one in found)


def differences(found: Sequence[SurveyComparison]) -> Table:
    margin = next((one.equivalence.margin for one in found if one.equivalence), None)
    rows = [
        [
            one.scale,
            f"{one.b} − {one.a}",
            number(one.estimate, 2),
            interval(one.low, one.high),
            number(one.t, 2),
            number(one.df, 1),
            p_value(one.p),
            p_value(one.p_holm),
            _method(one),
            f"{one.cells}/{one.cells + one.missing}",
            *([p_value(one.equivalence.p if one.equivalence else None)] if margin is not None else []),
        ]
        for one in found
    ]
    header = ["scale", "comparison", "diff.", "interval", "t", "df", "p", "p Holm", "method", "cells"]
    extra = [] if margin is None else [f"p equiv. ±{margin:g}"]
    pairs = [(f"{one.scale}, {one.b} − {one.a}", one) for one in found]
    warnings = _reasons((pair, said) for pair, one in pairs for said in one.warnings)
    reasons = _reasons((pair, one.reason) for pair, one in pairs)
    return Rows([*header, *extra], rows, 2), (*warnings, *reasons)


def _method(one: SurveyComparison) -> str:
    """Short: what it means stands below the tables."""
    marks = [*(["f"] if one.floored else []), *(["position"] if one.by_position else [])]
    name = "maximal" if one.method == "maximal mixed model" else one.method or NONE
    return ", ".join([name, *marks])


def effects(found: Sequence[SurveyComparison]) -> Table:
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
    header = ["scale", "comparison", "P(higher)", "interval", "rank-bis.", "d_z", "listeners", "prompts", "residual"]
    sentence = (
        "P(higher): chance that one listener rates the first above the second on one prompt, or prefers it, ties half, "
        "with its bootstrap interval; rank-bis.: matched-pairs rank-biserial correlation over cells; d_z: of listener "
        "means; the last three: variances of the differences between listeners, between prompts, and the rest."
    )
    return Rows(header, rows, 2), (sentence,)


def customary(found: Sequence[CustomaryTest]) -> Table:
    rows = [
        [
            one.scale,
            f"{one.b} − {one.a}",
            one.test,
            p_value(one.p),
            NONE if one.false_positives is None else f"{100 * one.false_positives:.1f} %",
        ]
        for one in found
    ]
    sentence = (
        "Wrong at .05: how often the test finds a difference between equally good models, in 2,000 simulated surveys "
        "with these listeners, prompts and variances; a valid test does so in 5 %."
    )
    header = ["scale", "comparison", "test", "p", "wrong at .05"]
    reasons = _reasons((f"{one.scale}, {one.b} − {one.a}", one.reason) for one in found)
    return Rows(header, rows, 3), (sentence, *reasons)


def genre_differences(found: Sequence[GenreComparison]) -> Table:
    rows = [
        [
            *(one.scale, f"{one.b} − {one.a}", one.genre, number(one.estimate, 2), interval(one.low, one.high)),
            *(p_value(one.p), p_value(one.p_bh), str(one.prompts)),
        ]
        for one in found
    ]
    header = ["scale", "comparison", "genre", "diff.", "interval", "p", "p BH", "prompts"]
    return Rows(header, rows, 3), _reasons(
        (f"{one.scale}, {one.b} − {one.a}, {one.genre}", one.reason) for one in found
    )


def agreements(found: Sequence[Agreement]) -> Table:
    rows = [
        [
            *(one.scale, number(one.alpha, 2), number(one.icc, 2), number(one.kendall_w, 2)),
            *(str(one.clips), str(one.complete)),
        ]
        for one in found
    ]
    header = ["scale", "Krippendorff's α", "ICC(2,k)", "Kendall's W", "clips", "rated by all"]
    reasons = _reasons((one.scale, reason) for one in found for reason in one.reasons)
    sentence = (
        "α (ordinal): of the clips that two or more listeners rated; ICC(2,k): of the mean over the listeners, and W: "
        "of their orders, both of the clips that all rated."
    )
    return Rows(header, rows, 1), (sentence, *reasons)


def ordinal_rows(found: Sequence[OrdinalModel]) -> Table:
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
        "intercepts of listener and prompt by Laplace's approximation), which takes no distance between steps for "
        "granted. A description: it lets no listener and no prompt prefer a model, so that a p made from it would be "
        "too small; the tests are those above."
    )
    header = ["scale", "model", "log-odds", "odds ratio", "SD listeners", "SD prompts"]
    reasons = _reasons((one.scale, one.reason) for one in found)
    return Rows(header, rows, 2), (*([sentence] if rows else []), *reasons)


def listener_rows(found: Sequence[ListenerRating]) -> Table:
    """The listeners in the order of the survey; of many, those who are furthest from the others."""
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
        "reason to leave a listener out by itself."
    ]
    if len(shown) < len(found):
        sentences.append(f"Shown are the {len(shown)} least consistent of {len(found)}; --json lists all.")
    reasons = _reasons((one.scale, one.reason) for one in {(o.scale, o.reason): o for o in found}.values())
    return Rows(["scale", "listener", "ratings", "bias", "inconsistency"], rows, 2), (*sentences, *reasons)


def group_rows(found: Sequence[GroupMean]) -> Table:
    rows = [
        [one.column, one.group, one.scale, one.name, number(one.mean, 2), str(one.listeners), str(one.cells)]
        for one in found
    ]
    sentence = "A description of these listeners: whether groups differ was not tested."
    return Rows(["column", "group", "scale", "model", "mean", "listeners", "answers"], rows, 4), (sentence,)


def interval(low: float | None, high: float | None) -> str:
    return NONE if low is None or high is None else f"[{number(low, 2)}, {number(high, 2)}]"


def p_value(p: float | None) -> str:
    """Three decimals without the 0 before them."""
    if p is None:
        return NONE
    if p < 0.001:
        return "<.001"
    return f"{p:.3f}".removeprefix("0")


def _reasons(found: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Each reason once, with all that it holds for."""
    where: dict[str, list[str]] = {}
    for place, reason in found:
        if reason:
            where.setdefault(reason, []).append(place)
    return tuple(f"{'; '.join(first_few(places, 4))}: {reason}." for reason, places in where.items())
