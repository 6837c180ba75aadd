"""Tables of text: aligned for a terminal, or as Markdown."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Sequence
from typing import Literal

from bench.printable import printable

Row = Sequence[str]
PROSE_WIDTH = 120
"""Characters to a line of prose beneath a table; tables themselves are as wide as they need."""

# What Markdown takes as more than text: marks anywhere, ends of words in italics, links, and what begins a block.
_MARKS = re.compile(r"[\\|*`~]|(?<!\w)_|_(?!\w)|\](?=[(\[:])|^[#>]|^[+-](?=[\s-]|$)|^(?<!\d)\d{1,9}[.)](?=\s|$)")
# Not every writer of HTML from Markdown knows a backslash before these, but all know entities.
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_ENTITY = re.compile(r"&(?=#?\w+;)")


def text_table(
    header: Row, rows: Sequence[Row], words: int = 1, *, break_headings: bool = True, width: int | None = None
) -> str:
    """Columns aligned with spaces; the first ``words`` ones on the left, the others on the right.

    Headings are broken so that a column is as wide as what stands in it, unless they are to stay whole. No cell is cut:
    a narrow terminal wraps lines, a pipe gets them whole. Only where there is a ``width`` for the whole table, the
    columns of words are wrapped to keep within it.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="")
    for place, title in enumerate(header):
        of_words = place < words
        longest = max((len(row[place]) for row in rows), default=0)
        heading = title if of_words or not break_headings else _broken(title, longest)
        whole = width is None or not of_words
        justify: Literal["left", "right"] = "left" if of_words else "right"
        table.add_column(Text(heading), justify=justify, no_wrap=whole, overflow="fold", vertical="bottom")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    buffer = io.StringIO()
    Console(file=buffer, width=width or 100_000, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in buffer.getvalue().rstrip("\n").split("\n"))


def definitions(entries: Sequence[tuple[str, Sequence[str]]], width: int = 80, indent: int = 2) -> str:
    """Names on the left, and beside each its paragraphs, broken so that lines are at most ``width`` columns long.

    A word that is too long for a line stays whole, and lines are not broken at no-break spaces. A name that takes more
    than a third of the line has one for itself.
    """
    column = max((len(name) for name, _ in entries if len(name) <= width // 3), default=0)
    margin = " " * (indent + column + 2)
    lines = []
    for name, paragraphs in entries:
        broken = [
            line.replace("\xa0", " ")
            for paragraph in paragraphs
            for line in textwrap.wrap(paragraph, width - len(margin), break_long_words=False, break_on_hyphens=False)
        ]
        if len(name) > column:
            lines.append(" " * indent + name)
            lines += [margin + line for line in broken]
        else:
            first, *rest = broken or [""]
            lines += [f"{' ' * indent}{name:<{column}}  {first}".rstrip(), *(margin + line for line in rest)]
    return "\n".join(lines)


def markdown_table(header: Row, rows: Sequence[Row], words: int = 1) -> str:
    """A Markdown table; the first ``words`` columns are aligned on the left, the others on the right.

    Cells are text, whatever markup stands in them; see `markdown_text`.
    """
    rules = ["---" if place < words else "---:" for place in range(len(header))]
    lines = [[*map(markdown_text, header)], rules, *([*map(markdown_text, row)] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def markdown_text(text: str) -> str:
    """Text in one line as a cell or a paragraph of Markdown: what others wrote in it is never markup, nor HTML."""
    line = _TAG.sub("&lt;", _ENTITY.sub("&amp;", printable(" ".join(text.split()))))
    return _MARKS.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", line)


def paragraph(text: str) -> str:
    """Prose in lines of a readable width."""
    return textwrap.fill(text, PROSE_WIDTH, break_long_words=False, break_on_hyphens=False)


def _broken(title: str, width: int) -> str:
    """A heading in lines: the name, broken at its hyphens, then its unit and whatever else is in brackets."""
    name, *notes = title.split(" (")
    # An arrow stays with its unit; textwrap breaks at no such space.
    parts = [name, *(f"({note}".replace(" ↑", "\xa0↑").replace(" ↓", "\xa0↓") for note in notes)]
    lines = [line for part in parts for line in textwrap.wrap(part, max(width, 1), break_long_words=False)]
    return "\n".join(lines).replace("\xa0", " ")
