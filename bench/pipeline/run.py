"""Execute a run: generate missing clips, and compute missing scores."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from bench.comparison.store_tests import store_set_tests
from bench.config.run_config import RunConfig, load_config, parse_config
from bench.errors import MissingError, UsageError
from bench.execution.executors.choose import make_executor
from bench.execution.executors.crash_report import CRASHES
from bench.execution.generate import generate
from bench.execution.score import Scoring
from bench.hashing import canonical_json
from bench.number_format import counted
from bench.paths import StrPath
from bench.pipeline.rates import keep_rates
from bench.pipeline.read_run import Run
from bench.pipeline.scoring_config import scoring_config
from bench.planning.metric_plan import plan_metrics
from bench.planning.plan import Plan, PlannedClip, make_plan
from bench.planning.shards import Shard, share_out, take_shard
from bench.progress import Progress, ProgressOption, shown
from bench.references.assign import Music, check_music
from bench.storage.clip_sets import view_of
from bench.storage.frozen_config import freeze, freeze_scoring, with_seeds
from bench.storage.store import Store
from bench.storage.validate import check_run

ConfigOption: TypeAlias = RunConfig | Mapping[str, Any] | StrPath | None
"""A configuration of a run: an object, a mapping, a YAML file, or None for the default run."""


def as_config(config: ConfigOption) -> RunConfig:
    """Return a configuration from None (the default run), a mapping, or a file.

    Raises:
        UsageError, DataError: as `load_config`.
    """
    if config is None:
        return RunConfig()
    if isinstance(config, RunConfig):
        return config
    return parse_config(dict(config)) if isinstance(config, Mapping) else load_config(Path(config))


def default_folder(config: ConfigOption) -> Path:
    """Return the default run folder: ``results/`` and the name of the configuration's file, or of the suite."""
    if isinstance(config, str | os.PathLike):
        return Path("results") / Path(config).stem
    return Path("results") / Path(as_config(config).suite_name.removesuffix(".gz")).stem


def run(
    config: ConfigOption = None,
    out: StrPath | None = None,
    progress: ProgressOption = None,
    shard: Shard | None = None,
) -> Run:
    """Make and score all clips of a configuration that the folder does not have yet.

    Clips and scores that fail are recorded (`Run.failures`), and retried by the next call. With ``shard`` it is
    only that part, in a separate folder below ``out``, which is returned.

    Args:
        config: a configuration, a mapping, a YAML file, or None for the composer and its controls.
        out: the run folder; by default ``results/`` and the name of the configuration's file or the suite.
        progress: True shows it on stderr: a bar on a terminal, lines in a notebook or a log.
        shard: the part to make; `bench.pipeline.merge_shards.merge` joins them.

    Raises:
        UsageError: the configuration is invalid, or the folder has other content or is in use.
        MissingError: a model needs a missing package or file; clips of other models are made first.
        KeyboardInterrupt: interrupted; finished work is stored.
    """
    settings = as_config(config)
    folder = Path(out) if out is not None else default_folder(config)
    plan, about, whole = planned_run(settings, shard)
    if shard:
        folder /= shard.folder
    music = Music(settings.reference, settings.pairs)
    without = "" if shard else check_music(music, plan.metrics, plan.suite.prompts)
    with shown(progress) as progress, Store.open(folder) as store:
        if without:
            progress.note(without)
        if (asked := len(plan.suite.prompts)) < plan.suite_size:
            progress.note(f"only the first {asked} of {plan.suite_size} prompts of {plan.suite.ref} are used")
        replaced = store.adopt(plan, about, whole)
        if replaced:
            progress.note(f"{counted(replaced, 'clip')} replaced because their sources have changed")
        if unknown := freeze(store, with_seeds(settings, plan)):
            progress.note(
                f"{folder}/config.yaml was lost, so it is unknown how {', '.join(unknown)} were made; repeat the "
                "command that made them to restore it"
            )
        _tidy(store, progress)
        with make_executor(settings.executor, folder / CRASHES) as executor:
            missing = generate(store, plan, executor, progress, settings.executor)
            only, sets = {clip.id for clip in plan.clips}, shard is None
            view, retries = view_of(store, settings.common), settings.executor.retries
            scoring = Scoring(store, view, executor, progress, retries=retries)
            missing += scoring.score(plan.metrics, music, only, sets, settings.shared_recordings)
        if sets:
            store_set_tests(store, progress, plugin_files=True)
        keep_rates(store, plan)
        forget_crashes(store)
    if missing:
        raise MissingError("; ".join(dict.fromkeys(missing)))
    return Run(folder)


