"""Digests of a run's rows: readers can verify that rows are unchanged.

The rows of a table stand in blocks, such as the scores of one clip. The table ``digests`` holds of each block how many
rows there are, a digest of them, and a checksum of that very row. Whoever writes rows has triggers note their blocks,
and writes the digests of these before the transaction ends. The triggers belong to the connection and not to the file,
so that nothing but tunebench keeps the digests: an edit by hand shows as damage does.
"""

from __future__ import annotations

import marshal
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal

from bench import interrupts

_SEPARATED = " || '|' || "
SELF_CHECKED = frozenset({"digests", "set_tests"})
"""Tables whose rows each carry their own digest. A test of a difference that is damaged is made again in seconds."""

SCHEMA = "sqlite_master"
"""The key of the digest of the tables' definitions."""


@dataclass(frozen=True)
class _Blocks:
    """Division of a table into blocks: rows with equal ``key`` form one, and ``grouped`` scans them."""

    key: tuple[str, ...] = ()
    grouped: str = ""


# A block is what is made again together. The rows of any other table, which are few or written at once, are one block.
_BLOCKS: Mapping[str, _Blocks] = {
    "clips": _Blocks(("id",), "rowid"),
    "notes": _Blocks(("clip",), "rowid"),
    "scores": _Blocks(("clip",), "clip"),
    "embeddings": _Blocks(("content", "embedder", "view"), "rowid"),
}


@dataclass(frozen=True)
class Mismatch:
    """A block that does not match its digest.

    Attributes:
        table: its table.
        block: its key, joined by ``|``; empty where the table is one block.
        kind: ``rows``: they were edited or damaged; ``digest``: the rows are as they were written, their digest is
            not; ``lost``: a digest without rows; ``added``: rows without a digest.
    """

    table: str
    block: str
    kind: Literal["rows", "digest", "lost", "added"]

    def __str__(self) -> str:
        what = f"{self.table} of {self.block[:16]}" if self.block else self.table
        return {
            "rows": f"{what}: edited or damaged",
            "digest": f"{what}: the digest is damaged, the rows are not",
            "lost": f"{what}: lost",
            "added": f"{what}: not written by tunebench, or their digest is lost",
        }[self.kind]


class _RowsDigest:
    """An aggregate function of SQL: the digest of rows in the order in which they are given."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=16)

    def step(self, *row: float | str | bytes | None) -> None:
        # It tells numbers, texts and blobs apart and keeps every bit. Version 2 of it depends on the values alone.
        self._hash.update(marshal.dumps(row, 2))

    def finalize(self) -> str:
        return self._hash.hexdigest()


def digested_tables(db: sqlite3.Connection) -> list[str]:
    """Return the tables whose rows have digests in the table of digests: all of a run but `SELF_CHECKED`."""
    rows = db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    return sorted({name for (name,) in rows} - SELF_CHECKED)


def mismatches(db: sqlite3.Connection, table: str) -> Iterator[Mismatch]:
    """Compare the rows of a table, or the definitions of all tables (`SCHEMA`), with their digests.

    Yields:
        The blocks that do not match.

    Raises:
        sqlite3.Error: the database is so damaged that they cannot be read.
    """
    stored = {
        block: (rows, digest, checksum)
        for block, rows, digest, checksum in db.execute(
            "SELECT block, rows, digest, checksum FROM main.digests WHERE table_name = ?", (table,)
        )
    }
    vouched: set[str] | None = None
    for block, rows, digest in _present(db, table):
        held, checksum = stored.pop(block, None), _checksum(table, block, rows, digest)
        if held == (rows, digest, checksum):
            continue
        if vouched is None:
            vouched = {value for (value,) in db.execute("SELECT checksum FROM main.digests")}
        # The checksum is of the digest and so of the rows: either of the two that is whole vouches for them.
        if checksum in vouched or (held is not None and held[:2] == (rows, digest)):
            yield Mismatch(table, block, "digest")
        else:
            yield Mismatch(table, block, "rows" if held else "added")
    for block, (rows, digest, checksum) in stored.items():
        yield Mismatch(table, block, "lost" if checksum == _checksum(table, block, rows, digest) else "digest")


def same_definitions(one: sqlite3.Connection, other: sqlite3.Connection) -> bool:
    """Return whether two databases have the same tables."""
    return _schema(one) == _schema(other)


@interrupts.held()
def write_digests(db: sqlite3.Connection) -> None:
    """Recompute the digests of all rows and of the tables' definitions, in the caller's transaction."""
    db.execute("DELETE FROM main.digests")
    for table in (SCHEMA, *digested_tables(db)):
        db.executemany(
            "INSERT INTO main.digests (table_name, block, rows, digest, checksum) VALUES (?, ?, ?, ?, ?)",
            [
                (table, block, rows, digest, _checksum(table, block, rows, digest))
                for block, rows, digest in _present(db, table)
            ],
        )


def remove_block(db: sqlite3.Connection, block: Mismatch) -> None:
    """Delete the existing rows of a block."""
    columns = _blocks(block.table).key
    where = f"{_SEPARATED.join(columns)} = ?" if columns else "? = ''"
    db.execute(f"DELETE FROM main.{block.table} WHERE {where}", (block.block,))


class ChangedBlocks:
    """The blocks that a connection has written to since their digests were last written.

    Args:
        db: open for writing, of the present layout. It is given triggers, which the file is not.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._keys: dict[str, dict[tuple[Any, ...], None]] = {}  # in order, so that equal runs are equal files
        db.create_function("note_change", -1, self._note)
        db.execute("PRAGMA recursive_triggers = ON")  # or REPLACE removes rows without a trigger
        self._present: dict[str, str] = {}  # by table, the query of one block as it is
        for table in digested_tables(db):
            where = " AND ".join(f"{column} = ?" for column in _blocks(table).key) or "true"
            self._present[table] = f"SELECT COUNT(*), {_digest(db, table)} FROM main.{table} WHERE {where}"
            for event, sides in (("INSERT", ("NEW",)), ("DELETE", ("OLD",)), ("UPDATE", ("OLD", "NEW"))):
                calls = (
                    f"SELECT note_change('{table}'{''.join(f', {side}.{column}' for column in _blocks(table).key)});"
                    for side in sides
                )
                db.execute(
                    f"CREATE TEMP TRIGGER digest_{table}_{event} AFTER {event} ON main.{table} "
                    f"BEGIN {' '.join(calls)} END"
                )

    def _note(self, table: str, *key: Any) -> None:
        self._keys.setdefault(table, {})[key] = None

    def write_digests(self) -> None:
        """Write the digests of the blocks that have changed, in the caller's transaction, before it is committed."""
        for table, keys in self._keys.items():
            for key in keys:
                rows, digest = self._db.execute(self._present[table], key).fetchone()
                block = _block(key)
                if rows:
                    self._db.execute(
                        "INSERT INTO main.digests (table_name, block, rows, digest, checksum) VALUES (?, ?, ?, ?, ?) "
                        "ON CONFLICT (table_name, block) DO UPDATE SET rows = excluded.rows, "
                        "digest = excluded.digest, checksum = excluded.checksum WHERE checksum != excluded.checksum",
                        (table, block, rows, digest, _checksum(table, block, rows, digest)),
                    )
                else:
                    self._db.execute("DELETE FROM main.digests WHERE table_name = ? AND block = ?", (table, block))
        self._keys.clear()

    def forget(self) -> None:
        """Discard changes after a rollback of the transaction."""
        self._keys.clear()


