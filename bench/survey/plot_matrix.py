"""Differences between many models: a square per scale, with a row and a column for each model."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any

from bench.number_format import number
from bench.survey.adjusted_intervals import largest_difference, level_text, settled
from bench.survey.palette import COLORS, FAINT, INK, short
from bench.survey.results import Analysis, SurveyComparison

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PAIRS = 45  # per scale, for 10 models: with more, a forest plot exceeds a page
_CELL = 0.46  # inches
_HIGHER, _LOWER = COLORS[0], COLORS[5]


def difference_matrix(analysis: Analysis) -> Figure:
    """Return a matrix of row minus column per cell; colored if p after Holm is below .05."""
    from matplotlib.figure import Figure

    panels = {scale: [one for one in analysis.comparisons if one.scale == scale] for scale in analysis.design.scales}
    panels = {scale: rows for scale, rows in panels.items() if rows}
    side = _CELL * len(analysis.design.models)
    longest = 0.085 * max(len(short(name, 20)) for name in analysis.design.models)
    size = (side + longest + 0.9, len(panels) * (side + longest + 0.5) + 0.7)
    figure = Figure(figsize=size, layout="constrained")
    for axes, (scale, rows) in zip(figure.subplots(len(panels), 1, squeeze=False)[:, 0], panels.items(), strict=True):
        _panel(axes, rows, analysis)
        axes.set_title(short(scale, 60), loc="left", fontsize=10, fontweight="bold")
        axes.set_xlabel("second model", fontsize=9)
        axes.set_ylabel("first model", fontsize=9)
    figure.supxlabel(_caption(analysis), fontsize=8.5)
    return figure


def _caption(analysis: Analysis) -> str:
    text = (
        f"first − second; blue: higher, orange: lower, with p after Holm ({len(analysis.comparisons)} comparisons) at "
        f"most {level_text(analysis.confidence)}; white: not settled; intervals are in the report"
    )
    codes = sorted({warning.split(":")[0] for one in analysis.comparisons for warning in one.warnings})
    if codes:
        text += f"; *: {', '.join(codes)}, see the warning in the report"
    return "\n".join(wrap(text, max(60, 7 * len(analysis.design.models))))


def _panel(axes: Any, rows: list[SurveyComparison], analysis: Analysis) -> None:
    from matplotlib.patches import Rectangle

    order = _ordered(rows, analysis.design.models)
    decimals = 1 if largest_difference(analysis.design, rows[0].scale) > 20 else 2
    for one in rows:
        if one.estimate is None:
            continue
        for first, second, estimate in ((one.b, one.a, one.estimate), (one.a, one.b, -one.estimate)):
            x, y = order.index(second), order.index(first)
            found = settled(one, analysis.confidence)
            if found:
                color = _HIGHER if estimate > 0 else _LOWER
                axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=color, edgecolor="white", linewidth=0.8))
            text = number(estimate, decimals, "+") + ("*" if one.warnings else "")
            axes.text(x, y, text, ha="center", va="center", fontsize=8, color="white" if found else INK)
    for place in range(len(order)):
        axes.add_patch(Rectangle((place - 0.5, place - 0.5), 1, 1, facecolor=FAINT, alpha=0.25, linewidth=0))
    names = [short(name, 20) for name in order]
    axes.set_xticks(range(len(order)), names, rotation=90)
    axes.set_yticks(range(len(order)), names)
    axes.tick_params(length=0, labelsize=9, bottom=False, labelbottom=False, labeltop=True)
    axes.xaxis.set_label_position("top")
    axes.set_xlim(-0.5, len(order) - 0.5)
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.spines[["left", "bottom"]].set_visible(False)


def _ordered(rows: list[SurveyComparison], models: tuple[str, ...]) -> list[str]:
    """Return the models by their mean difference from those they were compared with, the highest first."""
    found: dict[str, list[float]] = {model: [] for model in models}
    for one in rows:
        if one.estimate is not None:
            found[one.b].append(one.estimate)
            found[one.a].append(-one.estimate)
    return sorted(models, key=lambda model: -sum(found[model]) / max(1, len(found[model])))
