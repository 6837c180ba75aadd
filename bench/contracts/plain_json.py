"""Convert return values of plugins, which may be anything, to JSON values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bench.errors import DataError
from bench.plain_text import whole_characters

DEEPEST = 50
"""Maximum depth of nested lists and mappings."""

LARGEST = 1_000_000
"""Maximum total of values and characters."""

MOST_BITS = 1024
"""Maximum size of an integer: that of a float."""


def plain_json(value: Any, what: str) -> Any:
    """Return a value as None, bool, int, float, str, list and dict, with NumPy's scalars and arrays as Python's.

    Unpaired surrogates in text are replaced, since databases and files reject them; keys become text.

    Args:
        value: a value of JSON or NumPy, or lists and mappings of such values.
        what: description of the value, for the message.

    Raises:
        DataError: something else, a number that is not finite, or more or deeper than `LARGEST` and `DEEPEST` (such as
            a value that contains itself).
    """
    return _plain(value, what, DEEPEST, [LARGEST])


def _plain(value: Any, what: str, depth: int, left: list[int]) -> Any:
    left[0] -= 1 + (len(value) if isinstance(value, str) else 0)
    if left[0] < 0:
        raise DataError(f"{what} hold more than {LARGEST:,} values and characters")
    if depth < 0:
        raise DataError(f"{what} are nested more than {DEEPEST} deep, or contain themselves")
    if isinstance(value, str):
        return whole_characters(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        if value.bit_length() > MOST_BITS:
            raise DataError(f"{what} hold an integer of {value.bit_length()} bits")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise DataError(f"{what} hold {value}: must be finite")
        return float(value)
    if isinstance(value, Mapping):
        return {
            _plain(str(name), what, depth - 1, left): _plain(item, what, depth - 1, left)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_plain(item, what, depth - 1, left) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist(), what, depth - 1, left)
    raise DataError(f"{what} hold a {type(value).__name__}, which is not a JSON value")
