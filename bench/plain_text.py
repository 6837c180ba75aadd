"""Clean text from other sources so that every file, database and terminal accepts it."""

from __future__ import annotations

import re

MOST = 2000
"""Maximum length of a text shown in one line."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


def whole_characters(text: str) -> str:
    """Return the text without unpaired surrogates, which UTF-8 cannot hold: they become ``?``."""
    return text.encode(errors="replace").decode()


def plain_line(text: str, most: int = MOST) -> str:
    r"""Return the text as one line of at most ``most`` characters; control characters become ``�``.

    >>> plain_line("two\nlines"), plain_line("a \ud800 \x1b[2J"), plain_line("longer", 4)
    ('two lines', 'a ? �[2J', 'lon…')
    """
    line = " ".join(text[: 10 * most].split())
    line = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", whole_characters(line))
    return line if len(line) <= most and len(text) <= 10 * most else f"{line[: most - 1]}…"
