"""``--set PATH=VALUE``: replace one setting of a configuration by a typed value.

A path consists of keys and, in lists, positions counted from 0, separated by dots; ``*`` means all of a level. The
value is YAML. All parts but the last must exist, or be settings with a default.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import yaml
from pydantic import BaseModel

from bench.errors import UsageError, suggestion
from bench.schema import tables_in

_EXPONENT = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]{1,3}")


def change(content: Any, text: str, kind: Any = None) -> Any:
    """Return a copy of a configuration with one setting replaced.

    Args:
        content: as read from YAML.
        text: such as ``executor.workers=2``.
        kind: the class of settings, whose defaults may be changed, too; None if there is none.

    Raises:
        UsageError: it has another form, its value is not YAML, or its path does not exist; similar names are suggested.

    >>> change({"seeds": [0], "duration": 8}, "seeds=[1, 2]")
    {'seeds': [1, 2], 'duration': 8}
    """
    path, value = parse_change(text)
    return _with(content, path.split("."), value, path, kind)


def parse_change(text: str) -> tuple[str, Any]:
    """Return the path and the value of ``PATH=VALUE``.

    Raises:
        UsageError: as `change`.
    """
    path, equals, written = text.partition("=")
    path = path.strip()
    if not equals or not all(path.split(".")):
        raise UsageError(f"--set {text}: must be PATH=VALUE, such as seeds=[0, 1] or executor.workers=2")
    return path, parse_value(written, f"--set {path}")


def parse_value(text: str, place: str) -> Any:
    """Parse a value as YAML, and also ``1e-4`` as a number, as only YAML 1.2 does.

    Args:
        text: the value.
        place: where it is given, for the message.

    Raises:
        UsageError: it is not YAML.
    """
    if _EXPONENT.fullmatch(text.strip()):
        return float(text)
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise UsageError(f"{place}: '{text}' is not YAML; quote text with special characters") from None


def values_at(content: Any, path: str) -> dict[str, Any]:
    """Return the values at a path, by paths without ``*``; empty if the path does not exist.

    Args:
        content: as read from YAML.
        path: keys and positions, separated by dots; ``*`` means all of a level.

    >>> values_at({"seeds": [3, 5]}, "seeds.*")
    {'seeds.0': 3, 'seeds.1': 5}
    """
    found = {"": content}
    for word in path.split("."):
        found = {
            f"{place}.{key}".lstrip("."): value
            for place, owner in found.items()
            for key, value in _children(owner)
            if word in ("*", key)
        }
    return found


def _children(owner: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(owner, dict):
        yield from ((str(key), value) for key, value in owner.items())
    elif isinstance(owner, list):
        yield from ((str(place), value) for place, value in enumerate(owner))


def _with(owner: Any, words: Sequence[str], value: Any, path: str, kind: Any) -> Any:
    """Return a copy of ``owner`` with the value at the path; only the containers on the path are copied.

    ``kind`` is the type of ``owner``: the class of a table of settings, or an annotation that contains it.
    """
    if not words:
        return value
    word, *rest = words
    table = next(tables_in(kind), None)
    inside = dict(_children(owner))
    if isinstance(owner, list) and table and "name" in table.model_fields:  # a plain string is short for {name: …}
        inside = {key: {"name": item} if isinstance(item, str) else item for key, item in inside.items()}
    fields = _fields(table) if table and isinstance(owner, dict) else {}
    if word in fields and word not in inside and rest and not fields[word].is_required():
        inside[word] = _plain(fields[word].get_default(call_default_factory=True))
    known = [*fields] or [*inside]
    may_be_new = isinstance(owner, dict) and not rest and (word in fields or not fields)
    if word not in ("*", *inside) and not may_be_new:
        if not known:
            raise UsageError(f"--set {path}: '{word}' cannot be set here, since nothing there has settings")
        raise UsageError(f"--set {path}: no '{word}' there{suggestion(word, known)}; it holds {', '.join(known)}")
    below = {key: fields[key].annotation if key in fields else table for key in [*inside, word]}
    chosen = list(inside) if word == "*" else [word]
    made = {**inside, **{key: _with(inside.get(key), rest, value, path, below[key]) for key in chosen}}
    return list(made.values()) if isinstance(owner, list) else made


def _fields(table: type[BaseModel]) -> dict[str, Any]:
    return {field.alias or name: field for name, field in table.model_fields.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
