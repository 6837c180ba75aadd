"""Doing what is missing: generate the clips that do not exist, score those that have no score."""

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
"""What a run is told to do: a configuration, a mapping as in one, a YAML file, or nothing for the default run."""


def as_config(config: ConfigOption) -> RunConfig:
    """Return a configuration from what a caller has: nothing (the default run), a mapping, or a file.

    Raises:
        UsageError, DataError: as `load_config`.
    """
    if config is None:
        return RunConfig()
    if isinstance(config, RunConfig):
        return config
    return parse_config(dict(config)) if isinstance(config, Mapping) else load_config(Path(config))


def default_folder(config: ConfigOption) -> Path:
    """Where a run goes unless told otherwise: ``results/`` and the configuration's file name, or the suite's name."""
    if isinstance(config, str | os.PathLike):
        return Path("results") / Path(config).stem
    return Path("results") / Path(as_config(config).suite_name.removesuffix(".gz")).stem


def run(
    config: ConfigOption = None,
    out: StrPath | None = None,
    progress: ProgressOption = None,
    shard: Shard | None = None,
) -> Run:
    """Make and score every clip that a configuration asks for and that the folder does not hold yet.

    Clips and scores that fail are recorded (`Run.failures`), and tried again by the next call. With ``shard`` it is
    that part of them, in a folder of its own below ``out``, which is the one returned.

    Args:
        config: a configuration, a mapping as in one, a YAML file, or None for the composer and its controls.
        out: the run folder; by default ``results/`` and the name of the configuration's file, or of the suite.
        progress: True shows on stderr how far it is: a bar on a terminal, lines in a notebook or a log.
        shard: the part to make; `bench.pipeline.merge_shards.merge` joins them.

    Raises:
        UsageError: the configuration cannot be used, or the folder holds something else or is in use.
        MissingError: a model needs what is not installed; the other models' clips are made first.
        KeyboardInterrupt: interrupted; all that was finished is stored.
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
            progress.note(f"only the first {asked} of {plan.suite_size} prompts of {plan.suite.ref} are asked for")
        replaced = store.adopt(plan, about, whole)
        if replaced:
            progress.note(f"{counted(replaced, 'clip')} replaced because what they are made from has changed")
        if unknown := freeze(store, with_seeds(settings, plan)):
            progress.note(
                f"{folder}/config.yaml was lost, and does not say how {', '.join(unknown)} were made; the command that "
                "made them adds it again"
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
    """Score all clips of an existing run, without generating anything.

    Args:
        folder: the run's.
        config: as for `run`, with whose metrics, reference and workers; by default the run's own.
        progress: shows how far it is.
        force: compute again what has a score.
        plugin_files: whether plugin files that the run's own configuration names may be run.
        metrics: names of metrics that take the place of the configuration's, with the parameters that it has for them.

    Raises:
        UsageError: there is no run in the folder, or it is in use; or its configuration is lost, or names plugin files
            that may not be run.
        MissingError: a metric needs what is not installed; the others are computed first.
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
        progress.note(f"{counted(len(settled.adopted), 'clip')} whose rows were lost taken over from their files")
    if settled.told:
        progress.note(settled.told)


def planned_run(
    settings: RunConfig, shard: Shard | None = None
) -> tuple[Plan, dict[str, str], Sequence[tuple[PlannedClip, int]]]:
    """Return what `bench.storage.store.Store.adopt` takes: a plan, facts about it, and of a shard the whole plan.

    Raises:
        UsageError, DataError: as `bench.planning.plan.make_plan`.
    """
    plan = make_plan(settings)
    about = about_plan(plan)
    if shard is None:
        return plan, about, ()
    whole, plan = tuple(share_out(plan, shard.count)), take_shard(plan, shard)
    # So that shards of different configurations can be told apart, with what differs.
    left_out = {"executor"} if settings.limit else {"executor", "limit"}  # shards of before know no limit
    about["config"] = canonical_json(settings.model_dump(mode="json", by_alias=True, exclude=left_out))
    about["listed"] = canonical_json([model.label for model in plan.models if model.listed])
    return plan, about, whole


def forget_crashes(store: Store) -> None:
    """Remove the stacks of crashes that nothing failed of in the end."""
    if not store.failures():
        shutil.rmtree(store.folder / CRASHES, ignore_errors=True)


def about_plan(plan: Plan) -> dict[str, str]:
    from importlib.metadata import version

    return {
        "suite": plan.suite.ref,
        "suite_size": str(plan.suite_size),
        **({"suite_file": plan.suite.file_hash} if plan.suite.file_hash else {}),
        "duration": canonical_json(float(plan.duration)),
        "tunebench": version("tunebench"),
    }
