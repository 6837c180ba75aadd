"""Opening ``run.db`` to read it without writing anything into its folder.

A database with a write-ahead log needs a file of shared memory beside it, which SQLite makes even for a reader. While a
driver is at work that file is there anyway. Otherwise nobody writes, and the files can be read without it: then they
are watched, and what was read of a file that changed meanwhile is never shown.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.run_lock import is_held

_WAL_HEADER = 32  # bytes: it is written anew when the log begins again, and never when the log grows


class ChangedMeanwhileError(UsageError):
    """A database changed while it was read, so that what was read may be of two states."""


class UnsharedReader(sqlite3.Connection):
    """A connection to a database that nobody writes to; closing it makes sure that nobody has.

    Without a log, SQLite takes the file for one that never changes. With one (a driver was killed, or the disk became
    read-only), the log's index is kept in the memory of this process.
    """

    _path: Path
    _logged: bool
    _watched = False
    _state: tuple[Any, ...]

    @classmethod
    def of(cls, path: Path) -> UnsharedReader:
        """Open a database file by its absolute path.

        Raises:
            sqlite3.Error: it cannot be opened.
        """
        logged = _size(_log(path)) > 0
        state = _state_of(path, logged)
        how = "mode=ro&vfs=unix-none" if logged else "mode=ro&immutable=1"
        connection = sqlite3.connect(f"{path.as_uri()}?{how}", uri=True, factory=cls)
        connection._path, connection._logged, connection._state = path, logged, state
        try:
            if logged:
                connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("SELECT 1 FROM sqlite_master").fetchall()
        except BaseException:
            connection.close()
            raise
        connection._watched = True
        return connection

    def close(self) -> None:
        """Close the connection.

        Raises:
            ChangedMeanwhileError: the database has changed since it was opened.
        """
        super().close()
        watched, self._watched = self._watched, False
        if watched and _state_of(self._path, self._logged) != self._state:
            raise ChangedMeanwhileError(
                f"{self._path} changed while it was read, as a driver began work; run the same again"
            )


def open_to_read(folder: Path) -> sqlite3.Connection:
    """Open the database of a run folder.

    Raises:
        sqlite3.Error: it cannot be opened.
        UsageError: a change was cut off half way, which only who may write can undo.
    """
    path = (folder / "run.db").resolve()
    # A log is there as long as a driver has the database open.
    if _has_log_format(path) and not (_log(path).exists() and is_held(path.parent)):
        return UnsharedReader.of(path)
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchall()
    except sqlite3.OperationalError as error:
        connection.close()
        if _size(path.with_name("run.db-journal")) > 0:
            raise UsageError(
                f"{path} holds a change that was cut off half way ({error}); 'tunebench score {folder}' undoes it, "
                "where the folder can be written to; or copy the folder, and do so there"
            ) from error
        # A read-only disk that knows no locks, or keeps the memory that readers share from us.
        return UnsharedReader.of(path)
    except BaseException:
        connection.close()
        raise
    return connection


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _has_log_format(path: Path) -> bool:
    """Whether a database file says that it is used with a write-ahead log."""
    try:
        with path.open("rb") as file:
            return file.read(20)[18:] == b"\x02\x02"
    except OSError:  # SQLite says so in its own words
        return False


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _state_of(path: Path, logged: bool) -> tuple[Any, ...]:
    """What changes whenever what is read of a database does; that its log grows changes nothing."""
    found = path.stat()
    state = found.st_ino, found.st_size, found.st_mtime_ns
    if not logged:
        return state
    try:
        with _log(path).open("rb") as file:
            return *state, file.read(_WAL_HEADER)
    except OSError:
        return *state, b""
