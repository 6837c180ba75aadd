"""Tables fit where they are shown and hold every cell whole.

Text in Markdown stays text: what a parser of Markdown makes of it is what was written.
"""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.cells import cell_len

from bench.ascii_signs import SIGNS, in_encoding
from bench.text_table import Layout, markdown_table, markdown_text, paragraph, text_table

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
# What means something to Markdown or HTML, and a little else to stand between.
TEXTS = st.text(st.sampled_from("<>&|\\`*_~[]()#+-=.:!/;\"'19abx @\n\r\t–"), max_size=40)


def _spoken(markdown: str) -> list[str]:
    """The text of each paragraph or cell; fails where anything else is."""
    found = []
    for token in PARSER.parse(markdown):
        if token.type == "inline":
            assert all(child.type in ("text", "text_special") for child in token.children or ()), markdown
            found.append("".join(child.content for child in token.children or ()))
        else:
            assert token.type.split("_")[0] in ("paragraph", "table", "thead", "tbody", "tr", "th", "td"), markdown
    return found


@given(TEXTS)
@example("<b>x</b>")
@example("<!-- a comment")
@example("&lt;b&gt; &#60;i&#62;")
@example("[a [b] c](javascript:alert(1))")
@example("![x](https://example.org/x.png)")
@example("[x]: https://example.org")
@example("1) one")
@example("---")
@example("~~~")
@example("a\\|b\\")
def test_a_paragraph_is_what_was_written(text: str) -> None:
    plain = " ".join(text.split())
    assert _spoken(markdown_text(text)) == ([plain] if plain else [])


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=3))
@example([("<b>|x", "a\\"), ("\\|", "&amp;")])
def test_a_table_holds_what_was_written(rows: list[tuple[str, str]]) -> None:
    spoken = _spoken(markdown_table(["one", "two"], rows))
    assert spoken == ["one", "two", *(" ".join(cell.split()) for row in rows for cell in row)]


@pytest.mark.parametrize("text", ["-5.3", "p <.001", "R&B, 50 %", "d_z", "3.1 [2.0, 4.2]", "melodic-complexity@1 ↑"])
def test_numbers_and_names_are_left_as_they_are(text: str) -> None:
    assert markdown_text(text) == text


WORDS = st.text(st.sampled_from("abcxyz019.%±−–↑é日\xa0"), min_size=1, max_size=14)
CELLS = st.lists(WORDS, max_size=4).map(" ".join)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]], int]:
    """A heading, rows, and how many columns are of words; no two words are alike, so that each can be found."""
    count = draw(st.integers(1, 7))
    rows = draw(st.lists(st.lists(CELLS, min_size=count, max_size=count), max_size=5))
    named = [[f"r{r}c{c} {cell}".strip() if cell else "" for c, cell in enumerate(row)] for r, row in enumerate(rows)]
    header = [f"h{place} {draw(CELLS)}".strip() for place in range(count)]
    return header, named, draw(st.integers(0, count))


@given(tables(), st.integers(16, 140), st.sampled_from(["utf-8", "ascii", "latin-1"]))
def test_a_table_fits_and_holds_every_cell(
    table: tuple[list[str], list[list[str]], int], width: int, encoding: str
) -> None:
    header, rows, words = table
    layout = Layout(width, encoding)
    lines = text_table(header, rows, words, layout).splitlines()
    used = [title for place, title in enumerate(header) if any(row[place] for row in rows)]
    cells = [layout.line(cell) for row in (header, *rows) for cell in row]
    longest = max(cell_len(word) for cell in cells for word in cell.split(" "))
    assert all(cell_len(line) <= max(width, longest + 1) for line in lines)  # a colon may follow a heading
    assert all(line == line.rstrip() for line in lines)
    shown = {word.rstrip(":") for line in lines for word in line.split()}
    assert {word.rstrip(":") for cell in map(layout.line, used) for word in cell.split()} <= shown
    assert {word.rstrip(":") for cell in cells[len(header) :] for word in cell.split()} <= shown


@given(tables(), st.sampled_from(["utf-8", "ascii"]))
def test_without_a_width_every_row_is_one_line(table: tuple[list[str], list[list[str]], int], encoding: str) -> None:
    header, rows, words = table
    lines = text_table(header, rows, words, Layout(None, encoding)).split("\n")
    shown = [[in_encoding(cell, encoding).replace("\xa0", " ") for cell in row] for row in rows]
    for line, row in zip(lines[len(lines) - len(rows) :], shown, strict=True):
        place = 0
        for cell in row:
            place = line.index(cell.strip(), place) + len(cell.strip())


def test_bands_repeat_the_words_and_leave_out_rows_without_numbers() -> None:
    rows = [["first", "1.0 ± 0.1", "20.0 ± 3.0"], ["second", "–", "–"], ["chance", "", "50.0"], ["none", "", ""]]
    bands = text_table(["model", "quality (%)", "distance"], rows, layout=Layout(20)).split("\n\n")
    assert [band.splitlines() for band in bands] == [
        ["          quality", "model         (%)", "first   1.0 ± 0.1", "second          –", "none"],
        ["model     distance", "first   20.0 ± 3.0", "second           –", "chance        50.0", "none"],
    ]


def test_words_are_wrapped_before_numbers_are_parted() -> None:
    rows = [["a name of many words", "1", "2"]]
    assert text_table(["row", "x", "y"], rows, layout=Layout(16)).splitlines() == [
        "row         x  y",
        "a name of   1  2",
        "many words",
    ]


def test_a_row_that_fits_nowhere_has_lines_of_its_own() -> None:
    rows = [["a-long-name", "1.0 ± 0.1"], ["b", "a-long-number"]]
    assert text_table(["model", "quality"], rows, layout=Layout(16)).split("\n\n") == [
        "model:\na-long-name\nquality: 1.0 ±\n0.1",
        "model: b\nquality:\na-long-number",
    ]


@given(st.text(st.sampled_from(["a", " ", "−", "±", "日", "\n", "\t"]), max_size=200), st.integers(5, 200))
def test_prose_is_no_wider_than_a_line(text: str, width: int) -> None:
    longest = max((cell_len(word) for word in text.split()), default=0)
    written = paragraph(text, Layout(width))
    assert all(cell_len(line) <= max(min(width, 120), longest) for line in written.splitlines())
    assert written.split() == text.split()


def test_every_sign_has_another_in_ascii() -> None:
    assert all(plain.isascii() and not sign.isascii() for sign, plain in SIGNS.items())
    assert in_encoding("".join(SIGNS), "ascii") == "".join(SIGNS.values())


@given(st.text())
def test_what_is_written_in_ascii_is_read_back_from_json(text: str) -> None:
    import json

    from bench.ascii_signs import AS_JSON

    written = json.dumps(text, ensure_ascii=False).encode("ascii", AS_JSON)
    assert json.loads(written) == text
    assert in_encoding(text, "ascii").isascii()
    assert in_encoding(text, "utf-8") == text or any(0xD800 <= ord(letter) <= 0xDFFF for letter in text)
