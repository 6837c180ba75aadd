"""HTML of a leaderboard for notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bench.leaderboard.grid import footnotes, grid
from bench.scores.aggregate import Cell


def leaderboard_html(cells: Sequence[Cell], caption: str) -> str:
    """Return the table of values with intervals and its footnotes, as HTML without styles or scripts.

    Args:
        cells: over all prompts.
        caption: title of the table; escaped, like all text.
    """
    header, rows = grid(cells)
    head = "".join(f"<th>{escape(text)}</th>" for text in header)
    body = "".join(
        f"<tr><th>{escape(row[0])}</th>{''.join(f'<td>{escape(text)}</td>' for text in row[1:])}</tr>" for row in rows
    )
    said = "".join(f"<p>{escape(line)}</p>" for line in footnotes(cells))
    return (
        f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{said}"
    )
