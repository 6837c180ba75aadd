"""Merge the rows of a shard into the database of its run."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from bench.errors import UsageError
from bench.storage.clip_tables import SAID_OF_PROMPTS
from bench.storage.store import Store

_METRIC = (
    "plugin, name, version, params_hash, embedder, reference, params, unit, direction, of_sets, view, reference_name, "
    "lowest, highest, hit_or_miss, warnings, families"
)
# What the last plan says of a model replaces what an earlier one said.
_LATEST = (
    "UPDATE models SET provenance = json_patch(json_remove(models.provenance, '$.{key}'), "
    "json_object('{key}', json(json_extract(new.provenance, '$.{key}')))) FROM other.models AS new "
    "WHERE new.label = models.label "
    "AND json_extract(new.provenance, '$.{key}') IS NOT json_extract(models.provenance, '$.{key}')"
)
# ``other`` is a shard's database, names without it are the run's.
_PLAN = (
    "INSERT OR REPLACE INTO about SELECT name, value FROM other.about WHERE name NOT IN ('config', 'listed')",
    "INSERT OR IGNORE INTO models SELECT label, position + (SELECT COUNT(*) FROM models), fingerprint, identity, "
    "provenance, rate, trained_on, lineage, plays FROM other.models ORDER BY position",
    "UPDATE models SET trained_on = new.trained_on, lineage = new.lineage, plays = new.plays "
    "FROM other.models AS new WHERE new.label = models.label",
    *(_LATEST.format(key=key) for key in SAID_OF_PROMPTS),
    "INSERT OR IGNORE INTO prompts SELECT id, text, genre, level, bpm, key, lyrics FROM other.prompts ORDER BY rowid",
    "UPDATE metrics SET shown = 0 WHERE plugin IN (SELECT plugin FROM other.metrics WHERE shown)",
    f"INSERT INTO metrics ({_METRIC}, position, shown) SELECT {_METRIC}, position + (SELECT COUNT(*) FROM metrics), "
    "shown FROM other.metrics WHERE true ORDER BY position "
    "ON CONFLICT DO UPDATE SET shown = MAX(shown, excluded.shown), families = excluded.families",
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
    "INSERT INTO scores SELECT known.clip, metric, version, params_hash, embedder, reference, value, reason, "
    "known.error, details, known.seconds FROM other.scores AS known JOIN other.clips AS new ON new.id = known.clip "
    "JOIN clips ON clips.id = new.id AND clips.content = new.content WHERE true ON CONFLICT DO UPDATE SET "
    "value = excluded.value, reason = excluded.reason, error = excluded.error, details = excluded.details, "
    "seconds = excluded.seconds WHERE scores.error IS NOT NULL",
    "INSERT INTO embeddings SELECT * FROM other.embeddings WHERE true ON CONFLICT DO UPDATE SET "
    "dimension = excluded.dimension, vectors = excluded.vectors, reason = excluded.reason, error = excluded.error "
    "WHERE embeddings.error IS NOT NULL",
)


class ShardClip(NamedTuple):
    """A clip of the whole plan, with the number of its shard."""

    clip: str
    shard: int
    model: str
    prompt: str
    seed: int


def whole_plan(shard: Store) -> list[ShardClip]:
    """Return the whole plan that a shard is a part of; empty for a run that is not a shard, or has no plan yet."""
    rows = shard.rows("SELECT clip, shard, model, prompt, seed FROM whole_plan ORDER BY position")
    return [ShardClip(*row) for row in rows]


def join_plan(run: Store, shard: Path) -> None:
    """Adopt the whole plan of a shard, as `Store.adopt` does, in one transaction.

    Args:
        run: open for writing.
        shard: the shard's folder.

    Raises:
        UsageError: the run holds clips of it under another model's name.
    """
    with run.joined(shard) as database:
        _refuse_second_name(run, database)
        for statement in _PLAN:
            database.execute(statement)


def _refuse_second_name(run: Store, database: sqlite3.Connection) -> None:
    """Refuse a clip in two rows, as for a model with two names."""
    for held, planned in database.execute(
        "SELECT clips.model, plan.model FROM other.whole_plan AS plan JOIN clips ON clips.id = plan.clip "
        "WHERE plan.model != clips.model LIMIT 1"
    ):
        raise UsageError(
            f"{run.folder} already has the clips of '{planned}', as those of '{held}': the same model with the same "
            "parameters; move the shards to a folder of their own"
        )


def join_results(run: Store, shard: Path) -> int:
    """Copy clips, scores and notes of a shard in one transaction; its audio must already exist.

    Args:
        run: open for writing.
        shard: the shard's folder.

    Returns:
        How many of its clips the run holds with another sound; those that it holds stay.
    """
    with run.joined(shard) as database:
        for statement in _RESULTS:
            database.execute(statement)
        (other,) = database.execute(
            "SELECT COUNT(*) FROM clips JOIN other.clips AS new ON new.id = clips.id AND new.content != clips.content"
        ).fetchone()
    return int(other)
