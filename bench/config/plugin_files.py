"""Plugin files that a configuration names. What lies in a run folder may come from anywhere, code included."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bench.contracts.plugins import plain_name
from bench.errors import UsageError

ALLOW = "--plugin-files"


def named_plugin_files(value: Any) -> Iterator[str]:
    """Each ``path/to/file.py:Name`` in a nested value or a part of a configuration, without its version."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, Mapping):
        for item in value.values():
            yield from named_plugin_files(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from named_plugin_files(item)
    elif isinstance(value, str):
        path, _, name = plain_name(value).rpartition(":")
        if path.endswith(".py") and name:
            yield plain_name(value)


def refuse_plugin_files(place: Path, value: Any, asked: Collection[str] = ()) -> None:
    """Check that what is used of a configuration in a run folder runs no code that lies beside it.

    Args:
        place: the configuration, for the message.
        value: the part of it that is used.
        asked: names that the caller gave; what these name may run.

    Raises:
        UsageError: it names a plugin file.
    """
    known = {plain_name(name) for name in asked}
    if file := next((file for file in named_plugin_files(value) if file not in known), None):
        raise UsageError(f"{place} names the plugin file '{file}'; if you trust it, run it with {ALLOW}")
