"""``--set PATH=VALUE``: one setting of a configuration replaced by what somebody typed.

A path names keys and, in lists, places counted from 0, with dots between them; ``*`` stands for all of a level. The
value is YAML. All but the last of a path must be there, or be a setting that has a default.
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
        kind: the class of settings that it is read into, whose defaults may be changed too; None where there is none.

    Raises:
        UsageError: it is not of that form, its value is not YAML, or its path leads nowhere; the nearest is named.

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
    """Return a value as YAML has it, and ``1e-4`` as a number too, which only YAML 1.2 reads so.

    Raises:
        UsageError: it is not YAML; ``place`` says where.
    """
    if _EXPONENT.fullmatch(text.strip()):
        return float(text)
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise UsageError(f"{place}: '{text}' is not YAML; put text with special characters in quotes") from None


def values_at(content: Any, path: str) -> dict[str, Any]:
    """Return what a path names, by paths without ``*``; nothing where it leads nowhere.

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
    """Return a copy of ``owner`` in which the value stands at the path; only what lies on the path is copied.

    ``kind`` is the type of ``owner``: the class of a table of settings, or an annotation that holds it.
    """
    if not words:
        return value
    word, *rest = words
    table = next(tables_in(kind), None)
    inside = dict(_children(owner))
    if isinstance(owner, list) and table and "name" in table.model_fields:  # a plain string is short for a name
        inside = {key: {"name": item} if isinstance(item, str) else item for key, item in inside.items()}
    fields = _fields(table) if table and isinstance(owner, dict) else {}
    if word in fields and word not in inside and rest and not fields[word].is_required():
        inside[word] = _plain(fields[word].get_default(call_default_factory=True))
    known = [*fields] or [*inside]
    may_be_new = isinstance(owner, dict) and not rest and (word in fields or not fields)
    if word not in ("*", *inside) and not may_be_new:
        if not known:
            raise UsageError(f"--set {path}: there is nothing below which '{word}' could be")
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
