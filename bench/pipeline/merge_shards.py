"""Joining the shards of a run: what each has made, scored and noted goes into the run folder that they lie in.

Audio gets a second name there (a copy where the disk knows no hard links) before the database speaks of it, and each
shard is one transaction; so a merge that is killed can be repeated, and one that is repeated changes nothing. The
shards stay as they are and may be removed afterwards.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.atomic_write import duplicate
from bench.config.run_config import load_config
from bench.errors import MissingError, UsageError
from bench.execution.executors.choose import make_executor
from bench.execution.executors.crash import CRASHES
from bench.execution.score import score
from bench.hashing import first_difference
from bench.pipeline.run import Run, forget_crashes
from bench.planning.metric_plan import plan_metrics
from bench.planning.shards import Shard, find_shards
from bench.progress import Progress, Silent
from bench.storage.frozen_config import FILE, freeze
from bench.storage.store import Store

_METRIC = (
    "plugin, name, version, params_hash, embedder, reference, params, unit, direction, of_sets, view, reference_name, "
    "lowest, highest, hit_or_miss"
)
# ``other`` is a shard's database, names without it are the run's.
_PLAN = (
    "INSERT OR REPLACE INTO about SELECT name, value FROM other.about WHERE name NOT IN ('config', 'listed')",
    "INSERT OR IGNORE INTO models SELECT label, position + (SELECT COUNT(*) FROM models), fingerprint, identity, "
    "provenance, rate, trained_on FROM other.models ORDER BY position",
    "UPDATE models SET trained_on = new.trained_on FROM other.models AS new WHERE new.label = models.label",
    "INSERT OR IGNORE INTO prompts SELECT id, text, genre, level, bpm, key FROM other.prompts ORDER BY rowid",
    "UPDATE metrics SET shown = 0 WHERE plugin IN (SELECT plugin FROM other.metrics WHERE shown)",
    f"INSERT INTO metrics ({_METRIC}, position, shown) SELECT {_METRIC}, position + (SELECT COUNT(*) FROM metrics), "
    "shown FROM other.metrics WHERE true ORDER BY position "
    "ON CONFLICT DO UPDATE SET shown = MAX(shown, excluded.shown)",
    # As when a plan is adopted: of rows that list their clips, one that is not listed any more is replaced.
    "UPDATE clips SET state = 'replaced' WHERE state != 'replaced' AND model IN (SELECT listed.value FROM "
    "other.about AS said, json_each(said.value) AS listed WHERE said.name = 'listed') AND (model, prompt, seed) NOT IN "
    "(SELECT model, prompt, seed FROM other.whole_plan)",
    # And one clip for each model, prompt and seed; what was there before is kept as replaced.
    "UPDATE clips SET state = 'replaced' FROM other.whole_plan AS plan WHERE clips.model = plan.model "
    "AND clips.prompt = plan.prompt AND clips.seed = plan.seed AND clips.id != plan.clip AND state != 'replaced'",
    "INSERT INTO clips (id, model, prompt, seed, path, state) SELECT clip, model, prompt, seed, path, 'planned' "
    "FROM other.whole_plan WHERE true ORDER BY position ON CONFLICT (id) DO UPDATE SET state = "
    "CASE WHEN state != 'replaced' THEN state WHEN content IS NULL THEN 'planned' ELSE 'made' END",
)
_NEW = (
    "SELECT new.id FROM other.clips AS new JOIN clips ON clips.id = new.id "
    "WHERE new.content IS NOT NULL AND clips.content IS NULL"
)
_RESULTS = (
    f"INSERT OR IGNORE INTO metrics ({_METRIC}, position, shown) SELECT {_METRIC}, "
    "position + (SELECT COUNT(*) FROM metrics), 0 FROM other.metrics ORDER BY position",
    # Clips of an earlier plan, which the whole one of today does not name.
    "INSERT INTO clips (id, model, prompt, seed, path, state) SELECT id, model, prompt, seed, path, "
    "CASE WHEN state = 'replaced' OR EXISTS (SELECT 1 FROM clips AS held WHERE held.model = new.model "
    "AND held.prompt = new.prompt AND held.seed = new.seed AND held.state != 'replaced') THEN 'replaced' "
    "ELSE 'planned' END FROM other.clips AS new WHERE id NOT IN (SELECT id FROM clips) ORDER BY rowid",
    f"DELETE FROM scores WHERE clip IN ({_NEW})",
    f"DELETE FROM notes WHERE clip IN ({_NEW})",
    "UPDATE clips SET state = CASE clips.state WHEN 'replaced' THEN 'replaced' ELSE 'made' END, content = new.content, "
    "rate = new.rate, channels = new.channels, frames = new.frames, peak = new.peak, gain = new.gain, "
    "seconds = new.seconds, error = NULL, provenance = new.provenance "
    "FROM other.clips AS new WHERE new.id = clips.id AND new.content IS NOT NULL AND clips.content IS NULL",
    "UPDATE clips SET state = 'failed', error = new.error FROM other.clips AS new "
    "WHERE new.id = clips.id AND new.state = 'failed' AND clips.state IN ('planned', 'failed')",
    # What is known of a clip goes with its sound.
    "INSERT OR IGNORE INTO notes SELECT known.clip, known.notes FROM other.notes AS known "
    "JOIN other.clips AS new ON new.id = known.clip JOIN clips ON clips.id = new.id AND clips.content = new.content",
    "INSERT INTO scores SELECT known.clip, metric, version, params_hash, embedder, value, reason, known.error, "
    "details, known.seconds FROM other.scores AS known JOIN other.clips AS new ON new.id = known.clip "
    "JOIN clips ON clips.id = new.id AND clips.content = new.content WHERE true ON CONFLICT DO UPDATE SET "
    "value = excluded.value, reason = excluded.reason, error = excluded.error, details = excluded.details, "
    "seconds = excluded.seconds WHERE scores.error IS NOT NULL",
    "INSERT INTO embeddings SELECT * FROM other.embeddings WHERE true ON CONFLICT DO UPDATE SET "
    "dimension = excluded.dimension, vectors = excluded.vectors, reason = excluded.reason, error = excluded.error "
    "WHERE embeddings.error IS NOT NULL",
)
_UNSCORED = (
    "SELECT clips.id FROM clips WHERE state = 'made' AND EXISTS (SELECT 1 FROM metrics WHERE shown "
    "AND NOT of_sets AND NOT EXISTS "
    "(SELECT 1 FROM scores WHERE clip = clips.id AND metric = name AND scores.version = metrics.version "
    "AND scores.params_hash = metrics.params_hash))"
)


@dataclass(frozen=True)
class Merged:
    """The joined run, and a line for each shard that is missing or not finished."""

    run: Run
    lacking: list[str]


def merge(folder: Path | str, progress: Progress | None = None) -> Merged:
    """Join the shards that lie in a run folder into it. What the folder holds already stays as it is.

    Raises:
        UsageError: there are no shards, one is in use, they are not parts of one run, or the disk takes no more.
        MissingError: a metric of all clips needs what is not installed here; everything is joined.
        DataError: a database is damaged or of a newer tunebench.
    """
    folder = Path(folder)
    progress = progress or Silent()
    shards, description, owners = _examine(folder)
    first = folder / shards[0].folder
    with Store.open(folder) as run:
        _refuse_other_run(run, description)
        run.tidy()
        with run.joined(first) as database:
            _refuse_second_name(run, database)
            for statement in _PLAN:
                database.execute(statement)
        if (first / FILE).exists():
            freeze(run, load_config(first / FILE))
        held = {id for (id,) in run.rows("SELECT id FROM clips WHERE content IS NOT NULL")}
        progress.begin("merging shards", len(shards), 0)
        for shard in shards:
            with Store.open(folder / shard.folder) as part:
                part.tidy()
                held |= _take_audio(run, part, held)
                _take_results(run, part, progress)
                _take_stacks(run, part)
            progress.advance(1)
        missing = _hear_together(run, progress)
        forget_crashes(run)
        if missing:
            raise MissingError(
                f"{'; '.join(dict.fromkeys(missing))}; the shards are joined, and what is missing is not scored"
            )
        return Merged(Run(folder), _lacking(run, shards, owners))


def _hear_together(run: Store, progress: Progress) -> list[str]:
    """Score what no shard could: the part that all clips have, and set metrics. Returns what is not installed here."""
    if not (run.folder / FILE).exists():
        return []
    settings = load_config(run.folder / FILE)
    metrics = [metric for metric in plan_metrics(settings.metrics) if metric.embedders]
    if not metrics:
        return []
    with make_executor(settings.executor, run.folder / CRASHES) as executor:
        return score(
            run, metrics, settings.reference, settings.common, executor, progress, shared=settings.shared_recordings
        )


def _examine(folder: Path) -> tuple[list[Shard], Mapping[str, Any], dict[str, int]]:
    """The shards that were begun, what they have in common, and the number of the shard that each clip belongs to."""
    found = find_shards(folder)
    if not found:
        raise UsageError(
            f"there are no shards in {folder}; make them with 'tunebench run --out {folder} --shard 1/8' etc."
        )
    counts = sorted({shard.count for shard in found})
    if len(counts) > 1:
        several = " and ".join(f"of {count}" for count in counts)
        raise UsageError(
            f"{folder}/shards holds shards {several}; move those of one kind elsewhere, merge, then the other"
        )
    begun: list[Shard] = []
    description: dict[str, Any] = {}
    owners: list[tuple[Any, ...]] = []
    for shard in found:
        path = folder / shard.folder
        if not (path / "run.db").is_file():
            continue
        with Store.open(path) as part:
            plan = part.rows("SELECT clip, shard, model, prompt, seed FROM whole_plan ORDER BY position")
            if not plan:  # it was stopped before it had planned anything
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
                f"{origin} and {path} are not shards of one run: what clips are made from changed between them "
                f"({a[2]}, {a[3]}, seed {a[4]} is clip {a[0][:16]} of shard {a[1]} and {b[0][:16]} of shard {b[1]}); "
                "run them again"
            )
    if not begun:
        raise UsageError(f"none of the shards in {folder} has begun; run them first")
    return begun, description, {clip: number for clip, number, *_ in owners}


def _describe(store: Store) -> dict[str, Any]:
    """What must be the same in all shards, the most telling first."""
    about = store.about()
    prompts = store.rows("SELECT id, text, genre, level, bpm, key FROM prompts")
    metrics = store.rows("SELECT name, version, params FROM metrics WHERE shown ORDER BY position")
    return {
        **({"suite": about["suite"], "duration": float(about["duration"])} if about else {}),
        **({"config": json.loads(about["config"])} if "config" in about else {}),
        "models": {label: json.loads(identity) for label, identity in store.rows("SELECT label, identity FROM models")},
        "metrics": {name: {"version": version, "params": json.loads(params)} for name, version, params in metrics},
        "prompts": {id: dict(zip(("text", "genre", "level", "bpm", "key"), row, strict=True)) for id, *row in prompts},
    }


def _refuse_other_run(run: Store, shards: Mapping[str, Any]) -> None:
    """A run may hold more models and prompts than the shards, but the same under the same names."""
    held = _describe(run)
    for name in ("suite", "duration", "models", "prompts"):
        old, new = held.get(name), shards[name]
        if isinstance(old, dict):
            old, new = ({key: side[key] for key in side if key in old and key in new} for side in (old, new))
        if old is not None and old != new:
            place, here, there = first_difference({name: old}, {name: new})
            raise UsageError(
                f"{run.folder} holds another run than its shards: {place} is {here}, and {there} in the shards; "
                "move the shards to a folder of their own"
            )


def _refuse_second_name(run: Store, database: sqlite3.Connection) -> None:
    """One clip belongs to one row: those of a model under a second name would be in neither."""
    for held, planned in database.execute(
        "SELECT clips.model, plan.model FROM other.whole_plan AS plan JOIN clips ON clips.id = plan.clip "
        "WHERE plan.model != clips.model LIMIT 1"
    ):
        raise UsageError(
            f"{run.folder} holds the clips of '{planned}' already, as those of '{held}': the same model with the same "
            "parameters; move the shards to a folder of their own"
        )


def _take_audio(run: Store, part: Store, held: set[str]) -> set[str]:
    """Give the run the files of the clips that it does not hold, and return their ids."""
    clips = part.rows("SELECT id, path FROM clips WHERE content IS NOT NULL")
    missing = {id: path for id, path in clips if id not in held}
    for path in missing.values():
        try:
            duplicate(part.folder / path, run.folder / path)
        except OSError as error:
            raise UsageError(
                f"cannot write {run.folder / path}: {error.strerror}; nothing is lost: "
                "free disk space or fix permissions, then merge again"
            ) from error
    return set(missing)


def _take_results(run: Store, part: Store, progress: Progress) -> None:
    with run.joined(part.folder) as database:
        for statement in _RESULTS:
            database.execute(statement)
        (other,) = database.execute(
            "SELECT COUNT(*) FROM clips JOIN other.clips AS new ON new.id = clips.id AND new.content != clips.content"
        ).fetchone()
    if other:
        progress.note(f"{other} clips of {part.folder} were held already and sound different there; those held stay")


def _take_stacks(run: Store, part: Store) -> None:
    """Give the run the stacks that reasons for failures name."""
    for file in (part.folder / CRASHES).glob("*.txt"):
        (run.folder / CRASHES).mkdir(exist_ok=True)
        shutil.copyfile(file, run.folder / CRASHES / file.name)


def _lacking(run: Store, begun: list[Shard], owners: Mapping[str, int]) -> list[str]:
    """What each shard still owes: clips that nobody has tried to make, and clips without scores."""
    unmade = Counter(owners.get(id) for (id,) in run.rows("SELECT id FROM clips WHERE state = 'planned'"))
    unscored = Counter(owners.get(id) for (id,) in run.rows(_UNSCORED))
    lines = []
    for shard in (Shard(index, begun[0].count) for index in range(1, begun[0].count + 1)):
        owed = [
            f"{n[shard.index]} clips not {what}"
            for n, what in ((unmade, "made"), (unscored, "scored"))
            if n[shard.index]
        ]
        if owed:
            lines.append(f"shard {shard} is {'not finished' if shard in begun else 'missing'}: {', '.join(owed)}")
    return lines
