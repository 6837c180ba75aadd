"""Tables of a report on preferences: strengths, their differences, and chosen sides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.number_format import NONE, number, p_text
from bench.survey.report_tables import Rows, Table, interval
from bench.survey.vote_results import SideChoice, StrengthFit


def strength_rows(fit: StrengthFit) -> Table:
    """Return the models, strongest first; counts of wins are shown only with ties as half wins."""
    counted = fit.ties == "half wins"
    bad = counted and any(one.both_bad for one in fit.models)
    rows = []
    for one in sorted(fit.models, key=lambda one: -(one.strength if one.strength is not None else 0)):
        counts = [one.wins, one.ties, one.losses] if counted else []
        rows.append(
            [
                *(one.model, number(one.strength, 2), interval(one.low, one.high), number(one.elo, 0)),
                str(one.best) if one.best == one.worst else f"{one.best}–{one.worst}",
                *map(str, [*counts, *([one.both_bad] if bad else [])]),
            ]
        )
    header = ["model", "log-strength", "interval", "Elo", "places"]
    header += [*(["won", "tied", "lost"] if counted else []), *(["both bad"] if bad else [])]
    return Rows(header, rows, 1), tuple(_sentences(fit))


def _sentences(fit: StrengthFit) -> Iterator[str]:
    if fit.reason:
        yield f"{fit.scale}: {fit.reason}."
    if fit.effective_listeners is not None and fit.ties == "half wins":
        yield (
            f"Effective number of listeners: {number(fit.effective_listeners, 1)} of {fit.listeners} (Kish: as many "
            "with equal numbers of answers). Intervals: listeners and prompts left out one at a time (jackknife, t). "
            "Places: those consistent with the differences (p Holm below .05)."
        )
    if fit.nu is not None:
        yield (
            f"Davidson: ν = {number(fit.nu, 2)}. Its strengths are for answers without ties, so they are further "
            "apart than those of half wins; state which one you report."
        )


def strength_differences(fit: StrengthFit) -> Rows:
    """Return the differences of log-strengths of all pairs of one fit."""
    rows = [
        [
            f"{one.b} − {one.a}",
            number(one.estimate, 2),
            interval(one.low, one.high),
            p_text(one.p),
            p_text(one.p_holm),
        ]
        for one in fit.differences
    ]
    return Rows(["difference of log-strengths", "estimate", "interval", "p", "p Holm"], rows, 1)


def side_rows(found: Sequence[SideChoice]) -> Table:
    """Return how often the first side was chosen on each scale, and what is missing or assumed."""
    rows = [
        [
            one.scale,
            str(one.votes),
            f"{number(100 * one.share, 1)} %",
            _percents(one.low, one.high),
            p_text(one.p),
        ]
        for one in found
    ]
    said = [f"{one.scale}: {one.reason}." for one in found if one.reason]
    if not all(one.known for one in found):
        said.append("The file does not say which side was shown first: a is assumed (set it with --column side=NAME).")
    return Rows(["question", "votes for a side", "first side", "interval (%)", "p of 50 %"], rows, 1), tuple(said)


def _percents(low: float | None, high: float | None) -> str:
    return NONE if low is None or high is None else interval(100 * low, 100 * high, 1)
