"""Escape text so that it cannot control a terminal."""

from __future__ import annotations

import re

# Control characters of ASCII and of ISO 6429 but for tabs and ends of lines, and what changes the direction of the text
# that follows (Boucher and Anderson, "Trojan Source", 2021).
_COMMANDS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\r(?!\n)")


def printable(text: str) -> str:
    r"""Return text with terminal control characters escaped as in JSON, so that JSON keeps its value.

    A file name, a message or a label could otherwise move the cursor, recolor what follows, or show
    letters in another order than they have.

    >>> printable("a\x1b[2Jb")
    'a\\u001b[2Jb'
    """
    return _COMMANDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def printable_line(text: str) -> str:
    """Return text as `printable` does, in one line: a space stands for each line end."""
    return printable(" ".join(text.splitlines()))
