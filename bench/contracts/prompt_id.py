"""Encode ids from other tables so that they are safe in file names, and decode them."""

from __future__ import annotations

import re

_UNSAFE = re.compile(r"^\.|[^A-Za-z0-9._-]|_(?=x[0-9A-F]{4}(?:[0-9A-F]{4})?_)")
_ESCAPED = re.compile(r"_x([0-9A-F]{8}|[0-9A-F]{4})_")


def safe_id(id: str) -> str:
    """Return an id in letters, digits, ``.``, ``_`` and ``-``; an id of only these characters is unchanged.

    Any other character is ``_xHHHH_``, its code point in 4 or 8 hexadecimal digits, as in the names that Microsoft's
    ``XmlConvert.EncodeName`` writes. So is a dot at the beginning, and a ``_`` that begins what looks like such a code:
    the encoding is unambiguous.

    >>> safe_id("-0Gj8-vB1q4"), safe_id("pop/7"), safe_id("caf\\u00e9"), safe_id("_x002F_")
    ('-0Gj8-vB1q4', 'pop_x002F_7', 'caf_x00E9_', '_x005F_x002F_')
    """
    return _UNSAFE.sub(lambda found: _code(found[0]), id)


def original_id(id: str) -> str:
    """Return the original of an id encoded by `safe_id`.

    >>> original_id("pop_x002F_7"), original_id("jazz-5")
    ('pop/7', 'jazz-5')
    """
    return _ESCAPED.sub(lambda found: _character(found[1], found[0]), id)


def _code(character: str) -> str:
    point = ord(character)
    return f"_x{point:04X}_" if point < 0x10000 else f"_x{point:08X}_"


def _character(digits: str, otherwise: str) -> str:
    point = int(digits, 16)
    return chr(point) if point < 0x110000 else otherwise
