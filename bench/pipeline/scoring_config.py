"""Configuration for rescoring a run: its own, or some of its metrics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.config.overrides import LABEL, Overrides, parse_named, refuse_other_clips_than
from bench.config.plugin_files import refuse_plugin_files, refuse_programs
from bench.config.run_config import MetricConfig, RunConfig, parse_config
from bench.contracts.plugins import plain_name
from bench.errors import UsageError
from bench.planning.metric_plan import metrics_named
from bench.storage.frozen_config import FILE, load_frozen


def scoring_config(
    folder: Path, metrics: Sequence[str] = (), changes: Sequence[str] = (), plugin_files: bool = False
) -> RunConfig:
    """Return the run's configuration with changes; with ``metrics`` only those, with its parameters for them.

    Args:
        folder: the run's.
        metrics: names, or ``name,param=value``; empty for all in the configuration.
        changes: settings to replace, as ``path=value``.
        plugin_files: whether plugin files that it names may run; those in ``metrics`` may.

    Raises:
        UsageError: the configuration is lost, and no metric is named; or it names plugin files, or a change would need
            other clips.
        DataError: it is damaged.
    """
    frozen = folder / FILE
    if not frozen.exists() and not metrics:
        raise UsageError(f"{frozen} is lost, so the metrics are unknown; give them with --metric")
    settings = load_frozen(folder) if frozen.exists() else RunConfig()
    configured = settings.metrics if frozen.exists() else ()
    named = [parse_named(metric, "--metric") for metric in metrics]
    names = [str(params.get(LABEL, name)) for name, params in named]
    if not plugin_files:
        plain = {plain_name(name) for name in names}
        # Plan all metrics to find the column of 'kad[embedder=vggish]@1'.
        every = not plain or any("[" in name for name in plain)
        asked = [metric for metric in configured if every or {plain_name(metric.name), metric.base} & plain]
        refuse_plugin_files(frozen, asked, names)
        refuse_programs(frozen, asked)
    if not metrics and not changes:
        return settings
    chosen = [
        metric.model_dump(mode="json", by_alias=True) | {"params": {**metric.params, **params}}
        for name, params in named
        for metric in _configured(name, params.pop(LABEL, None), configured)
    ]
    content = Overrides(changes).applied(settings.model_dump(mode="json", by_alias=True))
    changed = parse_config(
        {**content, **({"metrics": chosen} if chosen else {})}, f"{frozen} and the command's options"
    )
    refuse_other_clips_than(settings, changed)
    return changed


def _configured(name: str, label: str | None, configured: Sequence[MetricConfig]) -> list[MetricConfig]:
    """Return the metrics of an option; with a label, the column of that name or a new one."""
    if label is None:
        return metrics_named([name], configured)
    held = [metric for metric in configured if metric.label == label]
    return held or [MetricConfig.model_validate({"name": name, LABEL: label})]
