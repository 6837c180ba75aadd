"""Doing what is missing: generate the clips that do not exist, score those that have no score."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.comparison.store_tests import store_set_tests
from bench.config.run_config import RunConfig, load_config, parse_config
from bench.contracts.plugins import plain_name
from bench.errors import MissingError
from bench.execution.executors.choose import make_executor
from bench.execution.executors.crash_report import CRASHES
from bench.execution.generate import generate
from bench.execution.score import Scoring
from bench.hashing import canonical_json
from bench.number_format import counted
from bench.pipeline.rates import keep_rates
from bench.planning.metric_plan import plan_metrics
from bench.planning.plan import Plan, PlannedClip, make_plan
from bench.planning.shards import Shard, share_out, take_shard
from bench.progress import Progress, Silent
from bench.references.find import check_reference
from bench.storage.clip_sets import view_of
from bench.storage.failures import Failure
from bench.storage.frozen_config import freeze, freeze_scoring, with_seeds
from bench.storage.store import Store
from bench.storage.validate import check_run

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Run:
    """A run folder to read from."""

    folder: Path

    def leaderboard(self, by: str | None = None) -> pd.DataFrame:
        """The leaderboard as a table; see `bench.leaderboard.render.leaderboard`.

        Raises:
            UsageError: there is no run in the folder.
        """
        from bench.leaderboard.render import leaderboard

        return leaderboard(self.folder, by)

    def compare(self, a: str, b: str, by: str | None = None) -> pd.DataFrame:
        """B − A on every metric, a row each; see `bench.comparison.compare.compare`.

        Raises:
            UsageError: as there.
        """
        import pandas as pd

        from bench.comparison.compare import ComparisonOptions, compare
        from bench.comparison.tables import flat

        found = compare(self.folder, a, b, options=ComparisonOptions(by))
        return pd.DataFrame([flat(comparison.record()) for comparison in found])

    def failures(self) -> list[Failure]:
        """What failed, a row a clip, score, embedding or set metric, each with its reason; empty when all is well.

        ``str(row)`` is one line; `bench.storage.failures.group_failures` puts rows of one reason together.
        """
        with Store.read(self.folder) as store:
            return store.failures()


def as_config(config: RunConfig | Mapping[str, Any] | Path | str | None) -> RunConfig:
    """A configuration from what a caller has: nothing (the default run), a mapping, or a file.

    Raises:
        UsageError, DataError: as `load_config`.
    """
    if config is None:
        return RunConfig()
    if isinstance(config, RunConfig):
        return config
    return parse_config(dict(config)) if isinstance(config, Mapping) else load_config(Path(config))


def default_folder(config: RunConfig | Mapping[str, Any] | Path | str | None) -> Path:
    """Where a run goes unless told otherwise: ``results/`` and the configuration's file name, or the suite's name."""
    if isinstance(config, Path | str):
        return Path("results") / Path(config).stem
    return Path("results") / Path(plain_name(as_config(config).suite)).stem


def run(
    config: RunConfig | Mapping[str, Any] | Path | str | None = None,
    out: Path | str | None = None,
    progress: Progress | None = None,
    shard: Shard | None = None,
) -> Run:
    """Make and score every clip that a configuration asks for and that the folder does not hold yet.

    Clips and scores that fail are recorded (`Run.failures`), and tried again by the next call. With ``shard`` it is
    that part of them, in a folder of its own below ``out``, which is the one returned.

    Raises:
        UsageError: the configuration cannot be used, or the folder holds something else or is in use.
        MissingError: a model needs what is not installed; the other models' clips are made first.
        KeyboardInterrupt: interrupted; all that was finished is stored.
    """
    settings = as_config(config)
    folder = Path(out) if out is not None else default_folder(config)
    progress = progress or Silent()
    plan, about, whole = planned_run(settings, shard)
    if (asked := len(plan.suite.prompts)) < plan.suite_size:
        progress.note(f"only the first {asked} of {plan.suite_size} prompts of {plan.suite.ref} are asked for")
    if shard:
        folder /= shard.folder
    else:
        check_reference(settings.reference, plan.metrics)
    with Store.open(folder) as store:
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
            missing += scoring.score(plan.metrics, settings.reference, only, sets, settings.shared_recordings)
        if sets:
            store_set_tests(store, progress, plugin_files=True)
        keep_rates(store, plan)
        forget_crashes(store)
    if missing:
        raise MissingError("; ".join(dict.fromkeys(missing)))
    return Run(folder)


def rescore(
    folder: Path | str,
    config: RunConfig,
    progress: Progress | None = None,
    force: bool = False,
    plugin_files: bool = False,
) -> Run:
    """Score all clips of an existing run with the metrics of a configuration, without generating anything.

    ``plugin_files`` allows to test set metrics of plugin files that the run's own configuration names.

    Raises:
        UsageError: there is no run in the folder, or it is in use.
        MissingError: a metric needs what is not installed; the others are computed first.
    """
    folder, progress = Path(folder), progress or Silent()
    check_run(folder)
    metrics = plan_metrics(config.metrics)
    with Store.open(folder) as store:
        _tidy(store, progress)
        with make_executor(config.executor, folder / CRASHES) as executor:
            view, retries = view_of(store, config.common), config.executor.retries
            scoring = Scoring(store, view, executor, progress, force, retries)
            missing = scoring.score(metrics, config.reference, shared=config.shared_recordings)
        freeze_scoring(store, config)
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
    """What `bench.storage.store.Store.adopt` takes: a plan, facts about it, and of a shard the whole plan.

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
        "duration": canonical_json(float(plan.duration)),
        "tunebench": version("tunebench"),
    }
