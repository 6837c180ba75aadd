"""Distribution of answers: stacked bars around the middle of the scale."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bench.survey.palette import BAND, INK, ink_on, legend, short, steps
from bench.survey.plot_matrix import MOST_PAIRS
from bench.survey.rating_range import Range
from bench.survey.ratings import Preferences, Ratings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Counts = npt.NDArray[np.int64]

_MOST_STEPS = 11
_LINE = 28  # characters per line of a pair's names
_BANDS = 5  # for scales with more steps, as in ITU-R BS.1534


class Panel(NamedTuple):
    """The answers on one scale: labels from worst to best, and a row of counts for each name.

    For preferences, ``labels`` has the names of pairs in up to two lines, and ``both_bad`` the answers that called both
    models bad, which are not in the rows.
    """

    title: str
    answers: tuple[str, ...]
    rows: dict[str, Counts]
    both_bad: dict[str, int]
    labels: dict[str, str]


def distribution(survey: Ratings | Preferences) -> Figure:
    """Return a panel per scale, a row per model (or pair): the share of each answer, the middle one centered on 0."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    panels = [preferred(survey, s) if isinstance(survey, Preferences) else rated(survey, s) for s in survey.scales]
    counts = [len(panel.rows) for panel in panels]
    figure = Figure(figsize=(8.5, 1.1 + sum(0.34 * count + 0.55 for count in counts)), layout="constrained")
    alike = len({panel.answers for panel in panels}) == 1
    grid = figure.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=[c + 0.6 for c in counts])[:, 0]
    for axes, panel in zip(grid, panels, strict=True):
        _draw(axes, panel)
        axes.set_title(_title(panel, alike), loc="left", fontsize=10, fontweight="bold")
    reach = max(abs(limit) for axes in grid for limit in axes.get_xlim())
    grid[-1].set_xlim(-reach, reach)
    grid[-1].xaxis.set_major_formatter(lambda share, _: f"{abs(share):g} %")
    grid[-1].set_xlabel("share of answers, the middle of the scale at 0", fontsize=8.5)
    figure.supylabel("pair of models" if any(panel.labels for panel in panels) else "model", fontsize=9)
    if alike:
        answers = panels[0].answers
        legend(figure, [Patch(facecolor=color) for color in steps(len(answers))], answers)
    return figure


def rated(ratings: Ratings, scale: str) -> Panel:
    """Return how often each model was given each rating; a scale of more than 11 steps, or of halves, in five bands."""
    low, high = ratings.ranges[scale]
    table = ratings.table[ratings.table["scale"] == scale]
    values = table["value"].to_numpy(dtype=np.float64)
    models = table["model"].to_numpy()
    if (values == np.round(values)).all() and low == round(low) and high - low < _MOST_STEPS:
        edges = np.arange(low, high + 2) - 0.5
        answers = tuple(f"{step:g}".replace("-", "−") for step in np.arange(low, high + 1))
    else:
        edges = np.linspace(low, high, _BANDS + 1)
        answers = tuple(str(Range(a, b)) for a, b in pairwise(edges))
    rows = {model: np.histogram(values[models == model], edges)[0] for model in ratings.models}
    return Panel(scale, answers, rows, {}, {})


def preferred(preferences: Preferences, scale: str) -> Panel:
    """Return how often each of two models was preferred, or with many pairs, each model to any other.

    Answers that both are bad are counted separately.
    """
    table = preferences.table[preferences.table["scale"] == scale]
    sides = [table["a"].to_numpy(dtype=str), table["b"].to_numpy(dtype=str)]
    choice, bad = table["choice"].to_numpy(dtype=np.float64), (table["outcome"] == "both bad").to_numpy(dtype=bool)
    pairs = list(combinations(preferences.models, 2))
    rows: dict[str, Counts] = {}
    both_bad: dict[str, int] = {}
    labels: dict[str, str] = {}

    def count(name: str, asked: Sequence[npt.NDArray[np.bool_]]) -> None:
        """Count answers in which the row's model, or the second of its pair, is b, then in which it is a."""
        signs = np.concatenate([choice[asked[0] & ~bad], -choice[asked[1] & ~bad]])
        apart = int(((asked[0] | asked[1]) & bad).sum())
        if len(signs) or apart:
            rows[name] = np.histogram(signs, [-1.5, -0.5, 0.5, 1.5])[0]
        if apart:
            both_bad[name] = apart

    if len(pairs) > MOST_PAIRS:
        for model in preferences.models:
            count(model, [sides[1] == model, sides[0] == model])
        return Panel(scale, ("another preferred", "no preference", "this model preferred"), rows, both_bad, labels)
    for a, b in pairs:
        name = f"{a} or {b}"
        labels[name] = name if len(name) <= _LINE else f"{short(a)}\nor {short(b)}"
        count(name, [(sides[0] == a) & (sides[1] == b), (sides[0] == b) & (sides[1] == a)])
    return Panel(scale, ("the first", "no preference", "the second"), rows, both_bad, labels)


def _title(panel: Panel, alike: bool) -> str:
    return short(panel.title, 60) if alike else f"{short(panel.title, 60)}: {panel.answers[0]} to {panel.answers[-1]}"


def _draw(axes: Any, panel: Panel) -> None:
    colors = steps(len(panel.answers))
    for place, (name, counts) in enumerate(panel.rows.items()):
        total = int(counts.sum())
        said = f"n = {total}" + (f", both bad: {panel.both_bad[name]}" if name in panel.both_bad else "")
        axes.text(1.01, place, said, transform=axes.get_yaxis_transform(), va="center", fontsize=8)
        if not total:
            continue
        shares = 100 * counts / total
        left = -_before_middle(shares)
        for share, color in zip(shares, colors, strict=True):
            axes.barh(place, share, 0.78, left=left, color=color, edgecolor="white", linewidth=0.5)
            if share >= 6:
                text = f"{share:.0f}"
                axes.text(left + share / 2, place, text, ha="center", va="center", fontsize=8, color=ink_on(color))
            left += share
    axes.axvline(0, color=INK, lw=0.8, zorder=0)
    axes.set_yticks(range(len(panel.rows)), [panel.labels.get(name) or short(name, lines=2) for name in panel.rows])
    axes.set_ylim(len(panel.rows) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", color=BAND)


def _before_middle(shares: Sequence[float] | npt.NDArray[np.float64]) -> float:
    half, odd = divmod(len(shares), 2)
    return float(sum(shares[:half]) + (shares[half] / 2 if odd else 0))
