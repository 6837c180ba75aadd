"""``config.yaml`` of a run folder: the configuration of all its rows and scores, over several commands.

A run may be extended by another configuration, so the kept one is what they come to together. The database is what
counts; the file is for readers, for scoring the run again, and for making the run anew from it. Paths in it mean what
they meant to the commands: they are relative to the folder that a command is started in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path

from bench.config.run_config import MetricConfig, ModelConfig, RunConfig, load_config
from bench.config.value_types import AUTO, Seeds
from bench.errors import DataError, TunebenchError
from bench.planning.plan import Plan
from bench.schema import put_schema_beside
from bench.storage.read_metrics import shown_metrics
from bench.storage.store import Store

FILE = "config.yaml"


def load_frozen(folder: Path) -> RunConfig:
    """Return the stored configuration of a run.

    Raises:
        UsageError: it is missing, or from another version.
        DataError: it is damaged; one that is empty would be taken for the default run.
    """
    config = load_config(folder / FILE)
    if not config.model_fields_set:
        raise DataError(f"{folder / FILE} is empty; restore it, or repeat the command that made the run")
    return config


def read_frozen(folder: Path) -> RunConfig | None:
    """Return the stored configuration of a run; None if missing or damaged."""
    try:
        return load_frozen(folder)
    except TunebenchError:
        return None


def freeze(store: Store, config: RunConfig) -> list[str]:
    """Store the configuration of a run's plan, merged with the one stored before.

    Of what was kept before stays what the run still shows: its models, and the metrics in its tables.

    Args:
        store: of the run, open for writing.
        config: as `with_seeds` returns it.

    Returns:
        The models of the run that no kept configuration tells of, as it was lost.

    Raises:
        UsageError: the file cannot be written.
    """
    models = store.labels()
    before = read_frozen(store.folder)
    if before is not None:
        shown = {metric.plugin for metric in shown_metrics(store)}
        config = _together(before, config, models, shown)
    _write(store, config)
    return sorted(set(models) - {model.row for model in config.models})


def freeze_scoring(store: Store, config: RunConfig) -> None:
    """Store the scoring configuration: metrics, reference, pairs, the part of the clips, and how leaks are treated.

    Where no configuration is kept nothing is, since how the clips were made is not known.

    Args:
        store: of the run, open for writing.
        config: by which the run was scored.

    Raises:
        UsageError: the file cannot be written.
    """
    before = read_frozen(store.folder)
    if before is None:
        return
    shown = {metric.plugin for metric in shown_metrics(store)}
    scoring = {name: getattr(config, name) for name in ("reference", "common", "shared_recordings")}
    metrics = _metrics_together([m for m in before.metrics if m.base in shown], config.metrics)
    _write(store, before.model_copy(update={**scoring, "metrics": metrics, "pairs": config.pairs or before.pairs}))


def _write(store: Store, config: RunConfig) -> None:
    store.freeze(config.as_yaml())
    put_schema_beside("run", store.folder)


def with_seeds(config: RunConfig, plan: Plan) -> RunConfig:
    """Return the configuration with the seeds that its rows have.

    ``auto`` stays for rows of existing clips; of other rows that have it the seed is 0.

    Args:
        config: as it was asked for.
        plan: made of it.
    """
    listed = {model.label for model in plan.models if model.listed}
    rows = []
    for model in config.models:
        seeds = config.seeds_of(model)
        rows.append(_with(model, AUTO if model.row in listed else (0,) if isinstance(seeds, str) else seeds))
    return _spread(config, rows)


def _together(before: RunConfig, now: RunConfig, models: Sequence[str], shown: Collection[str]) -> RunConfig:
    rows = {model.row: _with(model, before.seeds_of(model)) for model in before.models if model.row in models}
    for model in now.models:
        seeds = now.seeds_of(model)
        if held := rows.get(model.row):
            seeds = _seeds_together(held.seeds or seeds, seeds)
        rows[model.row] = _with(model, seeds)
    metrics = _metrics_together([metric for metric in before.metrics if metric.base in shown], now.metrics)
    limit = max(before.limit, now.limit) if before.limit and now.limit else None
    # A metric that is kept is still to find the recordings that it compares with.
    kept = {"metrics": metrics, "limit": limit, "pairs": now.pairs or before.pairs}
    return _spread(now.model_copy(update=kept), list(rows.values()))


def _seeds_together(one: Seeds, other: Seeds) -> Seeds:
    """Return all seeds; ``auto`` if one is, since a list would apply to every prompt."""
    if isinstance(one, str) or isinstance(other, str):
        return "auto"
    return tuple(dict.fromkeys([*one, *other]))


def _metrics_together(before: Sequence[MetricConfig], now: Sequence[MetricConfig]) -> tuple[MetricConfig, ...]:
    """Return the metrics of both; those with the same name as now configured, in their first position."""
    asked: dict[str, list[MetricConfig]] = {}
    for metric in now:
        asked.setdefault(metric.base, []).append(metric)
    found: list[MetricConfig] = []
    for metric in before:
        found += asked.pop(metric.base, []) if metric.base in {m.base for m in now} else [metric]
    return (*found, *(metric for group in asked.values() for metric in group))


def _with(model: ModelConfig, seeds: Seeds) -> ModelConfig:
    return model.model_copy(update={"seeds": seeds})


def _spread(config: RunConfig, rows: Sequence[ModelConfig]) -> RunConfig:
    """Return the rows in the configuration, with the seeds that most of them have as those of the run."""
    ((usual, _),) = Counter(row.seeds for row in rows).most_common(1)
    models = tuple(row.model_copy(update={"seeds": None}) if row.seeds == usual else row for row in rows)
    return config.model_copy(update={"seeds": usual, "models": models})
