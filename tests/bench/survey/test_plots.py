"""Plots of a survey: what is drawn is what was found, everything can be read, and equal plots are equal files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, combinations, product
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon, Rectangle
from matplotlib.text import Text

from bench.errors import MissingError, UsageError
from bench.number_format import number
from bench.stats.crossed import crossed_mean
from bench.stats.intervals import bounded_t_interval
from bench.stats.survey_model import TYPICAL, Scale, simulate_ratings
from bench.survey.adjusted_intervals import adjusted_intervals
from bench.survey.analysis import analyse
from bench.survey.palette import COLORS, short, steps
from bench.survey.plot_differences import differences
from bench.survey.plot_distribution import distribution, preferred, rated
from bench.survey.plot_genres import genres
from bench.survey.plot_matrix import difference_matrix
from bench.survey.plot_strengths import strengths
from bench.survey.plots import _styled, check_formats, draw
from bench.survey.rating_range import Range
from bench.survey.ratings import Preferences, Ratings
from bench.survey.report import as_text
from bench.survey.results import Analysis

GENRES = ("jazz", "rock", "experimental electronic")
TALE = "a name of many words, so that it is longer than there is room for in a picture"
LONG = ("sao-lora[adapter_scale=0.25]", "sao-lora[adapter_scale=0.5]", "_base", "$x$", TALE, "f", "g", "h")


def survey(
    models: Sequence[str] = ("base", "tuned"),
    scales: Sequence[str] = ("Harmony", "Rhythm"),
    scale: Scale = Scale(),  # noqa: B008
    listeners: int = 5,
    prompts: int = 9,
) -> Ratings:
    """Ratings with typical variances, each model 0.6 better than the one before it."""
    rng = np.random.default_rng(6)
    rows = []
    for name, (place, model) in product(scales, enumerate(models)):
        values = simulate_ratings(rng, 1, listeners, prompts, 1.2 * place, TYPICAL, scale)[1, 0]
        for (i, j), value in np.ndenumerate(values):
            rows.append((f"l{i}", f"p{j}", model, name, float(value), "", GENRES[j % 3]))
    columns = ["listener", "prompt", "model", "scale", "value", "seed", "genre"]
    return Ratings(
        pd.DataFrame(rows, columns=columns), (), (), tuple(models), dict.fromkeys(scales, Range(scale.low, scale.high))
    )


def preferences(models: Sequence[str] = ("x", "y", "z"), listeners: int = 4, prompts: int = 6) -> Preferences:
    """Votes in which each model is preferred a little more than the one before it."""
    rng = np.random.default_rng(7)
    chances = ([0.45, 0.25, 0.3], [0.2, 0.2, 0.6])
    rows = [
        (f"l{i}", f"p{j}", a, b, "Overall", int(rng.choice([-1, 0, 1], p=chances[b == models[-1]])), "", GENRES[j % 3])
        for i, j, (a, b) in product(range(listeners), range(prompts), combinations(models, 2))
    ]
    columns = ["listener", "prompt", "a", "b", "scale", "choice", "seed", "genre"]
    table = pd.DataFrame(rows, columns=columns)
    table["outcome"] = table["choice"].map({-1: "a", 0: "tie", 1: "b"})
    return Preferences(table.assign(score=table["choice"].astype(float), side="", position=""), (), (), tuple(models))


def xs(line: Line2D) -> list[float]:
    return list(np.asarray(line.get_xdata(), dtype=float))


def ys(line: Line2D) -> list[float]:
    return list(np.asarray(line.get_ydata(), dtype=float))


def words(figure: Figure) -> str:
    return " ".join(" ".join(text.get_text().split()) for text in figure.findobj(Text))


def analysed(found: Ratings | Preferences, margin: float | None = None) -> Analysis:
    return analyse(found, margin, resamples=50)


# -- what is drawn ---------------------------------------------------------------------------------------------------


def test_bars_are_the_means_of_all_prompts_and_of_each_genre() -> None:
    ratings = survey()
    figure = genres(ratings, analysed(ratings))
    groups = ["all prompts", *sorted(GENRES)]
    shown = [f"{name} ({count})" for name, count in zip(groups, (9, 3, 3, 3), strict=True)]
    for axes, scale in zip(figure.axes, ratings.scales, strict=True):
        assert [label.get_text().replace("\n", " ") for label in figure.axes[-1].get_xticklabels()] == shown
        assert "mean rating (1–5)" in axes.get_ylabel()
        bars = [patch for patch in axes.patches if isinstance(patch, Rectangle) and patch.get_height() != 1]
        whiskers = [line for line in axes.lines if len(set(xs(line))) == 1]
        cube = ratings.cube(scale)
        expected = [
            crossed_mean(cube[model][:, [group in ("all prompts", ratings.genres[p]) for p in ratings.prompts]])
            for model, group in product(range(2), groups)
        ]
        assert [bar.get_y() + bar.get_height() for bar in bars] == pytest.approx([one.estimate for one in expected])
        assert {bar.get_y() for bar in bars} == {1}
        for line, one in zip(whiskers, expected, strict=True):
            stays = bounded_t_interval(one.estimate, one.se, one.df, (1, 5))
            assert list(ys(line)) == pytest.approx([stays.low, stays.high])


def test_an_interval_beyond_the_scale_is_cut_off_without_a_cap() -> None:
    ratings = survey(prompts=6)
    found = analysed(ratings)
    found = replace(found, models=cast("Any", tuple(replace(one, low=2.0, high=9.0) for one in found.models)))
    figure = genres(replace(ratings, table=ratings.table.assign(genre="")), found)
    lines = [sorted(map(float, ys(line))) for line in figure.axes[0].lines]
    assert lines == [[2, 5], [2, 2]] * 2


def test_differences_are_drawn_with_interval_margin_and_sign() -> None:
    ratings = survey(("base", "x", "y"), listeners=10, prompts=12)
    found = analysed(ratings, 0.3)
    figure = differences(found)
    adjusted = adjusted_intervals(found.design, found.comparisons, found.confidence)
    for axes, scale in zip(figure.axes, ratings.scales, strict=True):
        rows = [one for one in found.comparisons if one.scale == scale]
        assert [label.get_text() for label in axes.get_yticklabels()] == ["x − base", "y − base", "y − x"]
        lines = [line for line in axes.lines if len(xs(line)) == 2 and line.get_linewidth() == 2]
        points = [line for line in axes.lines if line.get_marker() == "o"]
        at = [adjusted[found.comparisons.index(one)] for one in rows]
        assert [list(xs(line)) for line in lines] == [[one.low, one.high] for one in at if one]
        assert [float(xs(line)[0]) for line in points] == [one.estimate for one in rows]
        solid = [line.get_markerfacecolor() != "white" for line in points]
        assert solid == [one.p_holm is not None and one.p_holm < 0.05 for one in rows]
        assert solid == [one is not None and not one.low <= 0 <= one.high for one in at]
        (band,) = [patch for patch in axes.patches if isinstance(patch, Rectangle | Polygon)]
        assert isinstance(band, Rectangle)
        assert (band.get_x(), band.get_width()) == pytest.approx((-0.3, 0.6))
    assert any(one.p_holm is not None and one.p_holm < 0.05 for one in found.comparisons)
    assert "±0.3" in words(figure)


def test_every_rating_is_counted_once() -> None:
    ratings = survey()
    panel = rated(ratings, "Rhythm")
    assert panel.answers == ("1", "2", "3", "4", "5")
    for model, counts in panel.rows.items():
        table = ratings.table[(ratings.table["model"] == model) & (ratings.table["scale"] == "Rhythm")]
        assert list(counts) == [int((table["value"] == step).sum()) for step in range(1, 6)]
    figure = distribution(ratings)
    for axes in figure.axes:
        bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
        assert sum(bar.get_width() for bar in bars) == pytest.approx(200)
        # The middle of a scale of five is the middle of the threes.
        threes = [bar for place, bar in enumerate(bars) if place % 5 == 2]
        assert [bar.get_x() + bar.get_width() / 2 for bar in threes] == pytest.approx([0, 0], abs=1e-9)


def test_a_fine_scale_is_shown_in_five_bands() -> None:
    ratings = survey(scale=Scale(0, 100))
    panel = rated(ratings, "Harmony")
    assert panel.answers == ("0–20", "20–40", "40–60", "60–80", "80–100")
    assert all(counts.sum() == 45 for counts in panel.rows.values())
    halves = replace(survey(), table=survey().table.assign(value=2.5))
    assert list(rated(halves, "Harmony").rows["base"]) == [0, 45, 0, 0, 0]


def test_preferences_are_counted_whichever_side_they_stood_on() -> None:
    found = preferences()
    table = found.table.copy()
    swapped = table.index % 2 == 0
    table.loc[swapped, ["a", "b"]] = table.loc[swapped, ["b", "a"]].to_numpy()
    table.loc[swapped, "choice"] = -table.loc[swapped, "choice"]
    panel, turned = preferred(found, "Overall"), preferred(replace(found, table=table), "Overall")
    assert list(panel.rows) == ["x or y", "x or z", "y or z"]
    for name, counts in panel.rows.items():
        assert list(counts) == list(turned.rows[name])
        assert counts.sum() == 24


def test_strengths_are_drawn_with_interval_elo_and_places() -> None:
    votes = preferences(listeners=8)
    found = analysed(votes)
    assert [fit.ties for fit in found.strengths] == ["half wins", "Davidson"]
    figure = strengths(found)
    (axes,) = [axes for axes in figure.axes if axes.get_yticklabels()]
    order = [label.get_text() for label in axes.get_yticklabels()]
    half_wins = {one.model: one for one in found.strengths[0].models}
    assert order == sorted(order, key=lambda model: -(half_wins[model].strength or 0))
    expected = [[one.low, one.high] for fit in found.strengths for one in fit.models]
    lines = [line for line in axes.lines if line.get_linewidth() == 2]
    assert [xs(line) for line in lines] == expected
    FigureCanvasAgg(figure).draw()
    (elo,) = axes.child_axes
    low, high = axes.get_xlim()
    assert elo.get_xlim() == pytest.approx([1500 + 400 / np.log(10) * end for end in (low, high)])
    places = [f"{one.best}–{one.worst}" if one.best < one.worst else f"{one.best}" for one in half_wins.values()]
    assert {text.get_text() for text in axes.texts} >= set(places)
    assert "Bradley–Terry, ties as half wins" in words(figure)
    assert "Davidson" in words(figure)


def test_votes_without_ties_have_one_model_of_ties() -> None:
    votes = preferences()
    decided = replace(votes, table=votes.table[votes.table["choice"] != 0])
    assert "Davidson" not in words(strengths(analysed(decided)))


def test_a_warning_stands_on_the_row_that_it_is_about() -> None:
    votes = preferences()
    sided = votes.table.assign(side=np.where(votes.table["a"] == "x", "a", np.where(votes.table.index % 2, "a", "b")))
    found = analysed(replace(votes, table=sided))
    warned = [bool(one.warnings) for one in found.comparisons]
    assert warned == [True, True, False]
    (axes,) = differences(found).axes
    lines = [line for line in axes.lines if line.get_linewidth() == 2]
    assert [line.is_dashed() for line in lines] == warned
    assert sum("W-SIDE" in text.get_text() for text in axes.texts) == 2


def test_many_models_are_drawn_as_a_square(tmp_path: Path) -> None:
    votes = preferences([f"m{i}" for i in range(11)], listeners=3, prompts=4)
    found = analysed(votes)
    figure = difference_matrix(found)
    (axes,) = figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    shown = {(round(text.get_position()[1]), round(text.get_position()[0])): text.get_text() for text in axes.texts}
    assert len(shown) == 110
    for one in found.comparisons:
        mark = "*" if one.warnings else ""
        first, second = names.index(one.b), names.index(one.a)
        assert shown[first, second] == number(one.estimate, 2, "+") + mark
        assert shown[second, first] == number(-(one.estimate or 0), 2, "+") + mark
    settled = sum(one.p_holm is not None and one.p_holm <= 0.05 for one in found.comparisons)
    assert len(axes.patches) == 11 + 2 * settled
    assert list(preferred(votes, "Overall").rows) == list(votes.models)
    with _styled():
        check_readable(figure)
        check_readable(strengths(found))
        check_readable(distribution(votes))
    assert (tmp_path / "differences.png") in draw(votes, found, tmp_path, ("png",))


def test_answers_that_both_are_bad_are_no_ties() -> None:
    votes = preferences()
    bad = (votes.table["choice"] == 0) & (votes.table["a"] == "x")
    table = votes.table.assign(outcome=np.where(bad, "both bad", votes.table["outcome"]))
    panel = preferred(replace(votes, table=table), "Overall")
    assert sum(panel.both_bad.values()) == bad.sum() > 0
    assert panel.rows["x or y"][1] == 0
    assert sum(int(counts.sum()) for counts in panel.rows.values()) == len(table) - bad.sum()


def test_no_number_is_minus_nothing() -> None:
    votes = preferences()
    found = analysed(votes)
    tiny = tuple(replace(one, estimate=-1e-9) for one in found.comparisons)
    fits = tuple(
        replace(fit, models=tuple(replace(one, strength=-1e-9) for one in fit.models)) for fit in found.strengths
    )
    small = replace(found, comparisons=tiny, strengths=fits)
    assert "−0.00" not in words(differences(small)) + words(difference_matrix(small)) + as_text(small)


# -- that it can be read ---------------------------------------------------------------------------------------------


def check_readable(figure: Figure) -> None:
    """All words lie within the picture, and labels of an axis do not lie on each other."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    ticks = {
        axis: [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
        for axes in figure.axes
        for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, sorted(axes.get_ylim())))
    }
    of_ticks = {id(text) for axis in ticks for tick in axis.get_major_ticks() for text in (tick.label1, tick.label2)}
    labels = [[tick.label1 for tick in shown if tick.label1.get_visible()] for shown in ticks.values()]
    others = [text for text in figure.findobj(Text) if id(text) not in of_ticks and text.get_visible()]
    for text in [*others, *chain(*labels)]:
        if text.get_text().strip():
            box = text.get_window_extent(renderer)
            assert box.x0 >= -1 and box.y0 >= -1, text.get_text()
            assert box.x1 <= figure.bbox.x1 + 1 and box.y1 <= figure.bbox.y1 + 1, text.get_text()
            assert float(text.get_fontsize()) >= 8
    for of_axis in labels:
        boxes = [label.get_window_extent(renderer) for label in of_axis if label.get_text()]
        assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


