"""Mean ratings of each model, over all prompts and in each genre."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.survey.comparison import model_ratings
from bench.survey.palette import BAND, INK, bar_style, legend, short
from bench.survey.ratings import Ratings
from bench.survey.results import Analysis, ModelRating

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALL = "all prompts"
Bars = dict[tuple[str, str], dict[str, ModelRating]]  # (scale, model) → group → bar


def genres(survey: Ratings, analysis: Analysis) -> Figure:
    """Return a row per scale; bars from the lowest possible rating up to the mean, and crossed intervals around it."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    names = sorted(analysis.design.genres)
    groups = [ALL, *(names if len(names) > 1 else [])]
    bars = _bars(survey, analysis, groups[1:])
    width = 1.6 + len(groups) * max(0.9, 0.24 * len(survey.models) + 0.3)
    figure = Figure(
        figsize=(min(max(width, 5.5), 22), 1 + 0.1 * len(survey.models) + 2.3 * len(survey.scales)),
        layout="constrained",
    )
    panels = figure.subplots(len(survey.scales), 1, squeeze=False, sharex=True)[:, 0]
    for axes, scale in zip(panels, survey.scales, strict=True):
        _panel(axes, survey, scale, groups, bars)
    counts = [analysis.design.prompts, *(analysis.design.genres[name] for name in groups[1:])]
    names_below = [f"{short(group, 14, 2)}\n({n})" for group, n in zip(groups, counts, strict=True)]
    panels[-1].set_xticks(range(len(groups)), names_below)
    panels[-1].set_xlabel("genre (number of prompts)", fontsize=9)
    legend(figure, [Patch(**bar_style(place)) for place in range(len(survey.models))], survey.models)
    figure.supxlabel(
        f"mean rating with its {100 * analysis.confidence:g} % interval for new listeners and new prompts,\n"
        f"clipped to the scale; {analysis.design.listeners} listeners, {analysis.design.prompts} prompts",
        fontsize=8.5,
    )
    return figure


def _bars(survey: Ratings, analysis: Analysis, names: list[str]) -> Bars:
    bars: Bars = {}
    for one in analysis.models:
        if isinstance(one, ModelRating):
            bars[one.scale, one.model] = {ALL: one}
    for name in names:
        part = replace(survey, table=survey.table[survey.table["genre"] == name])
        for one in model_ratings(part, analysis.confidence):
            bars[one.scale, one.model][name] = one
    return bars


def _panel(axes: Any, survey: Ratings, scale: str, groups: list[str], bars: Bars) -> None:
    from matplotlib.ticker import MaxNLocator

    low, high = survey.ranges[scale]
    count = len(survey.models)
    width = min(0.8 / count, 0.3)
    if len(groups) > 1:
        axes.axvspan(-0.5, 0.5, color=BAND, alpha=0.6, lw=0)
    for place, model in enumerate(survey.models):
        for position, group in enumerate(groups):
            one = bars[scale, model].get(group)
            if one is None or one.mean is None:
                continue
            x = position + (place - (count - 1) / 2) * width
            axes.bar(x, one.mean - low, width, bottom=low, **bar_style(place))
            if one.low is not None and one.high is not None:
                _whisker(axes, x, (one.low, one.high), (low, high), min(0.25 * width, 0.05))
    axes.set_ylim(low, high + 0.02 * (high - low))
    axes.set_xlim(-0.5, len(groups) - 0.5)
    axes.set_ylabel(f"mean rating ({survey.ranges[scale]})", fontsize=9)
    axes.set_title(short(scale, 60), loc="left", fontsize=10, fontweight="bold")
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=4))
    axes.grid(axis="y", color=BAND)
    axes.tick_params(axis="x", length=0)


def _whisker(axes: Any, x: float, interval: tuple[float, float], limits: tuple[float, float], reach: float) -> None:
    """Draw an interval, visible on dark bars; it has no cap if it extends beyond the scale."""
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2.6, foreground="white")]
    ends = [min(max(end, limits[0]), limits[1]) for end in interval]
    axes.plot([x, x], ends, color=INK, lw=1, path_effects=halo, solid_capstyle="butt")
    for end, shown in zip(interval, ends, strict=True):
        if end == shown:
            axes.plot([x - reach, x + reach], [end, end], color=INK, lw=1, solid_capstyle="butt")
