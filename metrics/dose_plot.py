"""A picture of doses and responses: a row for each metric, a column for each kind of damage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.errors import MissingError, UsageError
from metrics.degradation_kinds import Degradation
from metrics.dose_response import Response

_ENDINGS = (".png", ".svg", ".pdf")
_SEEN, _UNSEEN = "#0b5fa5", "#9a9a9a"


def check_plot(path: Path) -> None:
    """Refuse a plot that could not be drawn in the end, before the work is done.

    Raises:
        UsageError: the file's ending is not one of .png, .svg and .pdf.
        MissingError: matplotlib is not installed.
    """
    if path.suffix.lower() not in _ENDINGS:
        raise UsageError(f"--plot is {path}; its ending must be one of {', '.join(_ENDINGS)}")
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError:
        raise MissingError("plots need matplotlib: pip install 'tunebench[report]'") from None


@contextmanager
def savable(path: Path) -> Iterator[None]:
    """Run the body, which draws into the path; report a file that cannot be written in one line.

    Raises:
        UsageError, MissingError: as `check_plot`, or the file cannot be written.
    """
    check_plot(path)
    try:
        yield
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def draw(responses: Sequence[Response], spoilers: Sequence[Degradation], path: Path) -> None:
    """Write the picture.

    A panel shows the value at each dose, with the 95 % interval of the change against the clean clips laid around the
    clean value; blue where the largest dose is detected, gray where not. The panels of a row share their scale.

    Args:
        responses: one for each metric and kind of damage.
        spoilers: the kinds of damage, one for each column.
        path: .png, .svg or .pdf.

    Raises:
        UsageError, MissingError: as `check_plot`, no metric has a value, or the file cannot be written.
    """
    check_plot(path)
    from matplotlib.figure import Figure

    of = {(response.metric, response.spoiler): response for response in responses}
    # A metric without any value has a line in the table and nothing to draw.
    metrics = list(dict.fromkeys(r.metric for r in responses if any(value is not None for value in r.values)))
    if not metrics:
        raise UsageError(f"nothing to draw in {path}: no metric has a value; the table says why")
    figure = Figure(figsize=(1.7 * len(spoilers) + 1.5, 1.25 * len(metrics) + 1.0), layout="constrained")
    panels = figure.subplots(len(metrics), len(spoilers), sharey="row", squeeze=False)
    for row, metric in enumerate(metrics):
        for column, spoiler in enumerate(spoilers):
            _panel(panels[row][column], of[metric, spoiler.name])
            if row == 0:
                panels[row][column].set_title(spoiler.name, fontsize=9)
            if row == len(metrics) - 1:
                panels[row][column].set_xlabel(spoiler.unit, fontsize=7)
        name = metric.replace("-", "-\n", 1)
        unit = of[metric, spoilers[0].name].unit
        panels[row][0].set_ylabel(f"{name}\n({unit})" if unit else name, fontsize=7)
    with savable(path):
        figure.savefig(path, dpi=150)


def _panel(axes: Any, response: Response) -> None:
    color = _UNSEEN if response.detected is None else _SEEN
    places = [place for place, value in enumerate(response.values) if value is not None]
    axes.plot(places, [response.values[place] for place in places], color=color, marker="o", markersize=2.5, lw=1)
    clean = response.values[0]
    bars = [
        (place, clean + low, clean + high)
        for place, low, high in zip(range(len(response.doses)), response.low, response.high, strict=True)
        if clean is not None and low is not None and high is not None
    ]
    for place, low, high in bars:
        axes.plot([place, place], [low, high], color=color, alpha=0.4, lw=3, solid_capstyle="butt")
    if clean is not None:
        axes.axhline(clean, color="black", lw=0.4)
    axes.set_xticks(range(len(response.doses)), response.doses)
    axes.tick_params(labelsize=6, length=2)
