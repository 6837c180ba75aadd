"""What an identity is made of: names, versions, values and hashes of content, and nothing that can be moved.

An identity is a mapping of JSON values, and its fingerprint names what it identifies. No path, no module and no
sentence is in one. What is not set is left out, so that a field that is added later changes no identity that does not
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
    """Return the fields that are set: not None, and no empty text, list or mapping. 0 and False are values."""
    return {name: value for name, value in values.items() if not _is_unset(value)}


def without_none(value: Any) -> Any:
    """Return a nested JSON value without the fields of mappings that are None."""
    if isinstance(value, Mapping):
        return {name: without_none(item) for name, item in value.items() if item is not None}
    return [without_none(item) for item in value] if isinstance(value, list | tuple) else value


def plugin_identity(plugin: Plugin, version: int) -> dict[str, Any]:
    """What names a plugin: its registered name, distribution and version; of a file its class, version and content.

    ``version`` is what the class declares, which is raised whenever it computes something else.
    """
    if plugin.source:
        return {"class": plugin.target.rpartition(":")[2], "version": version, "source": plugin.source}
    return only_set({"name": plugin.name, "distribution": package_name(plugin.distribution or ""), "version": version})


def identity_of(
    plugin: Plugin, version: int, params: Mapping[str, Any], own: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The identity of a plugin with its parameters and what else it says identifies it, such as a hash of weights.

    Args:
        plugin: where its name leads.
        version: its class's.
        params: all that can change what it computes, defaults filled in.
        own: what its ``fingerprint()`` gives.

    Raises:
        UsageError: ``own`` uses a name that is taken.
    """
    if taken := {"plugin", "params"} & set(own or {}):
        raise UsageError(f"{plugin.kind} '{plugin.name}': its fingerprint() must not use the name '{min(taken)}'")
    given = {name: portable(value) for name, value in params.items() if value is not None}
    return only_set({"plugin": plugin_identity(plugin, version), "params": given, **(own or {})})


def prompt_identity(prompt: Prompt) -> dict[str, Any]:
    """Return all that a model is told of a prompt, as far as it is set; its id is only what a suite calls it."""
    return only_set({f.name: _number(getattr(prompt, f.name)) for f in fields(prompt) if f.name != "id"})


def portable(value: Any) -> Any:
    """Return a parameter with every plugin file in it named by class and content instead of by where it lies."""
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
    """Return the plugin that an identity is of, for a reader: ``composer@1``, or ``MyModel@1`` of a file."""
    named = identity.get("plugin")
    if isinstance(named, Mapping):
        return f"{named.get('name') or named.get('class')}@{named.get('version')}"
    return str(identity.get("class", "unknown")).rpartition(":")[2]  # as runs of layout 2 have it


def _number(value: Any) -> Any:
    """Return 120 and 120.0 are one tempo, whether a file or a database gave it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_unset(value: Any) -> bool:
    return value is None or (isinstance(value, str | Mapping | list | tuple | set | frozenset) and not value)
