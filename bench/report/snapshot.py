"""A run as it is at one moment, whatever a driver does to it meanwhile."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from bench.database import explained, read_database
from bench.store import Store


def snapshot(run: Path) -> Store:
    """Copy a run's database into memory, so that all that a report says is of one moment and no writer waits for it.

    A long reading transaction would do the first, but without SQLite's write-ahead log (on network disks) it would
    keep a driver from writing.

    Raises:
        UsageError: there is no run in that folder.
        DataError: its database is damaged or of a newer tunebench.
    """
    source = read_database(run)
    copy = sqlite3.connect(":memory:")
    try:
        with explained(run):
            source.backup(copy)
    except BaseException:
        copy.close()
        raise
    finally:
        source.close()
    return Store(run, copy, None)
