"""The steps that bring a run's database from each older layout to the next.

They change tables and how values are written; what clips, models and scores are called needs what is installed, and is
brought up to date by `bench.storage.renaming` when a run goes on.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Mapping

from bench.contracts.notice import Notice
from bench.errors import DataError
from bench.hashing import canonical_json
from bench.planning.former_identity import view_of_words

_SECONDS = re.compile(r"([0-9.e+-]+) s")


def _to_2(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE models ADD COLUMN trained_on TEXT NOT NULL DEFAULT '[]'")


def _to_3(db: sqlite3.Connection) -> None:
    """Genre and level become optional; views, warnings and the duration become data; digests have a table."""
    # SQLite changes no column's rules. References to the table are by its name, which is the same afterwards.
    for statement in (
        "CREATE TABLE prompts_3 (id TEXT PRIMARY KEY, text TEXT NOT NULL, genre TEXT, level INTEGER, bpm REAL, "
        "key TEXT)",
        "INSERT INTO prompts_3 (rowid, id, text, genre, level, bpm, key) "
        "SELECT rowid, id, text, genre, level, bpm, key FROM prompts",
        "DROP TABLE prompts",
        "ALTER TABLE prompts_3 RENAME TO prompts",
        "CREATE TABLE digests (table_name TEXT NOT NULL, block TEXT NOT NULL, rows INTEGER NOT NULL, "
        "digest TEXT NOT NULL, PRIMARY KEY (table_name, block)) WITHOUT ROWID",
    ):
        db.execute(statement)
    for table in ("metrics", "embeddings"):
        for (view,) in db.execute(f"SELECT DISTINCT view FROM {table}").fetchall():
            db.execute(f"UPDATE {table} SET view = ? WHERE view = ?", (view_of_words(view), view))
    for (warnings,) in db.execute("SELECT DISTINCT warnings FROM set_scores").fetchall():
        db.execute("UPDATE set_scores SET warnings = ? WHERE warnings = ?", (_notices(warnings), warnings))
    for (duration,) in db.execute("SELECT value FROM about WHERE name = 'duration'").fetchall():
        db.execute("UPDATE about SET value = ? WHERE name = 'duration'", (_seconds(duration),))


def _to_4(db: sqlite3.Connection) -> None:
    """Digests are written, those of the rows that are there by whoever upgrades; tests of set metrics have a table."""
    for statement in (
        "DROP TABLE digests",
        "CREATE TABLE digests (table_name TEXT NOT NULL, block TEXT NOT NULL, rows INTEGER NOT NULL, "
        "digest TEXT NOT NULL, checksum TEXT NOT NULL, PRIMARY KEY (table_name, block)) WITHOUT ROWID",
        "CREATE TABLE set_tests (key TEXT PRIMARY KEY, test TEXT NOT NULL, digest TEXT NOT NULL) WITHOUT ROWID",
    ):
        db.execute(statement)


def _to_5(db: sqlite3.Connection) -> None:
    """Prompts may have lyrics."""
    db.execute("ALTER TABLE prompts ADD COLUMN lyrics TEXT")


STEPS: Mapping[int, Callable[[sqlite3.Connection], None]] = {1: _to_2, 2: _to_3, 3: _to_4, 4: _to_5}
"""By layout, what makes the next one of it, inside a transaction and with foreign keys off."""


def _notices(warnings: str) -> str:
    try:
        texts = json.loads(warnings)
        if not (isinstance(texts, list) and all(isinstance(text, str) for text in texts)):
            raise ValueError("not a list of texts")
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"warnings in set_scores: {warnings!r:.60}") from error
    return canonical_json([Notice.of_sentence(text).as_json() for text in texts])


def _seconds(duration: str) -> str:
    try:
        found = _SECONDS.fullmatch(duration)
        return canonical_json(float(found[1])) if found else duration
    except ValueError:
        return duration
