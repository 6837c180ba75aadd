"""Doing what is missing: generate the clips that do not exist, score those that have no score."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bench.canonical import canonical_json
from bench.config import RunConfig, load_config, parse_config
from bench.errors import MissingError, UsageError
from bench.executors import Executor, TaskLost, make_executor
from bench.outcome import ClipFailed, ClipScored
from bench.plan import Plan, PlannedClip, PlannedMetric, make_plan
from bench.prompt import Prompt
from bench.shards import Shard, share_out, take_shard
from bench.store import Store
from bench.task import GenerateTask, ScoreTask, Task

if TYPE_CHECKING:
    import pandas as pd

SCORING_SPEED = 15.0  # seconds of audio scored in a second; the note metrics are held to it


class Progress(Protocol):
    """Told how far a run is; the command line draws it."""

    def begin(self, stage: str, total: int, done: int) -> None: ...

    def advance(self, count: int) -> None: ...

    def note(self, message: str) -> None: ...


class Silent:
    """Progress that nobody watches."""

    def begin(self, stage: str, total: int, done: int) -> None: ...

    def advance(self, count: int) -> None: ...

    def note(self, message: str) -> None: ...


@dataclass(frozen=True)
class Run:
    """A run folder to read from."""

    folder: Path

    def leaderboard(self, by: str | None = None) -> pd.DataFrame:
        """The leaderboard as a table; see `bench.leaderboard.leaderboard`.

        Raises:
            UsageError: there is no run in the folder.
        """
        from bench.leaderboard import leaderboard

        return leaderboard(self.folder, by)

    def failures(self) -> list[str]:
        """One line for each clip or score that failed; empty when all is well."""
        with Store.read(self.folder) as store:
            clips = store.rows(
                "SELECT model || ', ' || prompt || ', seed ' || seed || ': ' || error FROM clips WHERE state = 'failed'"
            )
            scores = store.rows(
                "SELECT model || ', ' || prompt || ', seed ' || seed || ', ' || metric || ': ' || scores.error "
                "FROM scores JOIN clips ON clips.id = clip JOIN metrics ON metrics.name = metric "
                "AND metrics.version = scores.version AND metrics.params_hash = scores.params_hash "
                "WHERE scores.error IS NOT NULL AND state = 'made' AND shown"
            )
        return [line for (line,) in clips + scores]


@dataclass(frozen=True)
class Preview:
    """What a run would do.

    ``seconds`` is None when a model's speed is not known before its first clip; bytes is a bound.
    """

    to_make: Mapping[str, int]
    existing: Mapping[str, int]
    to_score: int
    seconds: float | None
    bytes: int


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
    return Path("results") / Path(as_config(config).suite.partition("@")[0]).stem


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
    plan = make_plan(settings)
    about = _about(plan)
    whole: Iterable[tuple[PlannedClip, int]] = ()
    if shard:
        folder /= shard.folder
        whole, plan = share_out(plan, shard.count), take_shard(plan, shard)
        # So that shards of different configurations can be told apart, with what differs.
        about["config"] = canonical_json(settings.model_dump(mode="json", by_alias=True, exclude={"executor"}))
    with Store.open(folder) as store:
        replaced = store.adopt(plan, about, whole)
        if replaced:
            progress.note(f"{replaced} clips are replaced because what they are made from has changed")
        store.freeze(settings.as_yaml())
        store.tidy()
        with make_executor(settings.executor) as executor:
            missing = generate(store, plan, executor, progress)
            score(store, plan.metrics, executor, progress, {clip.id for clip in plan.clips})
    if missing:
        raise MissingError("; ".join(dict.fromkeys(missing)))
    return Run(folder)


def generate(store: Store, plan: Plan, executor: Executor, progress: Progress) -> list[str]:
    """Make the clips that do not exist and return what models miss to run here.

    Raises:
        UsageError: the disk took no more, or a model refuses to work; what was made is stored.
    """
    unmade = store.unmade()
    wanted = [clip for clip in plan.clips if clip.id in unmade]
    missing: dict[str, str] = {}

    def batches() -> Iterator[Task]:
        for model, clips in plan.batches():
            absent = frozenset(clip.id for clip in clips if clip.id in unmade)
            if absent and model.label not in missing:
                yield GenerateTask(model, clips, absent, store.folder.resolve())

    progress.begin("generating", len(plan.clips), len(plan.clips) - len(wanted))
    tasks: Iterator[Task] = batches()
    again: list[Task] = []
    while True:
        for task, result in executor.map(tasks):
            assert isinstance(task, GenerateTask)
            if isinstance(result, TaskLost):
                if result.why == "missing":
                    missing[task.model.label] = f"model '{task.model.label}': {result.message}"
                elif result.why != "died":
                    raise UsageError(result.message)
                elif len(task.clips) > 1:
                    # Which clip of the batch killed the worker shows when each is tried alone.
                    again += [GenerateTask(task.model, (c,), frozenset({c.id}), task.folder) for c in _absent(task)]
                    continue
                store.record_clips([ClipFailed(clip.id, result.message) for clip in _absent(task)])
            else:
                store.record_clips([clip for clip in result if not isinstance(clip, ClipScored)])
            progress.advance(len(task.wanted))
        if not again:
            return list(missing.values())
        tasks, again = iter(again), []


def _absent(task: GenerateTask) -> list[PlannedClip]:
    return [clip for clip in task.clips if clip.id in task.wanted]


def score(
    store: Store,
    metrics: Sequence[PlannedMetric],
    executor: Executor,
    progress: Progress,
    only: set[str] | None = None,
    force: bool = False,
) -> None:
    """Score the clips that lack a score by one of the metrics; ``force`` scores all of them again.

    Raises:
        UsageError: a metric cannot be used at all.
    """
    clips = store.made(only)
    prompts = {row[0]: Prompt(*row) for row in store.rows("SELECT id, text, genre, level, bpm, key FROM prompts")}
    held = {} if force else store.scored()
    tasks: list[Task] = []
    for clip in clips:
        done = held.get(clip.id, set())
        absent = tuple(m for m in metrics if (m.name, m.version, m.params_hash) not in done)
        if absent:
            tasks.append(
                ScoreTask(clip.id, store.folder.resolve() / clip.path, prompts[clip.prompt], clip.notes, absent)
            )
    progress.begin("scoring", len(clips), len(clips) - len(tasks))
    while tasks:
        again: list[Task] = []
        for task, result in executor.map(iter(tasks)):
            assert isinstance(task, ScoreTask)
            if isinstance(result, TaskLost):
                if result.why != "died":
                    raise UsageError(result.message)
                if len(task.metrics) > 1:
                    # Which metric killed the worker shows when each is tried alone.
                    again += [
                        ScoreTask(task.clip, task.path, task.prompt, task.notes, (metric,)) for metric in task.metrics
                    ]
                    continue
                m = task.metrics[0]
                store.record_scores([ClipScored(task.clip, m.name, m.version, m.params_hash, error=result.message)])
            else:
                store.record_scores([scored for scored in result if isinstance(scored, ClipScored)])
            progress.advance(1)
        tasks = again


def rescore(
    folder: Path | str,
    metrics: Sequence[PlannedMetric],
    executor: Executor,
    progress: Progress | None = None,
    force: bool = False,
) -> Run:
    """Score the clips of an existing run, without generating anything.

    Raises:
        UsageError: there is no run in the folder, or it is in use.
    """
    folder = Path(folder)
    Store.read(folder).close()
    with Store.open(folder) as store:
        store.tidy()
        store.show(metrics)
        score(store, metrics, executor, progress or Silent(), force=force)
    return Run(folder)


def preview(
    config: RunConfig | Mapping[str, Any] | Path | str | None,
    out: Path | str | None = None,
    shard: Shard | None = None,
) -> Preview:
    """What `run` would do now, without doing or writing anything.

    Raises:
        UsageError: as `run`, for what can be known beforehand.
    """
    settings = as_config(config)
    folder = Path(out) if out is not None else default_folder(config)
    plan = make_plan(settings)
    if shard:
        folder, plan = folder / shard.folder, take_shard(plan, shard)
    made: set[str] = set()
    scored: dict[str, set[tuple[str, int, str]]] = {}
    measured: dict[str, float] = {}
    if (folder / "run.db").exists():
        with Store.read(folder) as store:
            store.refuse_changes(plan, _about(plan))
            made = {clip.id for clip in store.made()}
            scored, measured = store.scored(), store.seconds_per_clip()
    keys = {(m.name, m.version, m.params_hash) for m in plan.metrics}
    to_make: dict[str, int] = {}
    existing: dict[str, int] = {}
    for clip in plan.clips:
        counter = existing if clip.id in made else to_make
        counter[clip.model] = counter.get(clip.model, 0) + 1
    to_score = sum(1 for clip in plan.clips if keys - scored.get(clip.id, set()))
    seconds: float | None = to_score * plan.duration / SCORING_SPEED
    for label, count in to_make.items():
        speed = plan.model(label).speed
        each = measured.get(label, plan.duration / speed if speed else None)
        seconds = None if each is None or seconds is None else seconds + count * each
    # Two channels of 24 bits, not compressed: FLAC takes less.
    size = sum(n * int(plan.duration * (plan.model(label).rate or 44_100)) * 6 for label, n in to_make.items())
    workers = max(1, settings.executor.worker_count)
    return Preview(to_make, existing, to_score, seconds and seconds / workers, size)


def _about(plan: Plan) -> dict[str, str]:
    from importlib.metadata import version

    return {"suite": plan.suite.ref, "duration": f"{plan.duration:g} s", "tunebench": version("tunebench")}
