"""Plugin files that a configuration names. What lies in a run folder may come from anywhere, code included."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.config.run_config import MetricConfig
from bench.contracts.plugins import plain_name
from bench.errors import UsageError

ALLOW = "--plugin-files"


def named_plugin_files(value: Any) -> Iterator[str]:
    """Each ``path/to/file.py:Name`` in a nested value of a configuration, without its version."""
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


def of_metric(metric: MetricConfig) -> list[str]:
    """The plugin files that a metric and its parameters, such as an embedder, name."""
    return list(named_plugin_files(metric.model_dump()))


def refuse_plugin_files(place: Path, metrics: Collection[MetricConfig], asked: Collection[str] = ()) -> None:
    """Check that metrics of a configuration in a run folder run no code that lies beside it.

    Args:
        place: the configuration, for the message.
        metrics: of it.
        asked: names that the caller gave; what these name may run.

    Raises:
        UsageError: one names a plugin file.
    """
    known = {plain_name(name) for name in asked}
    for file in (file for metric in metrics for file in of_metric(metric) if file not in known):
        raise UsageError(f"{place} names the plugin file '{file}'; if you trust it, run it with {ALLOW}")
