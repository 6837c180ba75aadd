"""Text in Markdown stays text: what a parser of Markdown makes of it is what was written."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bench.text_table import markdown_table, markdown_text

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
