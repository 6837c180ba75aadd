"""Plots of a listening survey: ratings by genre, differences, strengths, and how the answers are distributed."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import MissingError, UsageError, suggestion
from bench.survey.ratings import Preferences, Ratings
from bench.survey.results import Analysis

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bench.survey.metric_agreement import Predictions
    from bench.survey.vote_agreement import VotePredictions

FORMATS = ("png", "svg", "pdf")

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.parse_math": False,  # a model may be called $x$
    "svg.hashsalt": "tunebench",  # equal pictures are equal files
}
# Without these a file would contain its time of writing.
_METADATA = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}


def check_formats(formats: Sequence[str]) -> None:
    """Check formats before the work is done.

    Raises:
        UsageError: an unknown format.
        MissingError: matplotlib is not installed.
    """
    for name in formats:
        if name not in FORMATS:
            raise UsageError(f"unknown plot format '{name}'{suggestion(name, FORMATS)}; known: {', '.join(FORMATS)}")
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        raise MissingError("plots need matplotlib: pip install 'tunebench[report]'") from None


def draw(
    survey: Ratings | Preferences, analysis: Analysis, folder: Path, formats: Sequence[str] = ("png", "svg")
) -> list[Path]:
    """Write the plots into a folder and return their files.

    ``genres``: mean ratings of each model, over all prompts and in each genre, with crossed intervals; for ratings.
    ``differences``: all pairs on all scales with intervals that agree with p after Holm, and the margin of equivalence;
        a matrix of estimates if a scale has more than 45 pairs.
    ``strengths``: of all models, with two treatments of ties, Elo and places; for preferences.
    ``distribution``: how often each rating was given, or each answer to "which is better?".

    Args:
        survey: the analyzed survey.
        analysis: its analysis.
        folder: made if it does not exist; files of these names are replaced.
        formats: of "png", "svg" and "pdf".

    Raises:
        UsageError, MissingError: as `check_formats`, or the files cannot be written.
    """
    check_formats(formats)
    from bench.survey.plot_differences import differences
    from bench.survey.plot_distribution import distribution
    from bench.survey.plot_genres import genres
    from bench.survey.plot_matrix import MOST_PAIRS, difference_matrix
    from bench.survey.plot_strengths import strengths

    files = []
    with _styled():
        figures: dict[str, Figure] = {}
        if isinstance(survey, Ratings):
            figures["genres"] = genres(survey, analysis)
        if analysis.comparisons:
            crowded = max(Counter(one.scale for one in analysis.comparisons).values()) > MOST_PAIRS
            figures["differences"] = difference_matrix(analysis) if crowded else differences(analysis)
        if analysis.strengths:
            figures["strengths"] = strengths(analysis)
        figures["distribution"] = distribution(survey)
        for name, figure in figures.items():
            for ending in formats:
                files.append(folder / f"{name}.{ending}")
                _save(figure, files[-1])
    return files


def draw_agreement(
    found: Predictions | VotePredictions, folder: Path, formats: Sequence[str] = ("png", "svg")
) -> list[Path]:
    """Write the figure ``agreement``: each metric with the ceiling of listeners, and the model it would pick.

    Args:
        found: agreement with ratings or with votes.
        folder: made if it does not exist; files of these names are replaced.
        formats: of "png", "svg" and "pdf".

    Raises:
        UsageError, MissingError: as `check_formats`, or the files cannot be written.
    """
    check_formats(formats)
    from bench.survey.plot_agreement import agreement

    files = [folder / f"agreement.{ending}" for ending in formats]
    with _styled():
        figure = agreement(found)
        for file in files:
            _save(figure, file)
    return files


@contextmanager
def _styled() -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context(_STYLE), warnings.catch_warnings():
        # Names may be in any script; missing glyphs are drawn as a box.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def _save(figure: Figure, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150, metadata=_METADATA[path.suffix[1:]])
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
