"""The run folder: a database of clips and scores beside the audio, written by one process at a time.

A row is written only after its file is complete and on disk, one transaction a result; so whatever moment a run dies,
what the database says is there is there.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bench.atomic_write import replace_file
from bench.contracts.prompt import Prompt
from bench.errors import UsageError
from bench.hashing import canonical_json
from bench.planning.plan import Plan
from bench.run_lock import take_lock
from bench.storage.clip_tables import ClipTables
from bench.storage.database import (
    as_of_now,
    explained,
    open_database,
    read_database,
    refuse_lost_database,
    undo_cut_off_change,
)
from bench.storage.digests import ChangedBlocks, digested_tables
from bench.storage.failures import Failure
from bench.storage.integrity import check_free_pages, check_integrity, readable_tables
from bench.storage.orphans import Settled, settle_orphans
from bench.storage.renaming import present_ids
from bench.storage.score_tables import ScoreTables
from bench.storage.task_results import ClipFailed, ClipMade
from bench.storage.validate import check_rows
from bench.storage.views import create_views


@dataclass(frozen=True, slots=True)
class StoredClip:
    """A clip whose audio exists.

    Attributes:
        id, model, prompt, seed: which clip it is.
        path: of its audio, relative to the run folder.
        content: hash of the decoded audio.
        duration: in seconds.
        notes: JSON of the notes that were played, where they are known.
    """

    id: str
    model: str
    prompt: str
    seed: int
    path: str
    content: str
    duration: float
    notes: str | None


class Store(ClipTables, ScoreTables):
    """The database and files of a run folder. Open it with `Store.open` or `Store.read`.

    Used in a ``with`` statement, it turns SQLite's errors into those of `bench.storage.database.explained`.
    """

    def __init__(self, folder: Path, connection: sqlite3.Connection, lock: IO[str] | None) -> None:
        self.folder = folder
        self._db = connection
        self._lock = lock

    @classmethod
    def open(cls, folder: Path, anew: bool = False) -> Store:
        """Open a run folder for writing, making it if it does not exist.

        Args:
            folder: the run's.
            anew: begin a new database although there is audio of a lost one, to repair the run.

        Raises:
            UsageError: another driver is at work in it, or it cannot be written to.
            DataError: its database is lost, damaged or of a newer tunebench.
        """
        lock = take_lock(folder)
        try:
            if not anew:
                undo_cut_off_change(folder)
                refuse_lost_database(folder)
            connection = open_database(folder)
            with explained(folder):
                tables = digested_tables(connection)
            check_integrity(folder, connection, tables)
            check_free_pages(folder, connection)
            create_views(connection)
            store = cls(folder, connection, lock)
            store._changed = ChangedBlocks(connection)
            return store
        except BaseException:
            lock.close()
            raise

    @classmethod
    def read(cls, folder: Path) -> Store:
        """Open a snapshot of a run folder for reading; the run may be in progress.

        Raises:
            UsageError: there is no run in that folder, or it cannot be read.
            DataError: its database is damaged, holds what no run holds, or is of a newer tunebench.
        """
        connection = read_database(folder)
        try:
            with explained(folder):
                connection = as_of_now(folder, connection)
                create_views(connection)
                tables = readable_tables(connection)
                unchecked = frozenset(digested_tables(connection)) - tables
            check_integrity(folder, connection, tables)
            check_rows(folder, connection)
        except BaseException:
            connection.close()
            raise
        store = cls(folder, connection, None)
        store._unchecked = unchecked
        return store

    def close(self) -> None:
        """Close the database; its data are then in ``run.db`` itself, unless it is being read.

        Raises:
            UsageError: a large database that nobody was writing changed while it was read.
        """
        if self._lock:
            with suppress(sqlite3.Error):  # a full disk: the log stays, and holds it
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
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

    def freeze(self, config: str) -> None:
        """Store the configuration, as YAML, beside the database for people; the database is authoritative.

        Raises:
            UsageError: the file cannot be written.
        """
        try:
            replace_file(self.folder / "config.yaml", config)
        except OSError as error:
            raise UsageError(
                f"cannot write {self.folder}/config.yaml: {error.strerror}; free disk space or fix permissions"
            ) from error

    def record_clips(self, results: Iterable[ClipMade | ClipFailed]) -> None:
        """Store the results of one task in one transaction. A clip whose sound changed loses its old scores."""
        with self._transaction():
            for result in results:
                if isinstance(result, ClipFailed):
                    self._db.execute(
                        "UPDATE clips SET state = 'failed', error = ?, provenance = ? WHERE id = ?",
                        (result.error, canonical_json({"tries": result.tries}), result.clip),
                    )
                    continue
                (before,) = self._db.execute("SELECT content FROM clips WHERE id = ?", (result.clip,)).fetchone()
                if before != result.content:
                    self._db.execute("DELETE FROM scores WHERE clip = ?", (result.clip,))
                self._db.execute(
                    "UPDATE clips SET state = CASE state WHEN 'replaced' THEN state ELSE 'made' END, "
                    "content = ?, rate = ?, channels = ?, frames = ?, peak = ?, "
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

    def tidy(self) -> Settled:
        """Make files and rows consistent: plan clips with lost audio again, and adopt or set aside audio without a row.

        Raises:
            UsageError: a file cannot be moved.
        """
        self.plan_lost()
        return self.settle_orphans()

    def settle_orphans(self) -> Settled:
        """Adopt audio without a row if it is a clip's, and set the rest aside.

        Raises:
            UsageError: a file cannot be moved.
        """
        known = {path for (path,) in self._db.execute("SELECT path FROM clips WHERE content IS NOT NULL")}
        wanted = dict(self._db.execute("SELECT id, path FROM clips WHERE content IS NULL"))
        try:
            settled = settle_orphans(self.folder, known, wanted)
        except OSError as error:
            raise UsageError(
                f"cannot move {error.filename}: {error.strerror}; nothing is lost: free disk space or fix permissions, "
                "then run the same command again"
            ) from error
        self.record_clips(settled.adopted)
        return settled

    def made(self, ids: set[str] | None = None) -> list[StoredClip]:
        """Return clips whose audio exists, in the order in which they were planned; only those in ``ids`` if given.

        Raises:
            DataError: the notes are damaged.
        """
        self.check("notes")
        rows = self._db.execute(
            "SELECT id, model, prompt, seed, path, content, CAST(frames AS REAL) / rate, notes "
            "FROM clips LEFT JOIN notes ON clip = id "
            "WHERE state = 'made' ORDER BY clips.rowid"
        )
        return [StoredClip(*row) for row in rows if ids is None or row[0] in ids]

    def made_ids(self) -> set[str]:
        """Return ids of the clips whose audio exists."""
        return {id for (id,) in self._db.execute("SELECT id FROM clips WHERE state = 'made'")}

    def present_ids(self, plan: Plan) -> dict[str, str]:
        """Return the ids that `adopt` will give to clips named as in an older layout."""
        return present_ids(self._db, plan)

    def labels(self) -> list[str]:
        """Return the models of the run, in their order."""
        return [label for (label,) in self._db.execute("SELECT label FROM models ORDER BY position")]

    def model_identities(self) -> dict[str, dict[str, Any]]:
        """Return the identity of each model, in order."""
        rows = self._db.execute("SELECT label, identity FROM models ORDER BY position")
        return {label: json.loads(identity) for label, identity in rows}

    def trained_on(self) -> dict[str, frozenset[str]]:
        """Return, by model, the content hashes of its known training recordings."""
        rows = self._db.execute("SELECT label, trained_on FROM models ORDER BY position")
        return {label: frozenset(json.loads(hashes)) for label, hashes in rows}

    def plays(self) -> dict[str, frozenset[str]]:
        """Return, by model, the content hashes of the recordings that its clips come from."""
        rows = self._db.execute("SELECT label, plays FROM models ORDER BY position")
        return {label: frozenset(json.loads(hashes)) for label, hashes in rows}

    def prompts(self) -> dict[str, Prompt]:
        """Return the prompts by id, in the order of their suite.

        Raises:
            DataError: one is not as a suite may hold it.
        """
        rows = self._db.execute("SELECT id, text, genre, level, bpm, key, lyrics FROM prompts ORDER BY rowid")
        return {row[0]: Prompt(*row) for row in rows}

    def seconds_per_clip(self) -> dict[str, float]:
        """Return mean time that a clip of each model took to make, in seconds."""
        return dict(self._db.execute("SELECT model, AVG(seconds) FROM clips WHERE seconds IS NOT NULL GROUP BY model"))

    def failures(self) -> list[Failure]:
        """Return a row for each clip, score, embedding and set metric that failed."""
        self.check("embeddings")
        clip = "prompt || ', seed ' || seed"
        queries = (
            f"SELECT model, '', {clip}, error FROM clips WHERE state = 'failed' ORDER BY rowid",
            f"SELECT model, metric, {clip}, error FROM held_scores WHERE error IS NOT NULL ORDER BY place, position",
            f"SELECT model, 'embedding', {clip}, e.error FROM embeddings AS e JOIN clips USING (content) "
            "WHERE e.error IS NOT NULL AND state = 'made' ORDER BY clips.rowid",
            "SELECT DISTINCT model, metric, '', error FROM shown_set_scores WHERE error IS NOT NULL",
        )
        return [Failure(*row) for query in queries for row in self._db.execute(query)]

    @contextmanager
    def joined(self, other: Path) -> Iterator[sqlite3.Connection]:
        """Make one transaction on this run, in which the database of another run folder can be read as ``other``.

        Yields:
            The connection to this run's database.
        """
        self._db.execute("ATTACH ? AS other", (str(other.resolve() / "run.db"),))
        try:
            with self._transaction():
                yield self._db
        finally:
            self._db.execute("DETACH other")
