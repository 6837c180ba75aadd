"""ASCII replacements for streams without UTF-8: a true minus becomes a hyphen."""

from __future__ import annotations

import codecs

SIGNS = {
    **dict.fromkeys("−–‐‑‒", "-"),
    "—": "--",
    "±": "+/-",
    "×": "x",
    "÷": "/",
    "·": ".",
    "…": "...",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "≈": "~",
    "→": "->",
    "←": "<-",
    "↔": "<->",
    "↑": "up",
    "↓": "down",
    **dict.fromkeys("‘’", "'"),
    **dict.fromkeys("“”", '"'),
    "\xa0": " ",
    **{sign: f"^{digit}" for digit, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    "√": "sqrt",
    "∞": "inf",
    "Σ": "sum",
    "α": "alpha",
    "β": "beta",
    "ρ": "rho",
    "σ": "sigma",
    "τ": "tau",
    "µ": "u",
    "μ": "mu",
    "♯": "#",
    "♭": "b",
    "\N{REPLACEMENT CHARACTER}": "?",
}
"""The ASCII replacement of each sign that messages and tables use."""

AS_SIGNS = "tunebench-signs"
"""Name of the error handler of streams for people: see `in_encoding`."""
AS_JSON = "tunebench-json"
"""Name of the error handler of streams for programs: what cannot be encoded is escaped as in JSON."""


def in_encoding(text: str, encoding: str) -> str:
    r"""Return text as it appears on a stream limited to the characters of an encoding.

    Other characters are written in ASCII: signs as in `SIGNS`, the rest as JSON escapes, so that different texts
    never look alike.

    >>> in_encoding("−1.8 ± 0.2 ↑, Müller", "ascii")
    '-1.8 +/- 0.2 up, M\\u00fcller'
    >>> in_encoding("−1.8 ± 0.2", "latin-1")
    '-1.8 ± 0.2'
    """
    return text if text.isascii() else text.encode(encoding, AS_SIGNS).decode(encoding)


def _signs(error: UnicodeError) -> tuple[str, int]:
    letters, end = _not_encoded(error)
    return "".join(SIGNS.get(letter) or _escaped(letter) for letter in letters), end


def _escapes(error: UnicodeError) -> tuple[str, int]:
    letters, end = _not_encoded(error)
    return "".join(map(_escaped, letters)), end


def _not_encoded(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return error.object[error.start : error.end], error.end


def _escaped(letter: str) -> str:
    units = letter.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place]:02x}{units[place + 1]:02x}" for place in range(0, len(units), 2))


codecs.register_error(AS_SIGNS, _signs)
codecs.register_error(AS_JSON, _escapes)
