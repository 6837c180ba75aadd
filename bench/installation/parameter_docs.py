"""Descriptions of plugin parameters: types in words, and docstrings."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

_WORDS: Mapping[Any, str] = {
    str: "text",
    Path: "path",
    bool: "true or false",
    int: "whole number",
    float: "number",
    type(None): "null",
    Any: "anything",
}
_SECTION = re.compile(r"^(?:Args|Attributes|Parameters):\s*$", re.MULTILINE)
_ENTRY = re.compile(r"^(\w+(?:, \w+)*)(?: \([^)]*\))?: (.*)$")


def types_of(factory: Any) -> dict[str, str]:
    """Return the types of the parameters of a class, by name, as in a configuration: ``number | null``.

    Parameters without a type are omitted; types only for type checkers are left as written.
    """
    hints: dict[str, Any] = {}
    for owner in (factory, getattr(factory, "__init__", None)):
        try:
            hints |= typing.get_type_hints(owner)
        except Exception:  # a name that is imported for type checkers only, or whatever a plugin's annotation does
            continue
    written = {name: given.annotation for name, given in inspect.signature(factory).parameters.items()}
    return {
        name: _type_text(hints.get(name, annotation))
        for name, annotation in written.items()
        if annotation is not inspect.Parameter.empty
    }


def docs_of(factory: Any) -> dict[str, str]:
    """Return the ``Args:`` entries of a class, its constructor and its bases, by parameter."""
    found: dict[str, str] = {}
    for owner in reversed(getattr(factory, "__mro__", (factory,))):
        for documented in (owner, vars(owner).get("__init__")):
            found |= _arguments(inspect.cleandoc(getattr(documented, "__doc__", None) or ""))
    return found


def _arguments(text: str) -> dict[str, str]:
    """Return the entries of the section of arguments in a docstring, in Google style."""
    section = _SECTION.search(text)
    if not section:
        return {}
    found: dict[str, list[str]] = {}
    current: tuple[str, ...] = ()
    depth: int | None = None
    for line in text[section.end() :].splitlines():
        indent = len(line) - len(line.lstrip())
        if line.strip() and not indent:
            break
        entry = _ENTRY.match(line.strip()) if depth in (None, indent) else None
        if entry:
            depth, current = indent, tuple(entry[1].split(", "))
            found |= {name: [entry[2]] for name in current}
        else:
            for name in current:
                found[name].append(line.strip())
    return {
        name: " ".join(" ".join(lines).split()).replace("`", "").replace("None", "null")
        for name, lines in found.items()
    }


def _type_text(hint: Any) -> str:
    """Return a type in YAML terms."""
    if isinstance(hint, str):
        return hint
    if hint in _WORDS:
        return _WORDS[hint]
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return " | ".join(map(str, inside))
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(_type_text, inside))
    if origin is typing.Annotated:
        return _type_text(inside[0])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "mapping"
    if isinstance(origin, type) and issubclass(origin, Collection):
        items = [_type_text(item) for item in inside if item is not Ellipsis]
        one = items[0] if len(set(items)) == 1 else ""
        return f"list of {f'({one})' if '|' in one else one}" if one else "list"
    return getattr(hint, "__name__", str(hint))
