"""Code that a configuration can run: plugin files, and programs of metrics.

A run folder may come from an untrusted source, including its code.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from bench.contracts.plugins import plain_name
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.config.run_config import MetricConfig

ALLOW = "--plugin-files"


def named_plugin_files(value: Any) -> Iterator[str]:
    """Yield each ``path/to/file.py:Name`` in a nested value or a part of a configuration, without its version."""
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


def named_programs(value: Any) -> Iterator[str]:
    """Yield each program that metrics of a configuration start: the first word of every parameter ``command``."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, Mapping):
        if isinstance(command := value.get("command"), list) and command:
            yield str(command[0])
        for item in value.values():
            yield from named_programs(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from named_programs(item)


def refuse_programs(place: Path, metrics: Iterable[MetricConfig]) -> None:
    """Check that no metric of a run folder's configuration starts a program.

    Of a metric that the caller named, too: unlike a plugin file's, its name does not say what it runs.

    Args:
        place: the configuration, for the message.
        metrics: those that would be used.

    Raises:
        UsageError: one does.
    """
    for metric in metrics:
        if program := next(named_programs(metric), None):
            raise UsageError(
                f"{place}: metric '{metric.base}' runs the program '{program}'; if you trust it, run it with {ALLOW}"
            )


def refuse_plugin_files(place: Path, value: Any, asked: Collection[str] = ()) -> None:
    """Check that the used part of a run folder's configuration runs no code from that folder.

    Args:
        place: the configuration, for the message.
        value: the used part of it.
        asked: names given by the caller, whose code may run.

    Raises:
        UsageError: it names a plugin file.
    """
    known = {plain_name(name) for name in asked}
    if file := next((file for file in named_plugin_files(value) if file not in known), None):
        raise UsageError(f"{place} names the plugin file '{file}'; if you trust it, run it with {ALLOW}")
