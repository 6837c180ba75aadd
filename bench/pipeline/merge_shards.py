"""Merge the shards of a run: clips, scores and notes of each go into the run folder that contains them.

Audio is hard-linked there (or copied if that is not supported) before the database refers to it, and each
shard is one transaction; so a killed merge can be repeated, and repeating a merge changes nothing. The
shards are not changed and may be removed afterwards.
"""

from __future__ import annotations

import filecmp
import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.atomic_write import link_or_copy
from bench.comparison.store_tests import store_set_tests
from bench.config.plugin_files import named_plugin_files, named_programs, refuse_plugin_files, refuse_programs
from bench.config.run_config import MetricConfig
from bench.contracts.prompt import Prompt
from bench.errors import MissingError, UsageError
from bench.execution.executors.choose import make_executor
from bench.execution.executors.crash_report import CRASHES
from bench.execution.score import Scoring
from bench.hashing import first_difference
from bench.paths import StrPath
from bench.pipeline.read_run import Run
from bench.pipeline.run import forget_crashes
from bench.planning.metric_plan import plan_metrics
from bench.planning.shards import Shard, find_shards
from bench.progress import Progress, ProgressOption, shown
from bench.references.assign import Music
from bench.storage.clip_sets import view_of
from bench.storage.frozen_config import FILE, freeze, load_frozen
from bench.storage.join_shards import ShardClip, join_plan, join_results, whole_plan
from bench.storage.orphans import set_aside
from bench.storage.read_clips import audio_paths, planned_rows
from bench.storage.read_metrics import shown_metrics
from bench.storage.read_scores import unscored
from bench.storage.store import Store


@dataclass(frozen=True)
class Merged:
    """The merged run, and a line for each missing or unfinished shard."""

    run: Run
    lacking: list[str]


def merge(folder: StrPath, progress: ProgressOption = None, plugin_files: bool = False) -> Merged:
    """Merge the shards in a run folder into it. Existing content of the folder stays unchanged.

    Args:
        folder: the run folder.
        progress: receives the progress.
        plugin_files: whether metrics of plugin files that the configuration names may be run.

    Raises:
        UsageError: there are no shards, one is in use, they are not parts of one run, or the disk is full; or
            everything is merged, but a set metric comes from a plugin file that may not run.
        MissingError: a set metric needs a missing package or file; everything is merged.
        DataError: a database is damaged or from a newer version.
    """
    folder = Path(folder)
    shards, description, owners = _examine(folder)
    first = folder / shards[0].folder
    with shown(progress) as progress, Store.open(folder) as run:
        _refuse_other_run(run, description)
        run.plan_lost()
        join_plan(run, first)
        if (first / FILE).exists():
            freeze(run, load_frozen(first))
        held = set(audio_paths(run))
        progress.begin("merging shards", len(shards), 0)
        for shard in shards:
            with Store.open(folder / shard.folder) as part:
                part.tidy()
                held |= _take_audio(run, part, held, progress)
                _take_results(run, part, progress)
                _take_stacks(run, part)
            progress.advance(1)
        if told := run.settle_orphans().told:
            progress.note(told)
        missing = _hear_together(run, progress, plugin_files)
        forget_crashes(run)
        if missing:
            raise MissingError(
                f"{'; '.join(dict.fromkeys(missing))}; the shards are merged, but these metrics were not scored"
            )
        return Merged(Run(folder), _lacking(run, shards, owners))


def _hear_together(run: Store, progress: Progress, plugin_files: bool) -> list[str]:
    """Compute scores that need all shards: of common parts of clips, and set metrics; return missing dependencies."""
    if not (run.folder / FILE).exists():
        return []
    settings = load_frozen(run.folder)
    configured = settings.metrics
    if not plugin_files:
        # Metrics of single clips without embeddings were computed in the shards.
        done = {shown.plugin for shown in shown_metrics(run) if not (shown.of_sets or shown.embedder)}
        configured = tuple(
            m for m in configured if m.base not in done or not any((*named_plugin_files(m), *named_programs(m)))
        )
        _refuse(run, configured)
    metrics = [metric for metric in plan_metrics(configured) if metric.embedders]
    if not metrics:
        return []
    with make_executor(settings.executor, run.folder / CRASHES) as executor:
        scoring = Scoring(run, view_of(run, settings.common), executor, progress)
        music = Music(settings.reference, settings.pairs)
        missing = scoring.score(metrics, music, shared=settings.shared_recordings)
    store_set_tests(run, progress, plugin_files)
    return missing


def _refuse(run: Store, metrics: Sequence[MetricConfig]) -> None:
    try:
        refuse_plugin_files(run.folder / FILE, metrics)
        refuse_programs(run.folder / FILE, metrics)
    except UsageError as error:
        raise UsageError(f"the shards are merged, but set metrics were not scored: {error}") from None


