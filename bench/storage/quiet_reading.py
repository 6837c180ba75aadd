"""Open ``run.db`` for reading without writing anything into its folder.

A database with a write-ahead log needs a file of shared memory beside it, which SQLite makes even for a reader. While a
driver is at work that file is there anyway. Otherwise nobody writes, and the files can be read without it: then they
are watched, and what was read of a file that changed meanwhile is never shown.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path

from bench.errors import UsageError
from bench.run_lock import is_held


class ChangedMeanwhileError(UsageError):
    """A database changed while it was read, so its content may be inconsistent."""


class UnsharedReader(sqlite3.Connection):
    """A connection to a database that is not being written; closing it checks that it was not.

    Without a log, SQLite takes the file for one that never changes. With one (a driver was killed, or the disk became
    read-only), both are copied to a temporary folder and read there: SQLite may remove a log that it finds empty.
    """

    _path: Path
    _state: tuple[int, ...] | None = None
    _copy: tempfile.TemporaryDirectory[str] | None = None

    @classmethod
    def of(cls, path: Path) -> UnsharedReader:
        """Open a database file by its absolute path.

        Raises:
            sqlite3.Error: it cannot be opened.
            ChangedMeanwhileError: it changed while it was copied.
            UsageError: there is no room for a copy.
        """
        if _size(_log(path)) > 0:
            return cls._of_copy(path)
        state = _state_of(path)
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True, factory=cls)
        connection._path = path
        try:
            connection.execute("SELECT 1 FROM sqlite_master").fetchall()
        except BaseException:
            connection.close()
            raise
        connection._state = state
        return connection

    @classmethod
    def _of_copy(cls, path: Path) -> UnsharedReader:
        folder = tempfile.TemporaryDirectory(prefix="tunebench-")
        try:
            before = _state_of(path), _state_of(_log(path))
            try:
                for file in (path, _log(path)):
                    shutil.copyfile(file, Path(folder.name, file.name))
                after = _state_of(path), _state_of(_log(path))
            except FileNotFoundError:  # a driver has put the log away
                after = None
            if after != before:
                raise _changed(path)
            connection = sqlite3.connect(Path(folder.name, path.name), factory=cls)
            connection._copy = folder
        except OSError as error:
            folder.cleanup()
            raise UsageError(
                f"cannot copy {path} of a run that was killed to {folder.name} to read it: {error.strerror or error}; "
                "free disk space, or set TMPDIR to a larger disk"
            ) from error
        except BaseException:
            folder.cleanup()
            raise
        try:
            connection.execute("SELECT 1 FROM sqlite_master").fetchall()
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close the connection.

        Raises:
            ChangedMeanwhileError: the database has changed since it was opened.
        """
        super().close()
        if self._copy is not None:
            self._copy.cleanup()
        state, self._state = self._state, None
        if state is not None and _state_of(self._path) != state:
            raise _changed(self._path)


def _changed(path: Path) -> ChangedMeanwhileError:
    return ChangedMeanwhileError(f"{path} changed while it was read, as a run started; run the same command again")


def open_to_read(folder: Path) -> sqlite3.Connection:
    """Open the database of a run folder.

    Returns:
        A connection; closing it may raise ChangedMeanwhileError (`UnsharedReader.close`).

    Raises:
        sqlite3.Error: it cannot be opened.
        UsageError: a change was cut off half way, which only who may write can undo; or as `UnsharedReader.of`.
    """
    path = (folder / "run.db").resolve()
    # A log is there as long as a driver has the database open. SQLite removes the log of a database that was emptied.
    logged = _size(_log(path)) > 0
    if (logged or _has_log_format(path)) and not (_log(path).exists() and is_held(path.parent)):
        return UnsharedReader.of(path)
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchall()
    except sqlite3.OperationalError as error:
        connection.close()
        if _size(path.with_name("run.db-journal")) > 0:
            raise UsageError(
                f"{path} has an interrupted change ({error}); run 'tunebench score {folder}', which rolls it "
                "back; if the folder cannot be written to, copy it and run that on the copy"
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
    """Return whether a database file uses a write-ahead log."""
    try:
        with path.open("rb") as file:
            return file.read(20)[18:] == b"\x02\x02"
    except OSError:  # SQLite says so in its own words
        return False


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _state_of(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns
