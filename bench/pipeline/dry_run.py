"""Preview of a run: clips, time, disk, and the slowest stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.config.run_config import CommonGround
from bench.paths import StrPath
from bench.pipeline.rates import SCORING, Rate, Rates, parse_rates
from bench.pipeline.run import ConfigOption, about_plan, as_config, default_folder
from bench.planning.metric_plan import PlannedMetric
from bench.planning.plan import Plan, make_plan
from bench.planning.shards import Shard, take_shard
from bench.references.assign import Music, check_music, with_known_references
from bench.storage.clip_sets import view_of
from bench.storage.renaming import former_keys
from bench.storage.store import Store


@dataclass(frozen=True)
class Stage:
    """A part of a run's work.

    Attributes:
        name: ``generating ROW`` or ``scoring``.
        row: row for which a rate can be stated.
        clips: number of clips.
        rate: seconds per clip; None if unknown.
        workers: number of parallel workers.
    """

    name: str
    row: str
    clips: int
    rate: Rate | None
    workers: int

    @property
    def seconds(self) -> float | None:
        """Its duration in seconds; None if unknown."""
        if not self.clips:
            return 0.0
        return None if self.rate is None else self.clips * self.rate.seconds / self.workers


@dataclass(frozen=True)
class RunPreview:
    """Preview of a run.

    Attributes:
        to_make, existing: clips by row.
        to_score: number of clips that lack a score.
        stages: stages of the work, in order.
        workers: number of workers.
        bytes: an upper bound of the size of new audio.
    """

    to_make: Mapping[str, int]
    existing: Mapping[str, int]
    to_score: int
    stages: tuple[Stage, ...]
    workers: int
    bytes: int

    @property
    def unknown(self) -> tuple[Stage, ...]:
        """The stages of unknown duration."""
        return tuple(stage for stage in self.stages if stage.seconds is None)

    @property
    def known_seconds(self) -> float:
        """The duration of the other stages in seconds, without set metrics, whose time is unknown beforehand."""
        return sum(stage.seconds or 0.0 for stage in self.stages)

    @property
    def seconds(self) -> float | None:
        """The duration in seconds; None if that of a stage is unknown."""
        return None if self.unknown else self.known_seconds

    @property
    def dominant(self) -> tuple[Stage, float] | None:
        """The longest stage and its share of the time; None if unknown or empty."""
        longest = max(self.stages, key=lambda stage: stage.seconds or 0.0)
        return (longest, (longest.seconds or 0.0) / self.seconds) if self.seconds else None

    def record(self) -> dict[str, Any]:
        """Return the preview as a JSON object."""
        rows = dict.fromkeys([*self.existing, *self.to_make])
        return {
            "rows": [
                {"row": row, "to_make": self.to_make.get(row, 0), "existing": self.existing.get(row, 0)} for row in rows
            ],
            "to_score": self.to_score,
            "stages": [{**asdict(stage), "seconds": stage.seconds} for stage in self.stages],
            "workers": self.workers,
            "seconds": self.seconds,
            "known_seconds": self.known_seconds,
            "unknown": [stage.row for stage in self.unknown],
            "dominant": None if self.dominant is None else self.dominant[0].name,
            "bytes": self.bytes,
        }


def preview(
    config: ConfigOption,
    out: StrPath | None = None,
    shard: Shard | None = None,
    rates: Iterable[str] = (),
) -> RunPreview:
    """Return a preview of what `run` would do now, without doing or writing anything.

    Args:
        config, out, shard: as for `run`.
        rates: as for `bench.pipeline.rates.parse_rates`.

    Raises:
        UsageError: as `run`, if known beforehand; or as `parse_rates`.
    """
    settings = as_config(config)
    stated = parse_rates(rates, [entry.row for entry in settings.models])
    folder = Path(out) if out is not None else default_folder(config)
    plan = make_plan(settings)
    played = frozenset().union(*(model.plays for model in plan.models))
    music = Music(settings.reference, settings.pairs, played)
    if shard:
        folder, plan = folder / shard.folder, take_shard(plan, shard)
    else:
        check_music(music, plan.metrics, plan.suite.prompts)
    # A shard leaves metrics that compare with music to the whole run.
    of_clips = [m for m in plan.metrics if not (m.of_sets or (shard and m.needs_reference))]
    with ExitStack() as opened:
        store = opened.enter_context(Store.read(folder)) if (folder / "run.db").exists() else None
        made, lacking = _held(store, plan, of_clips, music, settings.common) if store else (set(), set())
        known = Rates(plan, stated, store)
    to_make = Counter(clip.model for clip in plan.clips if clip.id not in made)
    existing = Counter(clip.model for clip in plan.clips if clip.id in made)
    to_score = sum(clip.id not in made or clip.id in lacking for clip in plan.clips) if of_clips else 0
    workers = max(1, settings.executor.worker_count)
    stages = [
        Stage(
            f"{'reading' if model.own_clips else 'generating'} {model.label}",
            model.label,
            to_make[model.label],
            known.generating(model),
            min(workers, model.max_workers or workers),
        )
        for model in plan.models
    ]
    stages.append(Stage(SCORING, SCORING, to_score, known.scoring(of_clips), workers))
    # Two channels of 24 bits, uncompressed: FLAC needs less.
    size = sum(to_make[model.label] * int(plan.duration * (model.rate or 44_100)) * 6 for model in plan.models)
    return RunPreview(dict(to_make), dict(existing), to_score, tuple(stages), workers, size)


def _held(
    store: Store, plan: Plan, metrics: Sequence[PlannedMetric], music: Music, common: CommonGround
) -> tuple[set[str], set[str]]:
    """Return ids of existing clips, and of those that lack a score, after `adopt` has matched the plan's ids.

    Raises:
        UsageError: the folder holds another run.
    """
    store.refuse_changes(plan, about_plan(plan))
    today, view = store.present_ids(plan), view_of(store, common)
    prompts = list({**store.prompts(), **{prompt.id: prompt for prompt in plan.suite.prompts}}.values())
    of_clips = with_known_references(metrics, music, prompts, store.folder / "references", view)
    former = {old: metric.key(view) for metric in of_clips for old in former_keys(metric, view)}
    lacking = store.unscored([metric.key(view) for metric in of_clips], former)
    return {today.get(id, id) for id in store.made_ids()}, {today.get(id, id) for id in lacking}
