"""Plot of strengths from preferences: Bradley and Terry's with ties as half wins, and Davidson's."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any

from bench.survey.bradley_terry import ELO_CENTER, ELO_UNIT
from bench.survey.palette import BAND, COLORS, INK, short
from bench.survey.results import Analysis
from bench.survey.vote_results import Strength, StrengthFit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLES = {"half wins": (COLORS[0], "o", "Bradley–Terry, ties as half wins"), "Davidson": (COLORS[5], "s", "Davidson")}


def strengths(analysis: Analysis) -> Figure:
    """Return a panel per question, a row per model, strongest first: log-strengths below, Elo above, places right."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    panels: dict[str, list[StrengthFit]] = {}
    for fit in analysis.strengths:
        panels.setdefault(fit.scale, []).append(fit)
    tall = max(map(len, panels.values()))  # rows have a line for each model of ties
    counts = [len(fits[0].models) for fits in panels.values()]
    caption = _caption(analysis)
    height = 1.3 + 0.16 * caption.count("\n") + sum((0.2 + 0.12 * tall) * n + 1.0 for n in counts)
    longest = max(len(short(one.model)) for fit in analysis.strengths for one in fit.models)
    figure = Figure(figsize=(6.6 + 0.08 * longest, height), layout="constrained")
    grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=[n + 1.2 for n in counts])[:, 0]
    for axes, (scale, fits) in zip(grid, panels.items(), strict=True):
        _panel(axes, fits)
        axes.set_title(short(scale, 60), loc="left", fontsize=10, fontweight="bold")
    grid[-1].set_xlabel("log-strength (log-odds of being preferred to an average model)", fontsize=9)
    figure.supylabel("model", fontsize=9)
    figure.supxlabel(caption, fontsize=8.5)
    kinds = [kind for kind in _STYLES if any(fit.ties == kind for fit in analysis.strengths)]
    figure.legend(
        [Line2D([], [], color=_STYLES[kind][0], marker=_STYLES[kind][1], lw=2) for kind in kinds],
        [_STYLES[kind][2] for kind in kinds],
        loc="outside upper center", ncols=len(kinds), frameon=False, fontsize=9,
    )  # fmt: skip
    return figure


def _caption(analysis: Analysis) -> str:
    text = (
        f"bars: {100 * analysis.confidence:g}\u00a0% intervals for new listeners and new prompts, unadjusted; "
        "places: those consistent with the tests of differences (p after Holm below .05)"
    )
    if any(fit.ties == "Davidson" for fit in analysis.strengths):
        text += "; Davidson's strengths are for answers without ties, and are further apart"
    return "\n".join(wrap(text, 92))


def _panel(axes: Any, fits: list[StrengthFit]) -> None:
    order = [one.model for one in ordered(fits[0])]
    axes.axvline(0, color=INK, lw=0.8)
    beside = axes.get_yaxis_transform()
    for which, fit in enumerate(fits):
        color, marker, _ = _STYLES[fit.ties]
        offset = 0.0 if len(fits) == 1 else (which - 0.5) * 0.36
        column = 1.02 + 0.1 * which
        axes.text(column, -0.75, "place" if which == 0 else "", transform=beside, va="center", fontsize=8, color=INK)
        for one in fit.models:
            place = order.index(one.model)
            axes.text(column, place, _places(one), transform=beside, va="center", fontsize=8.5, color=color)
            if one.strength is None:
                continue
            if one.low is not None and one.high is not None:
                axes.plot([one.low, one.high], [place + offset] * 2, color=color, lw=2, solid_capstyle="butt")
            axes.plot(one.strength, place + offset, marker, color=color, markersize=5.5)
    axes.set_yticks(range(len(order)), [short(name) for name in order])
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=BAND)
    elo = axes.secondary_xaxis("top", functions=(_to_elo, _from_elo))
    elo.set_xlabel("Elo", fontsize=9)
    elo.spines["top"].set_visible(True)


def ordered(fit: StrengthFit) -> list[Strength]:
    """Return the models, strongest first; those without a strength last."""
    return sorted(fit.models, key=lambda one: (one.strength is None, -(one.strength or 0.0)))


def _places(one: Strength) -> str:
    if one.strength is None:
        return "–"
    return str(one.best) if one.best == one.worst else f"{one.best}–{one.worst}"


def _to_elo(strength: Any) -> Any:
    return ELO_CENTER + ELO_UNIT * strength


def _from_elo(elo: Any) -> Any:
    return (elo - ELO_CENTER) / ELO_UNIT
