"""Differences between models with their intervals: a forest plot."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any

from bench.number_format import number
from bench.survey.palette import BAND, COLORS, FAINT, INK, short
from bench.survey.results import Analysis, SurveyComparison

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def differences(analysis: Analysis) -> Figure:
    """A panel a scale, a row a pair: b − a and its interval, in colour where Holm's p is below .05."""
    from matplotlib.figure import Figure

    scales = [s for s in analysis.design.scales if any(one.scale == s for one in analysis.comparisons)]
    rows = {scale: [one for one in analysis.comparisons if one.scale == scale] for scale in scales}
    counts = [len(rows[scale]) for scale in scales]
    height = 0.9 + sum(0.3 * count + 0.55 for count in counts)
    width = 7 + 0.08 * max(len(_pair(one)) for one in analysis.comparisons)
    figure = Figure(figsize=(width, max(height, 2.2)), layout="constrained")
    alike = len({analysis.design.ranges.get(scale) for scale in scales}) == 1
    panels = figure.subplots(
        len(scales), 1, squeeze=False, sharex=alike, height_ratios=[count + 0.6 for count in counts]
    )[:, 0]
    for axes, scale in zip(panels, scales, strict=True):
        _panel(axes, rows[scale])
        axes.set_title(short(scale, 60), loc="left", fontsize=10, fontweight="bold")
    panels[-1].set_xlabel(_meaning(analysis), fontsize=8.5)
    return figure


def _meaning(analysis: Analysis) -> str:
    what = "difference of mean ratings"
    if analysis.design.kind == "preferences":
        what = "share preferring the first less share preferring the second"
    percent = f"{100 * analysis.confidence:g}\u00a0%"
    lines = [f"{what}, with its {percent} interval; p: Holm over all rows, blue below .05"]
    if margin := _margin(analysis.comparisons):
        lines.append(f"grey band: differences within ±{margin:g}, too small to matter")
    return "\n".join(part for line in lines for part in wrap(line, 90))


def _pair(one: SurveyComparison) -> str:
    return f"{short(one.b)} − {short(one.a)}"


def _margin(comparisons: tuple[SurveyComparison, ...] | list[SurveyComparison]) -> float | None:
    return next((one.equivalence.margin for one in comparisons if one.equivalence), None)


def _panel(axes: Any, rows: list[SurveyComparison]) -> None:
    if margin := _margin(rows):
        axes.axvspan(-margin, margin, color=BAND, lw=0)
    axes.axvline(0, color=INK, lw=0.8)
    for place, one in enumerate(rows):
        if one.estimate is None:
            axes.text(1.02, place, "no answers", transform=axes.get_yaxis_transform(), va="center", fontsize=8)
            continue
        found = one.p_holm is not None and one.p_holm < 0.05
        color = COLORS[0] if found else FAINT
        if one.low is not None and one.high is not None:
            axes.plot([one.low, one.high], [place, place], color=color, lw=2, solid_capstyle="butt")
        axes.plot(one.estimate, place, "o", color=color, markerfacecolor=color if found else "white", markersize=6)
        axes.text(1.02, place, _numbers(one), transform=axes.get_yaxis_transform(), va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [_pair(one) for one in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=BAND)


def _numbers(one: SurveyComparison) -> str:
    text = number(one.estimate, 2, "+")
    if one.low is not None and one.high is not None:
        text += f" [{number(one.low, 2, '+')}, {number(one.high, 2, '+')}]"
    if one.p_holm is not None:
        text += "  p < .001" if one.p_holm < 0.001 else f"  p = {one.p_holm:.3f}".replace(" 0.", " .")
    return text
