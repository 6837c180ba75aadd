"""The tables of a survey's report: what each finding looks like in a row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.number_format import NONE, first_few, number
from bench.survey.ratings import Exclusion
from bench.survey.results import (
    Agreement,
    CustomaryTest,
    GenreComparison,
    GroupMean,
    ModelRating,
    OmnibusTest,
    Strength,
    SurveyComparison,
)

_ROWS = 8  # of an exclusion, before "and so many more"


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


def strength_rows(found: Sequence[Strength]) -> Table:
    rows = [
        [
            *(one.scale, one.model, number(one.strength, 2), interval(one.low, one.high)),
            *(str(one.wins), str(one.ties), str(one.losses)),
        ]
        for one in found
    ]
    header = ["question", "model", "log-strength", "interval", "won", "tied", "lost"]
    reasons = _reasons((one.scale, one.reason) for one in {one.scale: one for one in found}.values())
    return Rows(header, rows, 2), reasons


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
            f"{one.method or NONE}{', f' if one.floored else ''}",
            f"{one.cells}/{one.cells + one.missing}",
            *([p_value(one.equivalence.p if one.equivalence else None)] if margin is not None else []),
        ]
        for one in found
    ]
    header = ["scale", "comparison", "diff.", "interval", "t", "df", "p", "p Holm", "method", "cells"]
    extra = [] if margin is None else [f"p equiv. ±{margin:g}"]
    return Rows([*header, *extra], rows, 2), _reasons((f"{one.scale}, {one.b} − {one.a}", one.reason) for one in found)


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
