"""The SQLite file of a run: its layout, and opening it for one writer or for readers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib.resources import files
from pathlib import Path

from bench.errors import DataError, UsageError
from bench.file_system import on_network
from bench.storage.digests import write_digests
from bench.storage.quiet_reading import ChangedMeanwhileError, UnsharedReader, open_to_read

SCHEMA_VERSION = 5
_TRIES = 3  # to copy one while drivers begin and end
_SMALL = 64_000_000  # bytes: copied in 50 ms
# What SQLite calls operational though no room and no right would mend it.
_DAMAGE = ("no such table", "no such column", "malformed JSON", "Could not decode to UTF-8", "user-defined")


def open_database(folder: Path) -> sqlite3.Connection:
    """Open ``run.db`` for writing, making it if it does not exist; the caller holds the folder's lock.

    Raises:
        UsageError: it cannot be written to.
        DataError: it is damaged or of a newer tunebench.
    """
    with explained(folder):
        connection = sqlite3.connect(folder / "run.db", isolation_level=None)
        connection.execute(f"PRAGMA journal_mode = {'DELETE' if on_network(folder) else 'WAL'}")
        connection.execute("PRAGMA synchronous = FULL")
        if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            schema = (files("bench.storage") / "schema.sql").read_text(encoding="utf-8")
            connection.executescript(f"BEGIN IMMEDIATE; {schema} PRAGMA user_version = {SCHEMA_VERSION};")
            write_digests(connection)
            connection.execute("COMMIT")
        _check_version(folder, connection)
        upgrade(folder, connection)
        connection.execute("PRAGMA foreign_keys = ON")  # now that no table is built anew
    return connection


def read_database(folder: Path) -> sqlite3.Connection:
    """Open ``run.db`` for reading; nothing is written into the folder.

    Returns:
        A connection; closing it may raise ChangedMeanwhileError (`UnsharedReader.close`).

    Raises:
        UsageError: there is none or none yet, it cannot be read, or it changed meanwhile.
        DataError: it is lost, damaged or of a newer tunebench.
    """
    refuse_lost_database(folder)
    if not (folder / "run.db").is_file():
        raise UsageError(
            f"{folder} is not a run folder (it has no run.db); make one with 'tunebench run --out {folder}'"
        )
    with explained(folder):
        connection = open_to_read(folder)
        try:
            _check_version(folder, connection)
        except BaseException:
            connection.close()
            raise
    return connection


def undo_cut_off_change(folder: Path) -> None:
    """Roll back a killed driver's partial change, by SQLite's journal on a network disk; the caller holds the
    folder's lock.

    Raises:
        UsageError: the folder cannot be written to.
        DataError: the database is damaged.
    """
    if holds_cut_off_change(folder):
        with explained(folder), closing(sqlite3.connect(folder / "run.db")) as connection:
            connection.execute("SELECT 1 FROM sqlite_master").fetchall()


def refuse_lost_database(folder: Path) -> None:
    """Check that audio in a run folder has a database with clips beside it.

    Raises:
        DataError: there is audio, but ``run.db`` is gone, empty, or knows of no clip.
    """
    if not any((folder / "audio").glob("*/*")):
        return
    path, problem = folder / "run.db", "there is no run.db beside it"
    if path.exists():
        with explained(folder), closing(open_to_read(folder)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            if "clips" in tables and connection.execute("SELECT 1 FROM clips").fetchone():
                return
        problem = "its run.db records no clip"
    raise DataError(
        f"{folder} has audio, but {problem}; restore the lost run.db and its run.db-wal, or rebuild it from the "
        f"audio with 'tunebench check run {folder} --repair'; if the audio is not from a run, name another folder"
    )


def holds_cut_off_change(folder: Path) -> bool:
    """Return whether ``run.db`` has an interrupted change, which only opening it for writing rolls back."""
    journal = folder / "run.db-journal"
    return (folder / "run.db").is_file() and journal.is_file() and journal.stat().st_size > 0


def as_of_now(folder: Path, connection: sqlite3.Connection) -> sqlite3.Connection:
    """Return a snapshot of the database, unaffected by later writes, replacing the given connection.

    With a write-ahead log that is a transaction, which keeps no writer waiting however long it lasts. Without (on
    network disks) a transaction would, so there the database is copied into memory, which reads it once. So is one that
    an older tunebench wrote, as `present_layout` has it, and a small one that nobody was writing to: of a large one an
    `UnsharedReader` tells when a driver has changed it meanwhile.

    Args:
        folder: the run's.
        connection: as `read_database` returns it; no longer to be used.

    Raises:
        UsageError: it changed again and again while it was copied.
        DataError: it holds what no tunebench wrote.
        sqlite3.Error: it cannot be read.
    """
    ask = ("journal_mode", "user_version", "page_count", "page_size")
    journal, layout, pages, size = (connection.execute(f"PRAGMA {of}").fetchone()[0] for of in ask)
    large = isinstance(connection, UnsharedReader) and pages * size > _SMALL
    shared = journal == "wal" and not isinstance(connection, UnsharedReader)
    if (large or shared) and layout == SCHEMA_VERSION:
        connection.execute("BEGIN")
        connection.execute("SELECT 1 FROM sqlite_master").fetchall()  # it begins with the first look
        return connection
    for _ in range(_TRIES):
        with suppress(ChangedMeanwhileError):
            return _in_memory(folder, connection)
        connection = read_database(folder)
    return _in_memory(folder, connection)


def present_layout(folder: Path, connection: sqlite3.Connection) -> sqlite3.Connection:
    """Return the database in the present layout, replacing the given one; an older one is upgraded in memory.

    The file stays as it is.

    Args:
        folder: the run's.
        connection: as `read_database` returns it; no longer to be used.

    Raises:
        UsageError: it changed while it was copied.
        DataError: it holds what no tunebench wrote.
    """
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    return connection if layout == SCHEMA_VERSION else _in_memory(folder, connection)


def _in_memory(folder: Path, connection: sqlite3.Connection) -> sqlite3.Connection:
    copy = sqlite3.connect(":memory:")
    try:
        connection.backup(copy)
        upgrade(folder, copy)
        connection.close()
    except BaseException:
        copy.close()
        connection.close()
        raise
    return copy


def _check_version(folder: Path, connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise UsageError(f"{folder} has no run yet; one may be about to start")
    if not 1 <= version <= SCHEMA_VERSION:
        raise DataError(
            f"{folder}/run.db has layout {version}, this version reads {SCHEMA_VERSION}; "
            f"use the version that wrote it, or 'tunebench check run {folder}' if none did"
        )


def upgrade(folder: Path, connection: sqlite3.Connection) -> None:
    """Bring a database of an older version to the present layout, in one transaction; ``folder`` is for the message.

    Raises:
        DataError: it holds what no tunebench wrote; nothing of it is changed.
    """
    from bench.storage.schema_upgrades import STEPS

    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == SCHEMA_VERSION:
        return
    connection.isolation_level = None
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been faster.
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        for older in range(version, SCHEMA_VERSION):
            STEPS[older](connection)
        if version < SCHEMA_VERSION:
            write_digests(connection)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("COMMIT")
    except BaseException as error:
        connection.execute("ROLLBACK")
        if isinstance(error, DataError):
            raise damaged(folder, error) from error
        raise


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Convert SQLite's errors about a full disk or a damaged file to messages with advice that name the folder.

    Raises:
        DataError: the file is damaged.
        UsageError: SQLite cannot use it for another reason, such as a full disk.
        sqlite3.IntegrityError: unchanged, since it is a mistake of ours.
    """
    try:
        yield
    except sqlite3.IntegrityError:
        raise  # a bug of ours, not a disk problem
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter where SQLite quotes what is damaged
        if is_damage(error):
            raise damaged(folder, error) from error
        raise UsageError(
            f"cannot use {folder}/run.db ({error}); earlier results are safe: free disk space or fix "
            "permissions, then run the same command again"
        ) from error


def is_damage(error: Exception) -> bool:
    """Return whether an SQLite error means a damaged file rather than a full disk or a read-only folder."""
    return not isinstance(error, sqlite3.OperationalError) or str(error).startswith(_DAMAGE)


def damaged(folder: Path, what: object) -> DataError:
    """Return the error for a damaged database, in one line; ``what`` says what is wrong, as a text or an error."""
    said = " ".join(str(what).split())
    return DataError(
        f"{folder}/run.db is damaged ({said}); 'tunebench check run {folder} --repair' rebuilds it from undamaged rows"
    )
