"""Identities: made of names, versions, values and content hashes, independent of paths.

An identity is a mapping of JSON values, and its fingerprint is used as the name. It contains no path, module or
sentence. Unset fields are omitted, so that a field added later does not change identities that do not
use it.
``docs/design/identity.md`` says why.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contracts.entry_points import package_name
from bench.errors import UsageError
from bench.file_hash import hash_file

if TYPE_CHECKING:
    from bench.contracts.entry_points import Plugin
    from bench.contracts.prompt import Prompt


def only_set(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that are set: neither None nor an empty text, list or mapping. 0 and False are values."""
    return {name: value for name, value in values.items() if not _is_unset(value)}


def without_none(value: Any) -> Any:
    """Return a nested JSON value without the fields of mappings that are None."""
    if isinstance(value, Mapping):
        return {name: without_none(item) for name, item in value.items() if item is not None}
    return [without_none(item) for item in value] if isinstance(value, list | tuple) else value


def plugin_identity(plugin: Plugin, version: int) -> dict[str, Any]:
    """Return a plugin's identity: registered name, distribution and version; for a file class, version and content.

    ``version`` is declared by the class, and raised whenever its results change.
    """
    if plugin.source:
        return {"class": plugin.target.rpartition(":")[2], "version": version, "source": plugin.source}
    return only_set({"name": plugin.name, "distribution": package_name(plugin.distribution or ""), "version": version})


def identity_of(
    plugin: Plugin, version: int, params: Mapping[str, Any], own: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the identity of a plugin with its parameters and its own fingerprint, such as a hash of weights.

    Args:
        plugin: the plugin.
        version: version of its class.
        params: all parameters that can change results, defaults filled in.
        own: result of its ``fingerprint()``.

    Raises:
        UsageError: ``own`` uses a reserved name.
    """
    if taken := {"plugin", "params"} & set(own or {}):
        raise UsageError(f"{plugin.kind} '{plugin.name}': its fingerprint() must not use the name '{min(taken)}'")
    given = {name: portable(value) for name, value in params.items() if value is not None}
    return only_set({"plugin": plugin_identity(plugin, version), "params": given, **(own or {})})


def prompt_identity(prompt: Prompt) -> dict[str, Any]:
    """Return everything that a model receives of a prompt, if set; not its id."""
    return only_set({f.name: _number(getattr(prompt, f.name)) for f in fields(prompt) if f.name != "id"})


def portable(value: Any) -> Any:
    """Return a parameter with every plugin file in it named by class and content instead of its path."""
    if isinstance(value, Mapping):
        return {name: portable(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [portable(item) for item in value]
    if isinstance(value, str) and ".py:" in value:
        path, _, attribute = re.sub(r"@[0-9]+$", "", value).rpartition(":")
        file = Path(path).expanduser()
        if file.is_file():
            return {"class": attribute, "source": hash_file(file)}
    return value


def plugin_label(identity: Mapping[str, Any]) -> str:
    """Return the name of an identity's plugin: ``composer@1``, or ``MyModel@1`` for a file."""
    named = identity.get("plugin")
    if isinstance(named, Mapping):
        return f"{named.get('name') or named.get('class')}@{named.get('version')}"
    return str(identity.get("class", "unknown")).rpartition(":")[2]  # as in runs of layout 2


def _number(value: Any) -> Any:
    """Return a number in one form, so that 120 and 120.0 are the same tempo."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_unset(value: Any) -> bool:
    return value is None or (isinstance(value, str | Mapping | list | tuple | set | frozenset) and not value)