def rescore(
    folder: StrPath,
    config: ConfigOption = None,
    progress: ProgressOption = None,
    force: bool = False,
    plugin_files: bool = False,
    metrics: Sequence[str] = (),
) -> Run:
    """Score all clips of an existing run, without generating any.

    Args:
        folder: the run folder.
        config: as for `run`; its metrics, reference and workers are used; by default the run's own.
        progress: receives the progress.
        force: recompute existing scores.
        plugin_files: whether plugin files in the run's own configuration may run.
        metrics: names of metrics to use instead of the configuration's, with its parameters for them; not with
            ``config``.

    Raises:
        UsageError: there is no run in the folder, or it is in use; or its configuration is lost, or names plugin files
            that may not be run; or both ``config`` and ``metrics`` are given.
        MissingError: a metric needs a missing package or file; the others are computed first.
    """
    folder = Path(folder)
    check_run(folder)
    if config is not None and metrics:
        raise UsageError("rescore takes the metrics of a configuration, or names of metrics, not both")
    settings = scoring_config(folder, metrics, plugin_files=plugin_files) if config is None else as_config(config)
    planned = plan_metrics(settings.metrics)
    with shown(progress) as progress, Store.open(folder) as store:
        _tidy(store, progress)
        with make_executor(settings.executor, folder / CRASHES) as executor:
            view, retries = view_of(store, settings.common), settings.executor.retries
            scoring = Scoring(store, view, executor, progress, force, retries)
            music = Music(settings.reference, settings.pairs)
            missing = scoring.score(planned, music, shared=settings.shared_recordings)
        freeze_scoring(store, settings)
        store_set_tests(store, progress, plugin_files)
        forget_crashes(store)
    if missing:
        raise MissingError("; ".join(missing))
    return Run(folder)


def _tidy(store: Store, progress: Progress) -> None:
    settled = store.tidy()
    if settled.adopted:
        progress.note(f"{counted(len(settled.adopted), 'clip')} without rows restored from their files")
    if settled.told:
        progress.note(settled.told)


def planned_run(
    settings: RunConfig, shard: Shard | None = None
) -> tuple[Plan, dict[str, str], Sequence[tuple[PlannedClip, int]]]:
    """Return the arguments of `bench.storage.store.Store.adopt`: a plan, facts, and for a shard the whole plan.

    Args:
        settings: the configuration of the run.
        shard: the part that is planned; None for all of it.

    Raises:
        UsageError, DataError: as `bench.planning.plan.make_plan`.
    """
    plan = make_plan(settings)
    about = about_plan(plan)
    if shard is None:
        return plan, about, ()
    whole, plan = tuple(share_out(plan, shard.count)), take_shard(plan, shard)
    # So that shards of different configurations are detected, with their differences.
    left_out = {"executor"} if settings.limit else {"executor", "limit"}  # older shards have no limit
    about["config"] = canonical_json(settings.model_dump(mode="json", by_alias=True, exclude=left_out))
    about["listed"] = canonical_json([model.label for model in plan.models if model.listed])
    return plan, about, whole


def forget_crashes(store: Store) -> None:
    """Remove stacks of crashes that no failure refers to."""
    if not store.failures():
        shutil.rmtree(store.folder / CRASHES, ignore_errors=True)


def about_plan(plan: Plan) -> dict[str, str]:
    """Return the facts that a run stores about a plan: suite, duration in seconds, version of tunebench."""
    from importlib.metadata import version

    return {
        "suite": plan.suite.ref,
        "suite_size": str(plan.suite_size),
        **({"suite_file": plan.suite.file_hash} if plan.suite.file_hash else {}),
        "duration": canonical_json(float(plan.duration)),
        "tunebench": version("tunebench"),
    }
