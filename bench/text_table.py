"""Tables of text: aligned for a terminal, in bands if it is too narrow for all columns, or as Markdown."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from rich.cells import cell_len

from bench.ascii_signs import in_encoding
from bench.printable import printable

Row = Sequence[str]
PROSE_WIDTH = 120
"""Maximum line length of prose below a table."""

# Markdown syntax: marks anywhere, ends of words in italics, links, and what begins a block.
_MARKS = re.compile(r"[\\|*`~]|(?<!\w)_|_(?!\w)|\](?=[(\[:])|^[#>]|^[+-](?=[\s-]|$)|^(?<!\d)\d{1,9}[.)](?=\s|$)")
# Not every Markdown renderer supports a backslash before these, but all support entities.
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_ENTITY = re.compile(r"&(?=#?\w+;)")

_GAP = "  "
_TITLE_LINES = 2
_TRIED = 10
"""Widths of text columns to try for a table that does not fit."""
# Excludes no-break spaces.
_SPACES = re.compile(r"[ \t\n\v\f\r\x1c-\x1f\x85\u2028\u2029]+")


@dataclass(frozen=True)
class Layout:
    """The target that text is laid out for.

    Attributes:
        width: columns per line; None for a pipe or a file, whose lines may be as long as needed.
        encoding: of the output; unsupported characters are replaced before lines are measured.
    """

    width: int | None = None
    encoding: str = "utf-8"

    @property
    def prose(self) -> int:
        """Maximum columns of a line of prose."""
        return min(self.width or PROSE_WIDTH, PROSE_WIDTH)

    def line(self, text: str) -> str:
        """Return text as shown there, in one line; no-break spaces are kept."""
        return _SPACES.sub(" ", printable(in_encoding(text.replace("\xa0", "\0"), self.encoding).replace("\0", "\xa0")))


def text_table(header: Row, rows: Sequence[Row], words: int = 1, layout: Layout | None = None) -> str:
    """Return columns aligned with spaces; the first ``words`` ones left, the others right.

    Headings wrap to the width of their cells. If the table is too wide for the layout,
    text columns wrap, or the others follow in bands, each with the text columns repeated, whichever
    takes fewer lines; if not even one column fits, each cell has its own lines. Lines break at spaces only:
    a word longer than a line stays whole.
    """
    layout = layout or Layout()
    columns = [
        _Column.of(layout.line(title), [layout.line(row[place]) for row in rows], place < words)
        for place, title in enumerate(header)
    ]
    drawn = [
        "\n\n".join("\n".join(_drawn(band, _rows_of(band, columns, len(rows)))) for band in bands)
        for bands in _arrangements(columns[:words], columns[words:], layout.width)
    ]
    if not drawn:
        return "\n\n".join("\n".join(_stacked(columns, row, layout.prose)) for row in range(len(rows)))
    return min(drawn, key=lambda text: text.count("\n"))


def definitions(entries: Sequence[tuple[str, Sequence[str]]], width: int = 80, indent: int = 2) -> str:
    """Return names on the left with their paragraphs on the right, in lines of at most ``width`` columns.

    Words too long for a line stay whole, and lines do not break at no-break spaces. A name that takes more
    than a third of the line gets its own line.
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
    """Return a Markdown table; the first ``words`` columns are left-aligned, the others right-aligned.

    Markup in cells is escaped; see `markdown_text`.
    """
    rules = ["---" if place < words else "---:" for place in range(len(header))]
    lines = [[*map(markdown_text, header)], rules, *([*map(markdown_text, row)] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def markdown_text(text: str) -> str:
    """Return text as one line of Markdown, a cell or a paragraph, with markup and HTML escaped."""
    line = _TAG.sub("&lt;", _ENTITY.sub("&amp;", printable(" ".join(text.split()))))
    return _MARKS.sub(lambda found: f"{found[0][:-1]}\\{found[0][-1]}", line)


def paragraph(text: str, layout: Layout | None = None) -> str:
    """Wrap prose to a readable width."""
    layout = layout or Layout()
    return "\n".join(_plain(line).rstrip() for line in _wrapped(layout.line(text), layout.prose))


@dataclass(frozen=True)
class _Column:
    """A column of a table: ``width`` is the wanted width, ``least`` that of its longest word."""

    heading: str
    cells: Sequence[str]
    of_words: bool
    width: int
    least: int

    @classmethod
    def of(cls, heading: str, cells: Sequence[str], of_words: bool) -> _Column:
        least = _longest_word([heading, *cells])
        width = max(map(cell_len, cells), default=0)
        return cls(
            heading, cells, of_words, max(width, cell_len(heading) if of_words else _title_width(heading)), least
        )


def _title_width(heading: str) -> int:
    """Return the smallest width at which a heading takes at most two lines."""
    width = _longest_word([heading])
    while len(_wrapped(heading, width)) > _TITLE_LINES:
        width += 1
    return width


def _longest_word(texts: Iterable[str]) -> int:
    return max((cell_len(word) for text in texts for word in text.split(" ")), default=0)


def _arrangements(
    keys: Sequence[_Column], others: Sequence[_Column], width: int | None
) -> Iterator[list[list[_Column]]]:
    """Yield ways to lay out the columns in bands; none if no column fits beside the keys.

    Narrow keys leave room for more columns in a band, but take more lines.
    """
    if width is None:
        yield [[*keys, *others]]
        return
    room, natural = width + len(_GAP), _cost(keys)
    least = sum(column.least + len(_GAP) for column in keys)
    found = False
    # Numbers are broken only if not even one fits.
    for columns in (others, [replace(column, width=column.least) for column in others]):
        most = room - max((_cost([column]) for column in columns), default=0)
        step = max(1, (natural - least) // _TRIED)
        for share in (*range(natural, least - 1, -step), room - _cost(columns)):
            fitted = _fitted(keys, min(share, most))
            if fitted is not None:
                found = True
                yield list(_packed(fitted, columns, room))
        if found:
            return


def _cost(columns: Iterable[_Column]) -> int:
    return sum(column.width + len(_GAP) for column in columns)


def _fitted(columns: Sequence[_Column], room: int) -> list[_Column] | None:
    """Return the columns fitted to a width by shrinking the widest; None if their words need more."""
    narrowed = list(columns)
    while _cost(narrowed) > room:
        loose = [place for place, column in enumerate(narrowed) if column.width > column.least]
        if not loose:
            return None
        widest = max(loose, key=lambda place: narrowed[place].width)
        narrowed[widest] = replace(narrowed[widest], width=narrowed[widest].width - 1)
    return narrowed


def _packed(keys: Sequence[_Column], others: Sequence[_Column], room: int) -> Iterator[list[_Column]]:
    band: list[_Column] = []
    for column in others:
        if band and _cost([*keys, *band, column]) > room:
            yield [*keys, *band]
            band = []
        band.append(column)
    yield [*keys, *band]


def _rows_of(band: Sequence[_Column], columns: Sequence[_Column], count: int) -> list[int]:
    """Return the rows that a band shows: all but those that are empty in it and have a number in another."""
    here, everywhere = ([column for column in some if not column.of_words] for some in (band, columns))
    return [
        row
        for row in range(count)
        if any(column.cells[row] for column in here) or not any(column.cells[row] for column in everywhere)
    ]


def _drawn(band: Sequence[_Column], rows: Iterable[int]) -> Iterator[str]:
    """Yield the lines of a band: headings aligned at the bottom, cells at the top."""
    headings = [_wrapped(column.heading, column.width) for column in band]
    height = max(map(len, headings), default=0)
    yield from _side_by_side(band, [[""] * (height - len(lines)) + lines for lines in headings])
    for row in rows:
        yield from _side_by_side(band, [_wrapped(column.cells[row], column.width) for column in band])


def _side_by_side(band: Sequence[_Column], cells: Sequence[list[str]]) -> Iterator[str]:
    for parts in zip_longest(*cells, fillvalue=""):
        padded = []
        for column, part in zip(band, parts, strict=True):
            space = " " * (column.width - cell_len(part))
            padded.append(part + space if column.of_words else space + part)
        yield _plain(_GAP.join(padded)).rstrip()


def _stacked(columns: Sequence[_Column], row: int, width: int) -> Iterator[str]:
    """Yield a row as separate lines, each heading with its cell."""
    for column in columns:
        if column.cells[row]:
            lines = _wrapped(f"{column.heading}: {column.cells[row]}", width)
            yield from (_plain(line).rstrip() for line in lines)


def _wrapped(text: str, width: int) -> list[str]:
    """Return text wrapped at spaces to a number of terminal columns."""
    lines, room = [""], 0
    for word in text.split(" "):
        size = cell_len(word)
        if room > size:
            lines[-1], room = f"{lines[-1]} {word}", room - size - 1
        else:
            lines.append(word)
            room = width - size
    return lines[1:]


def _plain(line: str) -> str:
    return line.replace("\xa0", " ")
