"""Canonical JSON and its hash: the names of everything with an identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys, no white space and no NaN: equal values give equal text.

    Raises:
        TypeError, ValueError: a value that JSON cannot represent, a float that is not finite, or text with an unpaired
            surrogate.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    if not text.isascii():
        text.encode()
    return text


def fingerprint(value: Any) -> str:
    """Return SHA-256 of the canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def fingerprint_of_fields(fields: Mapping[str, str]) -> str:
    """Return the fingerprint of a mapping whose values are canonical JSON already.

    Args:
        fields: text of each value by name; names are plain letters, which JSON does not escape.

    >>> fingerprint_of_fields({"b": "[1]", "a": "2"}) == fingerprint({"a": 2, "b": [1]})
    True
    """
    text = ",".join(f'"{name}":{fields[name]}' for name in sorted(fields))
    return hashlib.sha256(f"{{{text}}}".encode()).hexdigest()


def first_difference(old: Any, new: Any, place: str = "") -> tuple[str, str, str]:
    """Return the first place at which two nested mappings differ, as ``a.b``, and both values as JSON."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys([*old, *new]):
            if old.get(name) != new.get(name):
                return first_difference(old.get(name), new.get(name), f"{place}.{name}" if place else name)
    return place, canonical_json(old), canonical_json(new)
