"""Data of a run for experiment trackers: identity, numbers, clips, and some audio of each row."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import DataError, UsageError, suggestion
from bench.hashing import fingerprint
from bench.leaderboard.render import board_of, records
from bench.paths import StrPath
from bench.scores.clip_table import clip_table
from bench.scores.protocol import protocol_of
from bench.storage.own_clips import own_clips
from bench.storage.read_models import StoredModel, read_models
from bench.storage.store import Store, StoredClip

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = ("value", "low", "high", "n", "rank_best", "rank_worst")


@dataclass(frozen=True)
class TrackedRow:
    """A row of a run, which is a separate run in trackers.

    Attributes:
        key: key of the row in its run and protocol, so that a repeated export updates the same tracker run.
        group: the benchmark run.
        label: its name.
        config: protocol, suite, duration, identity and provenance of the model, as nested tables.
        numbers: by ``METRIC`` its value over all prompts, and by ``METRIC.low``, ``.high``, ``.n``, ``.rank_best`` and
            ``.rank_worst`` related values; unknown ones are omitted.
        leaderboard: the row's records, as `bench.leaderboard.render.records` has them, also by genre where prompts have
            one.
        clips: one row a planned clip, as `bench.scores.clip_table.clip_table`.
        audio: paths of some clips with what each is of.
    """

    key: str
    group: str
    label: str
    config: Mapping[str, Any]
    numbers: Mapping[str, float]
    leaderboard: tuple[Mapping[str, Any], ...]
    clips: pd.DataFrame
    audio: tuple[tuple[Path, str], ...]


def tracked_rows(run: StrPath, models: Collection[str] = (), audio: int = 0) -> list[TrackedRow]:
    """Read the rows of a run.

    Args:
        run: a run folder.
        models: only these; all if empty.
        audio: number of clips to upload per row, spread over the prompts.

    Raises:
        UsageError: no such run or model, or nothing is scored in it.
        DataError: a clip's audio is missing, or the database is damaged.
    """
    run = Path(run)
    with Store.read(run) as store:
        found = read_models(store)
        labels = [model.label for model in found]
        for name in models:
            if name not in labels:
                raise UsageError(f"{run} has no model '{name}'{suggestion(name, labels)}; it has {', '.join(labels)}")
        grouped = any(prompt.genre is not None for prompt in store.prompts().values())
        board = board_of(store, "genre" if grouped else None)
        if not board.cells:
            raise UsageError(f"{run} has no scores to export; 'tunebench score {run}' makes them")
        all_records = records(board.cells, board.ranks, board.protocol)
        table, clips = clip_table(store), own_clips(store)
        common = {"protocol": protocol_of(store), "about": store.about()}
    group = run.resolve().name
    return [
        _row(run, group, model, common, [r for r in all_records if r["model"] == model.label], table, clips, audio)
        for model in found
        if not models or model.label in models
    ]


def _row(
    run: Path,
    group: str,
    model: StoredModel,
    common: Mapping[str, Any],
    leaderboard: list[dict[str, Any]],
    table: pd.DataFrame,
    clips: list[StoredClip],
    audio: int,
) -> TrackedRow:
    protocol, about = common["protocol"], common["about"]
    config = {
        "tunebench": version("tunebench"),
        "run": group,
        "row": model.label,
        "suite": about["suite"],
        "duration": float(about["duration"]),
        "protocol": {"id": protocol.id, "line": protocol.line},
        "model": {"fingerprint": model.fingerprint, "identity": model.identity, "provenance": model.provenance},
        "clips": {"made": model.made, "planned": model.planned},
    }
    numbers = {}
    for record in (one for one in leaderboard if one["group"] == "all"):
        for name in _SHOWN:
            if record[name] is not None:
                numbers[record["metric"] if name == "value" else f"{record['metric']}.{name}"] = record[name]
    own = [clip for clip in clips if clip.model == model.label]
    return TrackedRow(
        key=fingerprint([group, protocol.id, model.label, model.fingerprint])[:16],
        group=group,
        label=model.label,
        config=config,
        numbers=numbers,
        leaderboard=tuple(leaderboard),
        clips=table[table["model"] == model.label].reset_index(drop=True),
        audio=tuple(_audio(run, own, audio)),
    )


def _audio(run: Path, clips: list[StoredClip], most: int) -> Iterator[tuple[Path, str]]:
    """Yield some clips, spread evenly over the plan."""
    number = min(most, len(clips))
    for place in range(number):
        clip = clips[place * len(clips) // number]
        path = run / clip.path
        if not path.is_file():
            raise DataError(f"{run}: {clip.path} is missing; make it again with 'tunebench run'")
        yield path, f"{clip.model}, {clip.prompt}, seed {clip.seed}"
