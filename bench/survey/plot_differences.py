"""Differences between models with their intervals: a forest plot."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.number_format import number, p_text
from bench.survey.adjusted_intervals import (
    AdjustedInterval,
    adjusted_intervals,
    largest_difference,
    level_text,
    percent,
    settled,
)
from bench.survey.palette import BAND, COLORS, FAINT, INK, short
from bench.survey.results import Analysis, SurveyComparison

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WARNED = COLORS[5]


class _Row(NamedTuple):
    one: SurveyComparison
    interval: AdjustedInterval | None
    settled: bool


def differences(analysis: Analysis) -> Figure:
    """Return a panel per scale, with a row per pair: b − a, with the interval of its step in Holm's procedure.

    So an interval excludes 0 exactly if p after Holm is below .05 (1 − the confidence); such rows are
    blue. Rows with a warning, such as W-SIDE, are dashed and carry its code.
    """
    from matplotlib.figure import Figure

    intervals = adjusted_intervals(analysis.design, analysis.comparisons, analysis.confidence)
    panels: dict[str, list[_Row]] = {}
    for scale in analysis.design.scales:
        for one, interval in zip(analysis.comparisons, intervals, strict=True):
            if one.scale == scale:
                panels.setdefault(scale, []).append(_Row(one, interval, settled(one, analysis.confidence)))
    counts = [len(rows) for rows in panels.values()]
    caption = _caption(analysis, [one for one in intervals if one])
    height = 0.6 + 0.16 * caption.count("\n") + sum(0.3 * count + 0.55 for count in counts)
    width = 7.4 + 0.08 * max(len(_pair(one)) for one in analysis.comparisons)
    figure = Figure(figsize=(width, max(height, 2.4)), layout="constrained")
    alike = len({analysis.design.ranges.get(scale) for scale in panels}) == 1
    grid = figure.subplots(len(panels), 1, squeeze=False, sharex=alike, height_ratios=[n + 0.6 for n in counts])[:, 0]
    for axes, (scale, rows) in zip(grid, panels.items(), strict=True):
        _panel(axes, rows, largest_difference(analysis.design, scale))
        axes.set_title(short(scale, 60), loc="left", fontsize=10, fontweight="bold")
    grid[-1].set_xlabel(_quantity(analysis), fontsize=9)
    figure.supylabel("pair of models", fontsize=9)
    figure.supxlabel(caption, fontsize=8.5)
    return figure


def _quantity(analysis: Analysis) -> str:
    if analysis.design.kind == "ratings":
        return "difference of mean ratings, first − second"
    if analysis.design.ranges:
        return "mean comparison score for the first over the second"
    return "share preferring the first minus share preferring the second"


def _caption(analysis: Analysis, intervals: list[AdjustedInterval]) -> str:
    lines = []
    if intervals:
        least, most = (percent(of(one.confidence for one in intervals)) for of in (min, max))
        family = len(intervals)
        how = f"bars: {least} intervals; "
        if family > 1:
            confidences = least if least == most else f"{least} to {most}"
            how = (
                f"bars: intervals at the confidence of each test's step in Holm's procedure ({family} tests, "
                f"{confidences}), clipped to the scale; p after Holm; "
            )
        lines.append(f"{how}blue: p below {level_text(analysis.confidence)}, where the bar excludes 0")
    if margin := _margin(analysis.comparisons):
        lines.append(f"gray band: differences within ±{margin:g}, too small to matter")
    codes = sorted({code for one in analysis.comparisons for code in _codes(one)})
    if codes:
        lines.append(f"dashed, {', '.join(codes)}: confounded with the design; see the warning in the report")
    return "\n".join(part for line in lines for part in wrap(line, 96))


def _pair(one: SurveyComparison) -> str:
    return f"{short(one.b)} − {short(one.a)}"


def _codes(one: SurveyComparison) -> list[str]:
    return [warning.split(":")[0] for warning in one.warnings]


def _margin(comparisons: tuple[SurveyComparison, ...]) -> float | None:
    return next((one.equivalence.margin for one in comparisons if one.equivalence), None)


def _panel(axes: Any, rows: list[_Row], span: float) -> None:
    if margin := _margin(tuple(row.one for row in rows)):
        axes.axvspan(-margin, margin, color=BAND, lw=0)
    axes.axvline(0, color=INK, lw=0.8)
    for place, row in enumerate(rows):
        one, interval = row.one, row.interval
        beside = axes.get_yaxis_transform()
        text = axes.text(1.02, place, _numbers(row, span), transform=beside, va="center", fontsize=8)
        if one.estimate is None:
            continue
        codes = _codes(one)
        if codes:
            axes.annotate(
                f"  {', '.join(codes)}", (1, 0.5), xycoords=text, va="center", fontsize=8, color=WARNED, weight="bold"
            )
        color = COLORS[0] if row.settled else FAINT
        if interval is not None:
            ends = [interval.low, interval.high]
            style = (0, (2.2, 1)) if codes else "-"
            axes.plot(ends, [place, place], color=color, lw=2, solid_capstyle="butt", ls=style)
        axes.plot(
            one.estimate, place, "o", color=color, markerfacecolor=color if row.settled else "white", markersize=6
        )
    axes.set_yticks(range(len(rows)), [_pair(row.one) for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=BAND)


def _numbers(row: _Row, span: float) -> str:
    if row.one.estimate is None:
        return "no answers"
    decimals = 1 if span > 20 else 2
    text = number(row.one.estimate, decimals, "+")
    if row.interval is None:
        return f"{text}, not tested"
    ends = (number(end, decimals, "+") for end in (row.interval.low, row.interval.high))
    shown = p_text(row.one.p_holm)
    return f"{text} [{', '.join(ends)}]  p {'< .001' if shown.startswith('<') else f'= {shown}'}"
