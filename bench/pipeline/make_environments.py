"""Make the environments that programs in a configuration need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.config.run_config import RunConfig
from bench.environment_installer import Installer, make_environment
from bench.environment_spec import SETTINGS, EnvironmentSpec, parse_environment
from bench.errors import UsageError
from bench.kept_environment import KeptEnvironment, kept_environment
from bench.pipeline.run import ConfigOption, as_config
from bench.progress import ProgressOption, shown


def make_environments(
    config: ConfigOption, installer: Installer | None = None, progress: ProgressOption = None
) -> list[KeptEnvironment]:
    """Make the environments that the models, metrics and embedders of a configuration name and that do not exist yet.

    Args:
        config: a configuration, a mapping as in one, or a YAML file.
        installer: ``uv`` or ``pip``; by default uv if it is on the PATH.
        progress: receives messages about slow steps; True shows them on stderr.

    Returns:
        Each once, in the order of the configuration, including existing ones.

    Raises:
        UsageError: the configuration is invalid, or names no environment.
        MissingError: an environment cannot be made; the message has the error of pip or uv.
    """
    specs = {spec.key: spec for spec in environments_of(as_config(config))}
    if not specs:
        raise UsageError("the configuration names no environment, such as environment: {requirements: [muq==0.1.0]}")
    with shown(progress) as progress:
        return [kept_environment(spec) or make_environment(spec, installer, progress.note) for spec in specs.values()]


def environments_of(settings: RunConfig) -> Iterator[EnvironmentSpec]:
    """Yield the environments of models, metrics and embedders of a configuration, in its order.

    Raises:
        UsageError, MissingError: as `parse_environment`.
    """
    rows = tuple(row for entry in settings.models for row in entry.rows)
    for kind, entries in (("model", rows), ("metric", settings.metrics)):
        for entry in entries:
            yield from _found(f"{kind} '{entry.label or entry.name}'", entry.params)


def _found(kind: str, params: Mapping[str, Any]) -> Iterator[EnvironmentSpec]:
    given = params.get("environment")
    if isinstance(given, Mapping) and any(setting in given for setting in SETTINGS):
        yield parse_environment(kind, given, Path(str(params.get("cwd") or ".")).expanduser())
    for name, value in params.items():
        if isinstance(value, Mapping) and name != "environment":
            yield from _found(kind, value)
