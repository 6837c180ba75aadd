"""The run folder: a database of clips and scores beside the audio, written by one process at a time.

A row is written only after its file is complete and on disk, one transaction a result; so whatever moment a run dies,
what the database says is there is there.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bench.atomic_write import replace_file
from bench.contracts.prompt import Prompt
from bench.errors import UsageError
from bench.hashing import canonical_json, first_difference
from bench.number_format import seconds_text
from bench.planning.metric_plan import ScoreKey
from bench.planning.plan import Plan, PlannedClip
from bench.run_lock import take_lock
from bench.storage.database import as_of_now, explained, open_database, read_database
from bench.storage.failures import Failure
from bench.storage.renaming import is_former, present_ids, rename_clips
from bench.storage.score_tables import ScoreTables
from bench.storage.task_results import ClipFailed, ClipMade
from bench.storage.validate import check_rows

# Only names that this module gives are ever removed.
_OUR_FILE = re.compile(r"[0-9a-f]{16}\.flac|\.[0-9a-f]{16}\.flac\.\d+\.part")


@dataclass(frozen=True)
class StoredClip:
    """A clip whose audio exists, its length in seconds, and the notes JSON if somebody knew them."""

    id: str
    model: str
    prompt: str
    seed: int
    path: str
    content: str
    duration: float
    notes: str | None


class Store(ScoreTables):
    """The database and files of one run folder. Open it with `Store.open` or `Store.read`."""

    def __init__(self, folder: Path, connection: sqlite3.Connection, lock: IO[str] | None) -> None:
        self.folder = folder
        self._db = connection
        self._lock = lock

    @classmethod
    def open(cls, folder: Path) -> Store:
        """Open a run folder for writing, making it if it does not exist.

        Raises:
            UsageError: another driver is at work in it, or it cannot be written to.
            DataError: its database is damaged or of a newer tunebench.
        """
        lock = take_lock(folder)
        try:
            if not (folder / "run.db").exists() and any((folder / "audio").glob("*/*")):
                raise UsageError(
                    f"{folder} holds audio but no run.db, so it was not created by tunebench; put a lost run.db back, "
                    "move the folder audio/ elsewhere, or name another folder with --out"
                )
            return cls(folder, open_database(folder), lock)
        except BaseException:
            lock.close()
            raise

    @classmethod
    def read(cls, folder: Path) -> Store:
        """Open a run folder for reading only, as it is at this moment; a driver may be at work in it.

        Raises:
            UsageError: there is no run in that folder.
            DataError: its database is damaged, holds what no run holds, or is of a newer tunebench.
        """
        connection = read_database(folder)
        try:
            with explained(folder):
                connection = as_of_now(folder, connection)
            check_rows(folder, connection)
        except BaseException:
            connection.close()
            raise
        return cls(folder, connection, None)

    def close(self) -> None:
        self._db.close()
        if self._lock:
            self._lock.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self.close()
        if isinstance(error, sqlite3.DatabaseError):
            with explained(self.folder):
                raise error

    # -- planning ------------------------------------------------------------------------------------------------

    def about(self) -> dict[str, str]:
        """Facts about the whole run: suite, duration, the versions of tunebench and Python that made it."""
        return dict(self._db.execute("SELECT name, value FROM about"))

    def adopt(self, plan: Plan, about: Mapping[str, str], whole: Sequence[tuple[PlannedClip, int]] = ()) -> int:
        """Write a plan down, extending what the folder holds, and return how many clips with sound it replaces.

        ``whole`` is for a shard: all clips of the plan that it is a part of, each with the number of its shard.

        Raises:
            UsageError: the folder holds the same names with another meaning; both are named, nothing is changed.
        """
        self.refuse_changes(plan, about)
        with self._transaction():
            old_names = rename_clips(self._db, self.folder, plan)
            for name, value in about.items():
                self._db.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))
            position = self._db.execute("SELECT COUNT(*) FROM models").fetchone()[0]
            for model in plan.models:
                row = (model.label, position, model.fingerprint, canonical_json(model.identity))
                # A model that is there already may have got to know more of its training: it says so from now on.
                self._db.execute(
                    "INSERT INTO models VALUES (?, ?, ?, ?, ?, ?, ?) "
                    "ON CONFLICT (label) DO UPDATE SET trained_on = excluded.trained_on",
                    (
                        *row,
                        canonical_json(_printable(model.provenance)),
                        model.rate,
                        canonical_json(sorted(model.trained_on)),
                    ),
                )
                position += 1
            for p in plan.suite.prompts:
                row_p = (p.id, p.text, p.genre, p.level, p.bpm, p.key)
                self._db.execute("INSERT OR IGNORE INTO prompts VALUES (?, ?, ?, ?, ?, ?)", row_p)
            replaced = self._drop_unlisted(plan, [clip for clip, _ in whole] or plan.clips)
            replaced += self._add_clips(plan.clips)
            self._db.execute("DELETE FROM whole_plan")
            self._db.executemany(
                "INSERT INTO whole_plan (clip, model, prompt, seed, path, shard) VALUES (?, ?, ?, ?, ?, ?)",
                ((c.id, c.model, c.prompt.id, c.request.seed, c.path, shard) for c, shard in whole),
            )
        for path in old_names:
            path.unlink(missing_ok=True)
        return replaced

    def _drop_unlisted(self, plan: Plan, clips: Sequence[PlannedClip]) -> int:
        """Replace clips of rows whose plan lists all that they have, and lists them no longer: a file that was taken
        away, or a prompt that had none and has one of another seed now."""
        listed = {model.label for model in plan.models if model.listed}
        asked = {clip.place for clip in clips}
        gone = [
            (id, state)
            for id, state, *place in self._db.execute(
                "SELECT id, state, model, prompt, seed FROM clips WHERE state != 'replaced'"
            )
            if place[0] in listed and tuple(place) not in asked
        ]
        self._db.executemany("UPDATE clips SET state = 'replaced' WHERE id = ?", ((id,) for id, _ in gone))
        return sum(state == "made" for _, state in gone)

    def _add_clips(self, clips: Sequence[PlannedClip]) -> int:
        held = {tuple(place): (id, state) for id, state, *place in self._db.execute(
            "SELECT id, state, model, prompt, seed FROM clips WHERE state != 'replaced'"
        )}  # fmt: skip
        replaced = 0
        for clip in clips:
            id, state = held.get(clip.place, (None, None))
            if id == clip.id:
                continue
            if id is not None:
                self._db.execute("UPDATE clips SET state = 'replaced' WHERE id = ?", (id,))
                replaced += state == "made"
            # A file that changed and changed back is the clip it was before.
            self._db.execute(
                "INSERT INTO clips (id, model, prompt, seed, path, state) VALUES (?, ?, ?, ?, ?, 'planned') "
                "ON CONFLICT (id) DO UPDATE SET state = CASE WHEN content IS NULL THEN 'planned' ELSE 'made' END",
                (clip.id, *clip.place, clip.path),
            )
        return replaced

    def freeze(self, config: str) -> None:
        """Keep the configuration beside the database, for the reader; the database is what counts."""
        try:
            replace_file(self.folder / "config.yaml", config)
        except OSError as error:
            raise UsageError(
                f"cannot write {self.folder}/config.yaml: {error.strerror}; free disk space or fix permissions"
            ) from error

    def refuse_changes(self, plan: Plan, about: Mapping[str, str]) -> None:
        """Raise UsageError if the folder holds something else under the names that a plan uses."""
        held = self.about()
        advice = "use another folder (--out)"
        for name in ("suite", "duration"):
            if name in held and held[name] != about[name]:
                was, now_is = (seconds_text(v) if name == "duration" else v for v in (held[name], about[name]))
                raise UsageError(f"{self.folder} holds a run with {name} {was}, not {now_is}; {advice}")
        models = {row[0]: row[1:] for row in self._db.execute("SELECT label, fingerprint, identity, rate FROM models")}
        for model in plan.models:
            if (
                model.label in models
                and models[model.label][0] != model.fingerprint
                and not is_former(models[model.label][1], model)
            ):
                place, was, now_is = first_difference(json.loads(models[model.label][1]), model.identity)
                raise UsageError(
                    f"{self.folder} holds another model '{model.label}': {place} was {was}, is now {now_is}; "
                    f"rename it with 'as:' or {advice}"
                )
            if model.label in models and models[model.label][2] != model.rate:
                raise UsageError(
                    f"{self.folder} holds clips of '{model.label}' at {models[model.label][2]} Hz, not {model.rate}; "
                    f"rename it with 'as:' or {advice}"
                )
        held_by = dict(self._db.execute("SELECT id, model FROM clips"))
        for clip in plan.clips:
            if held_by.get(clip.id, clip.model) != clip.model:
                raise UsageError(
                    f"{self.folder} holds the clips of '{clip.model}' already, as those of '{held_by[clip.id]}': the "
                    f"same model with the same parameters; take '{clip.model}' out, or {advice}"
                )
        prompts = {row[0]: row[1:] for row in self._db.execute("SELECT id, text, genre, level, bpm, key FROM prompts")}
        for p in plan.suite.prompts:
            now = (p.text, p.genre, p.level, p.bpm, p.key)
            if p.id in prompts and prompts[p.id] != now:
                old, new = next((a, b) for a, b in zip(prompts[p.id], now, strict=True) if a != b)
                raise UsageError(
                    f"{self.folder} holds another prompt '{p.id}': {old!r}, now {new!r}; "
                    f"raise the suite's version and {advice}"
                )

    # -- clips ---------------------------------------------------------------------------------------------------

    def tidy(self) -> None:
        """Make files and rows agree: remove audio that no row vouches for, plan again what has lost its audio."""
        on_disk = {file.relative_to(self.folder).as_posix() for file in (self.folder / "audio").glob("*/*")}
        made = {path for (path,) in self._db.execute("SELECT path FROM clips WHERE content IS NOT NULL")}
        # Where a disk knows no case, the folder of the models "A" and "a" is one, and listed under one of the names.
        ours = {path.casefold() for path in made}
        for path in on_disk - made:
            if path.casefold() not in ours and _OUR_FILE.fullmatch(Path(path).name):
                (self.folder / path).unlink(missing_ok=True)
        lost = {path for path in made - on_disk if not (self.folder / path).exists()}
        with self._transaction():
            for path in lost:
                self._db.execute(
                    "UPDATE clips SET content = NULL, state = CASE state WHEN 'made' THEN 'planned' ELSE state END "
                    "WHERE path = ?",
                    (path,),
                )

    def unmade(self) -> set[str]:
        """Ids of the clips that are planned or failed."""
        return {id for (id,) in self._db.execute("SELECT id FROM clips WHERE state IN ('planned', 'failed')")}

    def record_clips(self, results: Iterable[ClipMade | ClipFailed]) -> None:
        """Store the results of one task in one transaction. A clip whose sound changed loses its old scores."""
        with self._transaction():
            for result in results:
                if isinstance(result, ClipFailed):
                    self._db.execute(
                        "UPDATE clips SET state = 'failed', error = ? WHERE id = ?",
                        (result.error, result.clip),
                    )
                    continue
                (before,) = self._db.execute("SELECT content FROM clips WHERE id = ?", (result.clip,)).fetchone()
                if before != result.content:
                    self._db.execute("DELETE FROM scores WHERE clip = ?", (result.clip,))
                self._db.execute(
                    "UPDATE clips SET state = 'made', content = ?, rate = ?, channels = ?, frames = ?, peak = ?, "
                    "gain = ?, seconds = ?, error = NULL, provenance = ? WHERE id = ?",
                    (
                        result.content,
                        result.rate,
                        result.channels,
                        result.frames,
                        result.peak,
                        result.gain,
                        result.seconds,
                        canonical_json(result.provenance),
                        result.clip,
                    ),
                )
                self._db.execute("DELETE FROM notes WHERE clip = ?", (result.clip,))
                if result.notes is not None:
                    self._db.execute("INSERT INTO notes VALUES (?, ?)", (result.clip, result.notes))

    def made(self, ids: set[str] | None = None) -> list[StoredClip]:
        """Clips whose audio exists, in the order in which they were planned; only those in ``ids`` if given."""
        rows = self._db.execute(
            "SELECT id, model, prompt, seed, path, content, CAST(frames AS REAL) / rate, notes "
            "FROM clips LEFT JOIN notes ON clip = id "
            "WHERE state = 'made' ORDER BY clips.rowid"
        )
        return [StoredClip(*row) for row in rows if ids is None or row[0] in ids]

    def held(self, plan: Plan) -> tuple[set[str], dict[str, set[ScoreKey]]]:
        """Ids of the clips that exist, and by id what they are scored with, once `adopt` has given a plan's its ids."""
        today = present_ids(self._db, plan)
        made = {today.get(clip.id, clip.id) for clip in self.made()}
        return made, {today.get(id, id): keys for id, keys in self.scored().items()}

    def trained_on(self) -> dict[str, frozenset[str]]:
        """By model, the content hashes of the recordings that it is known to have been trained on."""
        rows = self._db.execute("SELECT label, trained_on FROM models ORDER BY position")
        return {label: frozenset(json.loads(hashes)) for label, hashes in rows}

    def prompts(self) -> dict[str, Prompt]:
        """The prompts by id, in the order of their suite."""
        rows = self._db.execute("SELECT id, text, genre, level, bpm, key FROM prompts ORDER BY rowid")
        return {row[0]: Prompt(*row) for row in rows}

    def seconds_per_clip(self) -> dict[str, float]:
        """Mean time that a clip of each model took to make, in seconds."""
        return dict(self._db.execute("SELECT model, AVG(seconds) FROM clips WHERE seconds IS NOT NULL GROUP BY model"))

    def failures(self) -> list[Failure]:
        """A row for each clip, score, embedding and set metric that failed."""
        clip = "clips.prompt || ', seed ' || clips.seed"
        same = "metrics.name = metric AND metrics.version = s.version AND metrics.params_hash = s.params_hash"
        queries = (
            f"SELECT model, '', {clip}, error FROM clips WHERE state = 'failed' ORDER BY rowid",
            f"SELECT model, metric, {clip}, s.error FROM scores AS s JOIN clips ON clips.id = clip "
            f"JOIN metrics ON {same} AND metrics.embedder = s.embedder "
            "WHERE s.error IS NOT NULL AND state = 'made' AND shown ORDER BY clips.rowid, metrics.position",
            f"SELECT model, 'embedding', {clip}, e.error FROM embeddings AS e JOIN clips USING (content) "
            "WHERE e.error IS NOT NULL AND state = 'made' ORDER BY clips.rowid",
            f"SELECT DISTINCT model, metric, '', s.error FROM set_scores AS s JOIN metrics ON {same} "
            "AND metrics.embedder = s.embedder AND metrics.reference = s.reference WHERE s.error IS NOT NULL AND shown",
        )
        return [Failure(*row) for query in queries for row in self._db.execute(query)]

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a reading query; the tables are described in ``schema.sql``."""
        return self._db.execute(query, parameters).fetchall()

    @contextmanager
    def joined(self, other: Path) -> Iterator[sqlite3.Connection]:
        """One transaction on this run in which the database of another run folder can be read as ``other``."""
        self._db.execute("ATTACH ? AS other", (str(other.resolve() / "run.db"),))
        try:
            with self._transaction():
                yield self._db
        finally:
            self._db.execute("DETACH other")


def _printable(params: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str | int | float | bool | None) else str(value)
        for name, value in params.items()
    }