def _examine(folder: Path) -> tuple[list[Shard], Mapping[str, Any], dict[str, int]]:
    """Return the started shards, their common facts, and the shard number of each clip."""
    found = find_shards(folder)
    if not found:
        raise UsageError(
            f"there are no shards in {folder}; make them with 'tunebench run --out {folder} --shard 1/8' etc."
        )
    counts = sorted({shard.count for shard in found})
    if len(counts) > 1:
        several = " and ".join(f"of {count}" for count in counts)
        raise UsageError(f"{folder}/shards holds shards {several}; move one kind elsewhere, and merge each separately")
    begun: list[Shard] = []
    description: dict[str, Any] = {}
    owners: list[ShardClip] = []
    for shard in found:
        path = folder / shard.folder
        if not (path / "run.db").is_file():
            continue
        with Store.open(path) as part:
            plan = whole_plan(part)
            if not plan:  # it was stopped before planning
                continue
            own = _describe(part)
        if not begun:
            description, owners = own, plan
        begun.append(shard)
        origin = folder / begun[0].folder
        if own != description:
            place, here, there = first_difference(description, own)
            raise UsageError(
                f"{origin} and {path} are not shards of one run: {place} is {here} and {there}; "
                "run the older one again with the configuration of the other"
            )
        if plan != owners:
            a, b = next((a, b) for a, b in zip(owners, plan, strict=True) if a != b)
            raise UsageError(
                f"{origin} and {path} are not shards of one run: the sources of clips changed between them "
                f"({a.model}, {a.prompt}, seed {a.seed} is clip {a.clip[:16]} of shard {a.shard} and {b.clip[:16]} of "
                f"shard {b.shard}); run them again"
            )
    if not begun:
        raise UsageError(f"none of the shards in {folder} was started; run them first")
    return begun, description, {planned.clip: planned.shard for planned in owners}


def _describe(store: Store) -> dict[str, Any]:
    """Return the facts that must be the same in all shards, most informative first."""
    about = store.about()
    return {
        **({"suite": about["suite"], "duration": float(about["duration"])} if about else {}),
        **({"config": json.loads(about["config"])} if "config" in about else {}),
        "models": store.model_identities(),
        "metrics": {m.name: {"version": m.version, "params": m.params} for m in shown_metrics(store)},
        "prompts": {prompt.id: _without_id(prompt) for prompt in store.prompts().values()},
    }


def _without_id(prompt: Prompt) -> dict[str, Any]:
    return {name: value for name, value in asdict(prompt).items() if name != "id"}


def _refuse_other_run(run: Store, shards: Mapping[str, Any]) -> None:
    """Check that models and prompts with the same names are the same in the run and its shards."""
    held = _describe(run)
    for name in ("suite", "duration", "models", "prompts"):
        old, new = held.get(name), shards[name]
        if isinstance(old, dict):
            old, new = ({key: side[key] for key in side if key in old and key in new} for side in (old, new))
        if old is not None and old != new:
            place, here, there = first_difference({name: old}, {name: new})
            raise UsageError(
                f"{run.folder} is another run than its shards: {place} is {here}, but {there} in the shards; "
                "move the shards to another folder"
            )
    run.refuse_uneven_rows(list(shards["models"]), list(shards["prompts"]))


def _take_audio(run: Store, part: Store, held: set[str], progress: Progress) -> set[str]:
    """Add files of clips that the run lacks to it, and return their ids."""
    missing = {id: path for id, path in audio_paths(part).items() if id not in held}
    for path in missing.values():
        try:
            held_file = run.folder / path
            if held_file.is_file() and not filecmp.cmp(part.folder / path, held_file, shallow=False):
                progress.note(f"{held_file} belongs to no clip, and was moved to {set_aside(run.folder, path)}")
            link_or_copy(part.folder / path, run.folder / path)
        except OSError as error:
            raise UsageError(
                f"cannot write {run.folder / path}: {error.strerror}; nothing is lost: "
                "free disk space or fix permissions, then merge again"
            ) from error
    return set(missing)


def _take_results(run: Store, part: Store, progress: Progress) -> None:
    other = join_results(run, part.folder)
    if other:
        progress.note(f"{other} clips of {part.folder} exist already with different audio; the existing ones are kept")


def _take_stacks(run: Store, part: Store) -> None:
    """Copy stacks named in failures to the run."""
    for file in (part.folder / CRASHES).glob("*.txt"):
        (run.folder / CRASHES).mkdir(exist_ok=True)
        shutil.copyfile(file, run.folder / CRASHES / file.name)


def _lacking(run: Store, begun: list[Shard], owners: Mapping[str, int]) -> list[str]:
    """Return what each shard still lacks: clips not tried yet, and clips without scores."""
    unmade = Counter(owners.get(clip.id) for clip in planned_rows(run) if clip.state == "planned")
    lacking = Counter(owners.get(id) for id in {one.clip for one in unscored(run)})
    lines = []
    for shard in (Shard(index, begun[0].count) for index in range(1, begun[0].count + 1)):
        owed = [
            f"{n[shard.index]} clips not {what}"
            for n, what in ((unmade, "made"), (lacking, "scored"))
            if n[shard.index]
        ]
        if owed:
            lines.append(f"shard {shard} is {'not finished' if shard in begun else 'missing'}: {', '.join(owed)}")
    return lines
