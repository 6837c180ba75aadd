"""Rebuild a run's database from its rows, so that nothing else of the file is copied.

What was replaced, the plans of shards, the embeddings and scores that no table shows are left out: the first has no
audio in a bundle, the second no use there, the third are large and recomputed from the audio, and it is unknown
whether the last are right.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from bench.errors import DataError
from bench.storage.database import open_database
from bench.storage.digests import write_digests

TABLES = ("about", "models", "prompts", "clips", "notes", "metrics", "scores", "set_scores")
"""All tables of a bundle, each after those that it refers to."""

_STANDING = "IN (SELECT id FROM clips WHERE state != 'replaced')"
_SHOWN = (
    "EXISTS (SELECT 1 FROM metrics AS m WHERE shown AND m.name = metric AND m.version = {0}.version "
    "AND m.params_hash = {0}.params_hash AND m.embedder = {0}.embedder AND m.reference = {0}.reference AND "
)
_ROWS = {
    "clips": "state != 'replaced'",
    "notes": f"clip {_STANDING}",
    "metrics": "shown",
    "scores": f"clip IN (SELECT id FROM clips WHERE state = 'made') AND {_SHOWN.format('scores')}NOT of_sets)",
    "set_scores": f"model IN (SELECT model FROM clips WHERE state = 'made') AND {_SHOWN.format('set_scores')}of_sets)",
}
_ORDER = {"scores": "clip, metric, version, params_hash, embedder, reference"}  # it has no rowid
_KINDS: dict[str, type | tuple[type, ...]] = {"TEXT": str, "INTEGER": int, "REAL": (float, int)}


def copy_rows(source: sqlite3.Connection, folder: Path, tables: Collection[str] = TABLES, every: bool = False) -> None:
    """Write a new ``run.db`` into a folder, with the rows of some tables of another database.

    All rows are read in one transaction, so the source may be in use. The same rows give the same bytes.

    Args:
        source: the other database.
        folder: the target folder.
        tables: some of `TABLES`.
        every: refuse a source with rows that would be left out.

    Raises:
        DataError: a value has the wrong type, or a row refers to a missing one; the source is not trusted.
        sqlite3.Error: the source cannot be read, or breaks a rule of the schema.
    """
    source.execute("BEGIN")
    target = open_database(folder)
    try:
        target.execute("BEGIN")
        for table in (name for name in TABLES if name in tables):
            _copy_table(source, target, table)
            counts = [db.execute(f"SELECT COUNT(*) FROM {table}").fetchone() for db in (source, target)]
            if every and counts[0] != counts[1]:
                raise DataError(f"its table {table} has extra rows, which belong to no shown clip or metric")
        # In the order shown, without gaps for omitted ones.
        target.execute(
            "UPDATE metrics SET position = (SELECT COUNT(*) FROM metrics AS m WHERE m.position < metrics.position)"
        )
        write_digests(target)
        target.execute("COMMIT")
        target.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.IntegrityError as error:
        raise DataError(f"its rows contradict each other ({error})") from None
    finally:
        target.close()
        source.rollback()


def _copy_table(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> None:
    columns = [(name, kind) for _, name, kind, *_ in target.execute(f"PRAGMA table_info({table})")]
    wanted = [name for name, _ in columns]
    which, order = _ROWS.get(table, "true"), _ORDER.get(table, "rowid")
    rows = source.execute(f"SELECT {', '.join(wanted)} FROM {table} WHERE {which} ORDER BY {order}")
    insert = f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})"

    def checked() -> Iterator[tuple[Any, ...]]:
        for row in rows:
            for value, (name, kind) in zip(row, columns, strict=True):
                # SQLite allows any type in any column.
                if value is not None and not isinstance(value, _KINDS[kind]):
                    raise DataError(f"{table}.{name} has {type(value).__name__} instead of {kind}")
            yield row

    target.executemany(insert, checked())
