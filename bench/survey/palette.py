"""Colors that people of any color vision can distinguish, and short names for plots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito, "Color universal design" (2008), with gray for black, on which no interval would be visible.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#6E6E6E")
# From the ninth model on, colors repeat with hatching.
HATCHES = ("", "///", "...", "xxx")
INK, FAINT, BAND = "#1a1a1a", "#8c8c8c", "#e6e6e6"


def bar_style(place: int) -> dict[str, Any]:
    """Return color and hatching of the model at a position."""
    return {
        "facecolor": COLORS[place % len(COLORS)],
        "hatch": HATCHES[place // len(COLORS) % len(HATCHES)],
        "edgecolor": "white",
        "linewidth": 0.6,
    }


def steps(count: int) -> list[tuple[float, float, float]]:
    """Return colors from bad to good: orange, gray in the middle, blue; each RGB in [0, 1]."""
    from matplotlib.colors import LinearSegmentedColormap

    colormap = LinearSegmentedColormap.from_list("ratings", ["#b35806", "#f1a340", "#e8e8e8", "#67a9cf", "#08519c"])
    shades = (colormap(0.5 if count == 1 else place / (count - 1)) for place in range(count))
    return [(red, green, blue) for red, green, blue, _ in shades]


def ink_on(color: Sequence[float]) -> str:
    """Return black or white, whichever is easier to read on a color (ITU-R BT.601 luma)."""
    return INK if 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 0.55 else "white"


def short(name: str, width: int = 28, lines: int = 1) -> str:
    """Return a name in a few lines; a long one is cut in the middle, since versions are at the end.

    Args:
        name: the name.
        width: characters per line.
        lines: maximum number of lines.
    """
    for most in range(width * lines, 1, -2):
        cut = name if len(name) <= most else f"{name[: most // 2]}…{name[len(name) - (most - 1) // 2 :]}"
        wrapped = wrap(cut, width, break_on_hyphens=False) if lines > 1 else [cut]
        if len(wrapped) <= lines:
            break
    return "\n".join(wrapped)


def legend(figure: Figure, handles: Iterable[Any], names: Sequence[str], title: str | None = None) -> None:
    """Add a legend above the panels, with as many columns as fit.

    Args:
        figure: changed in place.
        handles: matplotlib's artists.
        names: of the handles, at least one.
        title: of the legend.
    """
    shown = [short(name, lines=2) for name in names]
    widest = max(len(line) for name in shown for line in name.split("\n"))
    columns = max(1, min(len(names), int(figure.get_figwidth() / (0.085 * widest + 0.6))))
    # matplotlib omits names that begin with _, so they are set afterwards.
    made = figure.legend(
        list(handles), ["."] * len(shown), loc="outside upper center", ncols=columns, frameon=False, title=title
    )
    for text, name in zip(made.get_texts(), shown, strict=True):
        text.set_text(name)
