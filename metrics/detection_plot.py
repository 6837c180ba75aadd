"""A picture of detections: a row for each distance, a column for each kind of damage, a curve for each dose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metrics.degradation_kinds import Degradation
from metrics.detection import LEVEL, POWER, Detection
from metrics.dose_plot import savable

# Light to dark of one hue, readable in gray print and by the color-blind; orange is distinct from blue for everyone.
_BLUES, _MARKERS, _BETTER = ("#7fb3d9", "#2f7ab8", "#08306b"), ("o", "s", "^"), "#d55e00"
_SHOWN = 0.25
"""A damage that is called better more often than this at some number of prompts also gets that curve."""


def draw_detections(detections: Sequence[Detection], kinds: Sequence[Degradation], refused: int, path: Path) -> None:
    """Write the picture.

    Args:
        detections: of `metrics.detection.detect`.
        kinds: of damage.
        refused: with fewer prompts than this, FAD gives no value and its marks are hollow.
        path: .svg, .png or .pdf.

    Raises:
        UsageError, MissingError: as `metrics.dose_plot.check_plot`, or the file cannot be written.
    """
    with savable(path):
        from matplotlib import rc_context
        from matplotlib.figure import Figure

        distances = list(dict.fromkeys(one.distance for one in detections))
        # Text is kept as text, and the same numbers give the same file.
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": "tunebench", "font.size": 8}):
            figure = Figure(figsize=(1.25 * len(kinds) + 0.8, 1.05 * len(distances) + 1.5), layout="constrained")
            panels = figure.subplots(len(distances), len(kinds), sharex=True, sharey=True, squeeze=False)
            for row, distance in enumerate(distances):
                for column, kind in enumerate(kinds):
                    own = [one for one in detections if (one.distance, one.damage) == (distance, kind.name)]
                    _panel(panels[row][column], own, kind, refused if distance.startswith("fad") else 0)
                panels[row][0].set_ylabel(distance)
            for column, kind in enumerate(kinds):
                panels[0][column].set_title(f"{kind.name}\n{_doses(kind)}", fontsize=8)
            figure.supxlabel("number of prompts", fontsize=9)
            figure.supylabel("probability of detection, one-sided at .05", fontsize=9)
            _legend(figure, max(len(kind.doses) for kind in kinds))
            metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
            figure.savefig(path, dpi=200, metadata=metadata)


def _panel(axes: Any, detections: Sequence[Detection], kind: Degradation, refused: int) -> None:
    for height, style in ((LEVEL, ":"), (POWER, "--")):
        axes.axhline(height, color="0.55", lw=0.6, ls=style, zorder=0)
    sizes = sorted({one.prompts for one in detections})
    for place, dose in enumerate(kind.labels):
        own = sorted((one for one in detections if one.dose == dose), key=lambda one: one.prompts)
        color, marker = _BLUES[place - len(kind.labels)], _MARKERS[place - len(kind.labels)]
        known = [(one.prompts, one.detected, one.improved) for one in own if one.detected is not None]
        if not known:
            continue
        x, worse, better = zip(*known, strict=True)
        axes.plot(x, worse, color=color, lw=1.1, zorder=2)
        faces = ["white" if prompts < refused else color for prompts in x]
        axes.scatter(x, worse, s=11, marker=marker, c=faces, edgecolors=color, linewidths=0.8, zorder=3)
        if max(better) > _SHOWN:
            axes.plot(x, better, color=_BETTER, lw=0.9, ls=(0, (3, 1.5)), marker=marker, markersize=2.5, zorder=1)
    axes.set_xscale("log")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_xticks([], minor=True)
    axes.set_xlim(sizes[0] / 1.25, sizes[-1] * 1.25)
    axes.set_ylim(-0.06, 1.06)
    axes.set_yticks([0, 0.5, 1])
    axes.tick_params(labelsize=7, length=2)


def _doses(kind: Degradation) -> str:
    unit = kind.unit.replace(" of a ", " of\na ")
    return f"{', '.join(kind.labels)} {unit}"


def _legend(figure: Any, doses: int) -> None:
    from matplotlib.lines import Line2D

    names = ("smallest dose", "middle dose", "largest dose")[-doses:] if doses > 2 else ("smaller dose", "larger dose")
    looks = list(zip(_BLUES, _MARKERS, strict=True))[-doses:]
    entries = [
        Line2D([], [], color=color, marker=marker, markersize=3.5, lw=1.1, label=name)
        for (color, marker), name in zip(looks, names[-doses:], strict=True)
    ]
    entries.append(Line2D([], [], color=_BETTER, ls="--", lw=0.9, label="called better"))
    entries.append(
        Line2D([], [], color=_BLUES[-1], marker="o", ls="", mfc="white", markersize=3.5, label="FAD gives no value")
    )
    figure.legend(handles=entries, loc="outside upper center", ncols=len(entries), fontsize=8, frameon=False)
