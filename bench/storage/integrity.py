"""Check a run's database: its structure, and each block of rows against its digest."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path

from bench import interrupts
from bench.storage.database import damaged, explained
from bench.storage.digests import SCHEMA, Mismatch, digested_tables, mismatches

LARGE = frozenset({"embeddings", "notes", "whole_plan"})
"""Large tables that readers rarely need."""


@interrupts.held()  # SQLite calls into Python for each row, and takes an interrupt there for damage
def check_integrity(folder: Path, db: sqlite3.Connection, tables: Collection[str]) -> None:
    """Check that the rows of tables, and the definitions of all, are unchanged; ``folder`` is for the message.

    Raises:
        DataError: a block of rows is damaged or was edited, or the file is damaged; the message names the first.
        UsageError: SQLite cannot use the file for another reason.
    """
    with explained(folder):
        for table in (SCHEMA, *sorted(tables)):
            for found in damage_of(db, table):
                raise damaged(folder, found)


def check_free_pages(folder: Path, db: sqlite3.Connection) -> None:
    """Check that later writes go to free pages; ``folder`` is for the message.

    Raises:
        DataError: the list of free pages is damaged.
        UsageError: SQLite cannot use the file for another reason.
    """
    with explained(folder):
        (free,) = db.execute("PRAGMA main.freelist_count").fetchone()
        for (line,) in db.execute("PRAGMA main.quick_check") if free else ():
            if line != "ok":
                raise damaged(folder, line)


def damage_of(db: sqlite3.Connection, table: str) -> Iterator[Mismatch | str]:
    """Compare a table, or the definitions of all (`SCHEMA`), with the digests, and the table's indexes with its rows.

    Yields:
        Blocks that differ, and what is wrong with the structure of the file, in words.

    Raises:
        sqlite3.Error: something cannot be read at all.
    """
    yield from mismatches(db, table)
    # Rows are found by indexes, which no digest is of. A table without rowid is itself the only one that it has.
    if table != SCHEMA and not _without_rowid(db, table):
        for (line,) in db.execute(f"PRAGMA main.integrity_check({table})").fetchall():
            if line != "ok":
                yield f"{table}: {line}"


def readable_tables(db: sqlite3.Connection) -> set[str]:
    """Return the tables that every reader needs."""
    return set(digested_tables(db)) - LARGE


def _without_rowid(db: sqlite3.Connection, table: str) -> bool:
    rows = db.execute("SELECT 1 FROM main.sqlite_master WHERE type = 'index' AND tbl_name = ?", (table,))
    return rows.fetchone() is None
