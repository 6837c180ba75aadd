"""What a run would do, before it does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.config.run_config import RunConfig
from bench.contracts.clip_view import View
from bench.pipeline.run import about_plan, as_config, default_folder
from bench.planning.metric_plan import ScoreKey
from bench.planning.plan import make_plan
from bench.planning.shards import Shard, take_shard
from bench.storage.clip_sets import view_of
from bench.storage.renaming import former_keys
from bench.storage.store import Store

SCORING_SPEED = 15.0  # seconds of audio scored in a second; the note metrics are held to it


@dataclass(frozen=True)
class RunPreview:
    """What a run would do.

    ``seconds`` is None when a model's speed is not known before its first clip; bytes is a bound.
    """

    to_make: Mapping[str, int]
    existing: Mapping[str, int]
    to_score: int
    seconds: float | None
    bytes: int


def preview(
    config: RunConfig | Mapping[str, Any] | Path | str | None,
    out: Path | str | None = None,
    shard: Shard | None = None,
) -> RunPreview:
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
    scored: dict[str, set[ScoreKey]] = {}
    view = View()
    measured: dict[str, float] = {}
    if (folder / "run.db").exists():
        with Store.read(folder) as store:
            store.refuse_changes(plan, about_plan(plan))
            made, scored = store.held(plan)
            measured = store.seconds_per_clip()
            view = view_of(store, settings.common)
    of_clips = [metric for metric in plan.metrics if not metric.of_sets]
    keys = {former: metric.key(view) for metric in of_clips for former in former_keys(metric, view)}
    to_make: dict[str, int] = {}
    existing: dict[str, int] = {}
    for clip in plan.clips:
        counter = existing if clip.id in made else to_make
        counter[clip.model] = counter.get(clip.model, 0) + 1
    present = {id: {keys.get(key, key) for key in found} for id, found in scored.items()}
    to_score = sum(1 for clip in plan.clips if set(keys.values()) - present.get(clip.id, set()))
    seconds: float | None = to_score * plan.duration / SCORING_SPEED
    for label, count in to_make.items():
        speed = plan.model(label).speed
        each = measured.get(label, plan.duration / speed if speed else None)
        seconds = None if each is None or seconds is None else seconds + count * each
    # Two channels of 24 bits, not compressed: FLAC takes less.
    size = sum(n * int(plan.duration * (plan.model(label).rate or 44_100)) * 6 for label, n in to_make.items())
    workers = max(1, settings.executor.worker_count)
    return RunPreview(to_make, existing, to_score, seconds and seconds / workers, size)
