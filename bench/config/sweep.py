"""Sweeps: one entry of a configuration that makes a row for each value of a parameter."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

Value = bool | int | float | str | None

_UNSAFE = re.compile(r"[^A-Za-z0-9._=@+-]+")


def combinations(sweep: Mapping[str, Sequence[Value]]) -> list[dict[str, Value]]:
    """Return all combinations of values, the last parameter varying fastest; one empty one without parameters."""
    return [dict(zip(sweep, values, strict=True)) for values in product(*sweep.values())]


def suffix(values: Mapping[str, Value]) -> str:
    """Return the label suffix of a row of a sweep, in characters that are safe in folder names.

    >>> suffix({"adapter_scale": 0.25, "adapter": "adapters/jazz"})
    '[adapter_scale=0.25,adapter=adapters-jazz]'
    """
    return f"[{','.join(f'{name}={_text(value)}' for name, value in values.items())}]" if values else ""


def problem(values: Any) -> str | None:
    """Return why something cannot be the values of a swept parameter, or None."""
    if not isinstance(values, list | tuple) or not values:
        return "must be a list of values, such as [0, 0.5, 1]"
    for value in values:
        if not isinstance(value, Value) or (isinstance(value, float) and not math.isfinite(value)):
            return f"{value!r} must be a finite number, text, true, false or null"
    for text, times in Counter(map(_text, values)).items():
        if times > 1:
            return f"two of its values would have the label '{text}'"
    return None


def _text(value: Value) -> str:
    """Return a value in a label; integers are written without a decimal point."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return _UNSAFE.sub("-", str(value)).strip("-") or "-" if isinstance(value, str) else str(value)
