"""Plot of metrics and listeners: how well each predicts listeners, and the model it would pick."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.number_format import number
from bench.survey.metric_agreement import Predictions
from bench.survey.palette import BAND, COLORS, FAINT, INK, short
from bench.survey.vote_agreement import VotePredictions

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class _Row(NamedTuple):
    metric: str
    value: float | None
    low: float | None
    high: float | None
    said: str


class _Panel(NamedTuple):
    scale: str
    rows: Sequence[_Row]
    ceiling: tuple[float | None, float | None]
    listeners_pick: str


def agreement(found: Predictions | VotePredictions) -> Figure:
    """Return a panel per scale, with a row per metric and its interval; the band is the agreement of listeners."""
    from matplotlib.figure import Figure

    votes = isinstance(found, VotePredictions)
    panels = _of_votes(found) if isinstance(found, VotePredictions) else _of_ratings(found)
    chance = 0.5 if votes else 0.0
    counts = [max(1, len(panel.rows)) for panel in panels]
    longest = max((len(row.metric) for panel in panels for row in panel.rows), default=10)
    figure = Figure(figsize=(7.5 + 0.07 * longest, 1.4 + sum(0.32 * n + 0.6 for n in counts)), layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=[count + 0.6 for count in counts])[
        :, 0
    ]
    for one, panel in zip(axes, panels, strict=True):
        _draw(one, panel, chance)
    what = (
        "share of votes for the clip that the metric scores higher"
        if votes
        else ("Kendall's τ-b of the metric with single listeners, within prompts")
    )
    ends = "with the majority of the others to that of all" if votes else "with the mean of the others to that of all"
    text = (
        f"{what}, with its {100 * found.confidence:g}\u00a0% interval; dashed: chance; "
        f"blue band: agreement of listeners, {ends}"
    )
    axes[-1].set_xlabel("\n".join(wrap(text, 92)), fontsize=8.5)
    return figure


def _of_ratings(found: Predictions) -> list[_Panel]:
    panels = []
    for ceiling in found.ceilings:
        chosen = {pick.metric: pick for pick in found.picks if pick.scale == ceiling.scale}
        rows = []
        for metric, pick in chosen.items():
            single = ceiling.metrics.get(metric)
            if pick.pick is None:
                said = "picks none"
            elif pick.pick == pick.listeners_pick:
                said = f"picks {short(pick.pick, 20)}"
            else:
                said = f"picks {short(pick.pick, 20)}" + (f", {number(-(pick.loss or 0), 2)}" if pick.loss else "")
            value, low, high = single or (None, None, None)
            rows.append(_Row(metric, value, low, high, said))
        theirs = next((pick.listeners_pick for pick in chosen.values()), "")
        panels.append(_Panel(ceiling.scale, rows, (ceiling.low, ceiling.high), theirs))
    return panels


def _of_votes(found: VotePredictions) -> list[_Panel]:
    return [
        _Panel(
            ceiling.scale,
            [
                _Row(row.metric, row.accuracy, row.low, row.high, f"{row.votes} votes")
                for row in found.rows
                if row.scale == ceiling.scale
            ],
            (ceiling.low, ceiling.high),
            "",
        )
        for ceiling in found.ceilings
    ]


def _draw(axes: Any, panel: _Panel, chance: float) -> None:
    low, high = panel.ceiling
    if low is not None and high is not None:
        axes.axvspan(low, high, color=COLORS[0], alpha=0.15, lw=0)
    axes.axvline(chance, color=INK, lw=0.8, ls="--")
    for place, row in enumerate(panel.rows):
        axes.text(1.02, place, row.said, transform=axes.get_yaxis_transform(), va="center", fontsize=8)
        if row.value is None:
            axes.text(chance, place, " no value within prompts", va="center", fontsize=8, color=FAINT)
            continue
        known = row.low is not None and row.high is not None
        sure = row.low is not None and row.low > chance
        color = COLORS[0] if sure else FAINT
        if known:
            axes.plot([row.low, row.high], [place, place], color=color, lw=2, solid_capstyle="butt")
        axes.plot(row.value, place, "o", color=color, markerfacecolor=color if sure else "white", markersize=6)
    title = short(panel.scale, 40)
    if panel.listeners_pick:
        title += (
            f" – listeners pick {short(panel.listeners_pick, 24)}; right: the metric's pick, what it loses in rating"
        )
    axes.set_title(title, loc="left", fontsize=9.5, fontweight="bold")
    axes.set_yticks(range(len(panel.rows)), [short(row.metric, 34) for row in panel.rows])
    axes.set_ylim(len(panel.rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=BAND)
