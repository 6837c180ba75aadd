"""Colours that people of any colour vision can tell apart, and names short enough for a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito, "Color universal design" (2008), with grey for black, on which no interval could be seen.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#6E6E6E")
# A ninth model and those after it have the colours again, hatched.
HATCHES = ("", "///", "...", "xxx")
INK, FAINT, BAND = "#1a1a1a", "#8c8c8c", "#e6e6e6"


def bar_style(place: int) -> dict[str, Any]:
    """Colour and hatching of the model at a place."""
    return {
        "facecolor": COLORS[place % len(COLORS)],
        "hatch": HATCHES[place // len(COLORS) % len(HATCHES)],
        "edgecolor": "white",
        "linewidth": 0.6,
    }


def steps(count: int) -> list[tuple[float, float, float]]:
    """Colours from bad to good: orange, grey in the middle, blue; each RGB in [0, 1]."""
    from matplotlib.colors import LinearSegmentedColormap

    colormap = LinearSegmentedColormap.from_list("ratings", ["#b35806", "#f1a340", "#e8e8e8", "#67a9cf", "#08519c"])
    shades = (colormap(0.5 if count == 1 else place / (count - 1)) for place in range(count))
    return [(red, green, blue) for red, green, blue, _ in shades]


def ink_on(color: Sequence[float]) -> str:
    """Black or white, whichever is easier to read on a colour (ITU-R BT.601 luma)."""
    return INK if 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 0.55 else "white"


def short(name: str, width: int = 28, lines: int = 1) -> str:
    """A name in a few lines at most; if it is too long, its middle is left out, since versions stand at the end."""
    for most in range(width * lines, 1, -2):
        cut = name if len(name) <= most else f"{name[: most // 2]}…{name[len(name) - (most - 1) // 2 :]}"
        wrapped = wrap(cut, width, break_on_hyphens=False) if lines > 1 else [cut]
        if len(wrapped) <= lines:
            break
    return "\n".join(wrapped)


def legend(figure: Figure, handles: Iterable[Any], names: Sequence[str], title: str | None = None) -> None:
    """A legend above the panels, as many columns as fit."""
    shown = [short(name, lines=2) for name in names]
    widest = max(len(line) for name in shown for line in name.split("\n"))
    columns = max(1, min(len(names), int(figure.get_figwidth() / (0.085 * widest + 0.6))))
    # Names that begin with _ would be left out; so they are set afterwards.
    made = figure.legend(
        list(handles), ["."] * len(shown), loc="outside upper center", ncols=columns, frameon=False, title=title
    )
    for text, name in zip(made.get_texts(), shown, strict=True):
        text.set_text(name)
