"""A run's database built anew from its rows, so that nothing of the file that they were in comes along.

What was replaced, the plans of shards and the embeddings are left out: the one has no audio in a bundle, the other no
use, and the last are large and made of the audio again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from pathlib import Path

from bench.database import open_database
from bench.errors import DataError

TABLES = ("about", "models", "prompts", "clips", "notes", "metrics", "scores", "set_scores")
"""All that a bundle holds, each after those that it refers to."""

_STANDING = "IN (SELECT id FROM clips WHERE state != 'replaced')"
_ROWS = {"clips": "state != 'replaced'", "notes": f"clip {_STANDING}", "scores": f"clip {_STANDING}"}
_ORDER = {"scores": "clip, metric, version, params_hash, embedder"}  # it has no rowid
_KINDS: dict[str, type | tuple[type, ...]] = {"TEXT": str, "INTEGER": int, "REAL": (float, int)}
# What a column of a later layout holds for a run of an earlier one.
_BEFORE = {"trained_on": "[]"}
_AT_ONCE = 10_000


def copy_rows(source: sqlite3.Connection, folder: Path, tables: Collection[str] = TABLES) -> None:
    """Write ``run.db`` into a folder that has none, with the rows of some tables of another database.

    All is read in one transaction, so a driver may be at work on the source. The same rows give the same bytes.

    Raises:
        DataError: a value that its column does not take; the source is not trusted.
        sqlite3.Error: the source cannot be read, or breaks a rule of the schema.
    """
    source.execute("BEGIN")
    target = open_database(folder)
    try:
        target.execute("BEGIN")
        for table in (name for name in TABLES if name in tables):
            _copy_table(source, target, table)
        target.execute("COMMIT")
        target.execute("PRAGMA journal_mode = DELETE")
    finally:
        target.close()
        source.rollback()


def _copy_table(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> None:
    columns = [(name, kind) for _, name, kind, *_ in target.execute(f"PRAGMA table_info({table})")]
    there = {name for _, name, *_ in source.execute(f"PRAGMA table_info({table})")}
    wanted = [name if name in there or name not in _BEFORE else f"'{_BEFORE[name]}'" for name, _ in columns]
    which, order = _ROWS.get(table, "true"), _ORDER.get(table, "rowid")
    rows = source.execute(f"SELECT {', '.join(wanted)} FROM {table} WHERE {which} ORDER BY {order}")
    insert = f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})"
    while batch := rows.fetchmany(_AT_ONCE):
        for row in batch:
            for value, (name, kind) in zip(row, columns, strict=True):
                # SQLite itself lets any column hold anything.
                if value is not None and not isinstance(value, _KINDS[kind]):
                    raise DataError(f"{table}.{name} holds {type(value).__name__} where {kind} belongs")
        target.executemany(insert, batch)