@pytest.mark.parametrize(
    ("models", "scales"),
    [(1, ("Overall",)), (2, ("Harmony", "How well does it fit the genre of its prompt?")), (8, ("Overall",))],
)
def test_everything_can_be_read(models: int, scales: tuple[str, ...]) -> None:
    ratings = survey(LONG[:models], scales, listeners=3, prompts=6)
    found = analysed(ratings, 0.2)
    with _styled():
        check_readable(genres(ratings, found))
        check_readable(distribution(ratings))
        if models > 1:
            check_readable(differences(found))


def test_names_are_shown_as_they_are() -> None:
    ratings = survey(LONG, ("Overall",), listeners=3, prompts=6)
    with _styled():
        (made,) = genres(ratings, analysed(ratings)).legends
        assert [text.get_text().replace("\n", " ") for text in made.get_texts()][2:4] == ["_base", "$x$"]


def test_shortened_names_differ_where_their_ends_do() -> None:
    assert short(LONG[0]) != short(LONG[1])
    assert all(len(short(name)) <= 28 for name in LONG)
    for lines in (2, 3):
        shown = [short(name, 12, lines).split("\n") for name in LONG]
        assert max(map(len, shown)) == lines
        assert max(len(line) for name in shown for line in name) <= 12
    assert short("tuned") == "tuned"


# Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color vision deficiency" (2009),
# severity 1, for linear RGB.
DICHROMATS = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "none": np.eye(3),
}


def lab(color: Sequence[float], vision: str) -> np.ndarray:
    """CIELAB (D65) of an sRGB colour as it is seen."""
    srgb = np.array(color)
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(DICHROMATS[vision]) @ linear, 0, 1)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
    f = np.array(to_xyz) @ seen / [0.95047, 1, 1.08883]
    f = np.where(f > 216 / 24389, np.cbrt(f), (24389 / 27 * f + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", DICHROMATS)
def test_colours_can_be_told_apart_by_everybody(vision: str) -> None:
    """A difference of 2.3 in CIELAB is just noticeable side by side; bars and their legend lie apart."""
    models = [lab(to_rgb(color), vision) for color in COLORS]
    assert min(np.linalg.norm(a - b) for a, b in combinations(models, 2)) > 10
    assert np.linalg.norm(models[0] - models[1]) > 50
    for count in (2, 3, 5, 11):
        ratings = [lab(color, vision) for color in steps(count)]
        assert min(np.linalg.norm(a - b) for a, b in combinations(ratings, 2)) > 6


# -- files -----------------------------------------------------------------------------------------------------------


def test_equal_plots_are_equal_files(tmp_path: Path) -> None:
    ratings = survey(scales=("Overall",))
    before = dict(matplotlib.rcParams)
    first, second = (draw(ratings, analysed(ratings), tmp_path / name / "plots") for name in "ab")
    assert [path.name for path in first] == [
        f"{name}.{ending}" for name in ("genres", "differences", "distribution") for ending in ("png", "svg")
    ]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
        if one.suffix == ".png":
            assert one.read_bytes().startswith(b"\x89PNG\r\n")
        else:
            assert ElementTree.parse(one).getroot().tag.endswith("svg")
            assert "<dc:date>" not in one.read_text()
    assert dict(matplotlib.rcParams) == before


def test_preferences_are_drawn_without_bars(tmp_path: Path) -> None:
    found = preferences()
    files = draw(found, analysed(found), tmp_path, ("svg",))
    assert [path.name for path in files] == ["differences.svg", "strengths.svg", "distribution.svg"]
    with _styled():
        check_readable(differences(analysed(found)))
        check_readable(strengths(analysed(found)))
        check_readable(distribution(found))


def test_degenerate_surveys_are_drawn(tmp_path: Path) -> None:
    one = ("Overall",)
    whole = survey(scales=one)
    constant = replace(whole, table=whole.table.assign(value=3.0, genre=""))
    few = (survey(scales=one, listeners=1), survey(scales=one, prompts=1), survey(("only",), one))
    for place, ratings in enumerate((constant, *few)):
        assert draw(ratings, analysed(ratings), tmp_path / str(place), ("svg",))


def test_names_in_scripts_that_the_font_lacks_are_drawn(tmp_path: Path) -> None:
    ratings = survey(("音楽", "база"), ("Overall",))
    assert draw(ratings, analysed(ratings), tmp_path, ("svg",))


def test_what_cannot_be_drawn_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ratings = survey(scales=("Overall",))
    with pytest.raises(UsageError, match=r"'svgz'.*'svg'"):
        check_formats(["svgz"])
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        draw(ratings, analysed(ratings), tmp_path / "file")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingError, match=r"pip install 'tunebench\[report\]'"):
        check_formats(["png"])


def test_no_window_system_is_touched() -> None:
    code = "import sys, bench.survey.plot_genres as p, matplotlib.figure; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