def _present(db: sqlite3.Connection, table: str) -> Iterator[tuple[str, int, str]]:
    """Yield the blocks of a table as they are: key, number of rows, digest."""
    if table == SCHEMA:
        yield "", *_schema(db)
        return
    key = "".join(f"{column}, " for column in _blocks(table).key)
    grouped = f" GROUP BY {_blocks(table).grouped}" if key else ""
    for *values, rows, digest in db.execute(f"SELECT {key}COUNT(*), {_digest(db, table)} FROM main.{table}{grouped}"):
        if rows:
            yield _block(values), rows, digest


def _schema(db: sqlite3.Connection) -> tuple[int, str]:
    """Return the definitions of the tables, and header fields that affect reading and writing of rows."""
    digest = _RowsDigest()
    rows = db.execute("SELECT type, name, tbl_name, sql FROM main.sqlite_master ORDER BY name, type").fetchall()
    for row in rows:
        digest.step(*row)
    for pragma in ("encoding", "auto_vacuum"):
        digest.step(pragma, *db.execute(f"PRAGMA main.{pragma}").fetchone())
    return len(rows), digest.finalize()


def _blocks(table: str) -> _Blocks:
    return _BLOCKS.get(table, _Blocks())


def _block(key: Any) -> str:
    return "|".join(map(str, key))


def _digest(db: sqlite3.Connection, table: str) -> str:
    """Return SQL for the digest of rows of a table, all of its columns."""
    db.create_aggregate("rows_digest", -1, _RowsDigest)  # type: ignore[arg-type]
    columns = db.execute(f"PRAGMA main.table_info({table})").fetchall()
    return f"rows_digest({', '.join(_as_bytes(name, kind) for _, name, kind, *_ in columns)})"


def _as_bytes(column: str, kind: str) -> str:
    """Return SQL for a value with its type, safe for Python even if text is not UTF-8.

    Texts where they belong become blobs, which is as fast as can be; what is in the wrong place becomes hexadecimal.
    """
    if kind == "TEXT":
        return f"CASE WHEN typeof({column}) = 'blob' THEN hex({column}) ELSE CAST({column} AS BLOB) END"
    return f"CASE WHEN typeof({column}) = 'text' THEN hex({column}) ELSE {column} END"


def _checksum(table: str, block: str, rows: int, digest: str) -> str:
    return blake2b(f"{table} {block} {rows} {digest}".encode(errors="replace"), digest_size=8).hexdigest()
