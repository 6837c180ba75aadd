"""Copy the undamaged part of a database to a new one.

All rows that can be read are copied, with their digests; then those that the digests do not vouch for are removed. So
damage to indexes, definitions, pages and rows is one case.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.errors import DataError
from bench.storage.clip_tables import PLAN_AGAIN
from bench.storage.database import open_database, upgrade
from bench.storage.digests import (
    SCHEMA,
    SELF_CHECKED,
    Mismatch,
    digested_tables,
    mismatches,
    remove_block,
    same_definitions,
    write_digests,
)

# Rows of a table that is one block are not told apart, so all of them go.
_OF_CLIPS = ("scores", "notes")


@dataclass(frozen=True)
class Salvaged:
    """Parts of the damaged database missing in the new one.

    Attributes:
        removed: blocks that were damaged or lost.
        vouched: False where the digests were lost, so that rows were taken as they are.
    """

    removed: tuple[Mismatch, ...]
    vouched: bool

    def lacks(self, *tables: str) -> bool:
        """Return whether rows of one of these tables are lost."""
        return any(block.table in tables for block in self.removed)


def salvage(damaged: Path, folder: Path) -> Salvaged:
    """Write a new ``run.db`` with the undamaged part of a damaged database.

    Args:
        damaged: the damaged file, which is modified.
        folder: for the new file.

    Raises:
        UsageError: the disk takes no more.
        DataError: it is of a newer tunebench.
    """
    target = open_database(folder)
    try:
        target.execute("PRAGMA foreign_keys = OFF")
        _upgrade(damaged, target)
        _restore_definitions(damaged, target)
        target.execute("BEGIN")
        target.execute("DELETE FROM digests")
        tables = digested_tables(target)
        complete = _copy(damaged, target, "digests")
        for table in (*tables, *(SELF_CHECKED - {"digests"})):
            _copy(damaged, target, table)
        complete = complete and target.execute("SELECT 1 FROM digests").fetchone() is not None
        found = [block for table in tables for block in mismatches(target, table) if block.kind != "digest"]
        # Rows without a digest are somebody else's, unless digests are lost and the rows are not where the damage is.
        trusted = {table for table in tables if not complete and _is_sound(damaged, table)}
        removed = [block for block in found if block.kind != "added" or block.table not in trusted]
        for block in removed:
            remove_block(target, block)
            if block.table == "notes":  # its audio may hold them, or the clip is made again
                target.execute(PLAN_AGAIN, (block.block,))
        if not target.execute("SELECT 1 FROM models").fetchone():
            removed.append(Mismatch("models", "", "lost"))
        for table in _OF_CLIPS:
            target.execute(f"DELETE FROM {table} WHERE clip NOT IN (SELECT id FROM clips)")
        write_digests(target)
        target.execute("COMMIT")
    finally:
        target.close()
    return Salvaged(tuple(removed), set(found) <= set(removed))


def _upgrade(damaged: Path, target: sqlite3.Connection) -> None:
    """Upgrade a database of an older layout, if readable; refuse one of a newer layout."""
    with closing(sqlite3.connect(damaged)) as old:
        try:
            (layout,) = old.execute("PRAGMA user_version").fetchone()
            (present,) = target.execute("PRAGMA user_version").fetchone()
            if 1 <= layout < present:
                upgrade(damaged.parent, old)
            # The number alone may be damaged.
            newer = layout > present and not any(mismatches(old, SCHEMA)) and not same_definitions(old, target)
        except (sqlite3.Error, UnicodeDecodeError, DataError):
            return
    if newer:
        raise DataError(f"run.db has layout {layout}, this version knows {present}; use the version that wrote it")


def _restore_definitions(damaged: Path, target: sqlite3.Connection) -> None:
    """Give the damaged database the tables' definitions as they should be, as far as their names can be read."""
    rows = target.execute("SELECT type, tbl_name, sql, name FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    with suppress(sqlite3.Error, UnicodeDecodeError), closing(sqlite3.connect(damaged, isolation_level=None)) as old:
        old.execute("PRAGMA writable_schema = ON")
        old.executemany("UPDATE sqlite_master SET type = ?, tbl_name = ?, sql = ? WHERE name = ?", rows)


def _copy(damaged: Path, target: sqlite3.Connection, table: str) -> bool:
    """Copy the rows of a table that can be read; returns whether that was possible to the end."""
    described = target.execute(f"PRAGMA table_info({table})").fetchall()
    columns = [name for _, name, *_ in described]
    keys = [name for _, name, *_, key in sorted(described, key=lambda row: row[-1]) if key]
    if target.execute("SELECT 1 FROM sqlite_master WHERE type = 'index' AND tbl_name = ?", (table,)).fetchone():
        columns, keys = ["rowid", *columns], ["rowid"]
    whole = True
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    with closing(sqlite3.connect(damaged)) as old:
        # A text that is no UTF-8 is damaged anyway; its row must not hide those behind it.
        old.text_factory = lambda text: text.decode(errors="replace")
        # From both ends, each as far as it can be read.
        for direction in ("ASC", "DESC"):
            order = ", ".join(f"{key} {direction}" for key in keys)
            try:
                for row in _rows(old, f"SELECT {', '.join(columns)} FROM {table} NOT INDEXED ORDER BY {order}"):
                    with suppress(sqlite3.Error):
                        target.execute(insert, row)
                break
            except (sqlite3.Error, UnicodeDecodeError):
                whole = False
    return whole


def _is_sound(damaged: Path, table: str) -> bool:
    """Return whether the pages of a table are undamaged, judged without digests."""
    with suppress(sqlite3.Error, UnicodeDecodeError), closing(sqlite3.connect(damaged)) as old:
        (pages,), (size,) = (old.execute(f"PRAGMA {of}").fetchone() for of in ("page_count", "page_size"))
        lines = old.execute(f"PRAGMA quick_check({table})").fetchall()
        return lines == [("ok",)] and damaged.stat().st_size == pages * size
    return False


def _rows(old: sqlite3.Connection, query: str) -> Iterator[tuple[object, ...]]:
    old.execute("PRAGMA writable_schema = ON")  # or one damaged definition hides all tables
    yield from old.execute(query)
