"""The SQLite file of a listening test: participants, and answers as soon as given."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, NamedTuple

from bench.errors import DataError, UsageError
from bench.file_system import on_network
from bench.storage.database import is_damage

FILE = "answers.db"
_ENROLL = "INSERT INTO listeners (listener, enrolled_at, panel) VALUES (?, ?, ?)"
_LISTENERS = "SELECT listener, enrolled_at, panel, consented_at, facts, finished_at FROM listeners"
_ANSWERS = "SELECT listener, page, answer, final, number, heard, seconds FROM answers"
State = Literal["open", "paused", "closed"]
_VERSION = 1
_MOST_REFUSED = 10_000  # rows of the log, or strangers could fill the disk


class Listener(NamedTuple):
    """A participant. Times are in UTC, as ISO 8601 with a Z.

    Attributes:
        listener: number of the session, from 0.
        enrolled_at, consented_at, finished_at: when; None where that has not happened.
        panel: what a panel calls them, where they come from one.
        facts: what they said of themselves, and the headphone check.
    """

    listener: int
    enrolled_at: str
    panel: str | None
    consented_at: str | None
    facts: Mapping[str, Any]
    finished_at: str | None


class PageAnswer(NamedTuple):
    """The answer of a listener on one page.

    Attributes:
        listener: number of the session, from 0.
        page: number of the page, from 0.
        answer: by the key of the question.
        final: whether the listener went on to the next page.
        number: of the browser's change of this page; of two that are not final, the higher one counts.
        heard: seconds of each sound that were played.
        seconds: from the end of the last sound to the answer, or None where that is not known.
    """

    listener: int
    page: int
    answer: Mapping[str, Any]
    final: bool
    number: int = 0
    heard: Sequence[float] = ()
    seconds: float | None = None


class AlreadyAnswered(Exception):
    """The page already has a different final answer, or the panel id already takes part."""


class Answers:
    """Answers of a listening test; thread-safe, and data are on disk when a method returns.

    Methods raise UsageError and DataError, too, where the file cannot be written or is damaged.

    Args:
        folder: of the test.
        design: id of its design; answers to another one are refused.
        reading: whether a folder that cannot be written will do, such as one in an archive.

    Raises:
        UsageError: the file cannot be written.
        DataError: it is damaged, of a newer tunebench, or holds answers to another design.
    """

    def __init__(self, folder: Path, design: str, reading: bool = False) -> None:
        self._path = folder / FILE
        self._lock = threading.Lock()
        fixed = reading and not os.access(folder, os.W_OK)
        with self._explained():
            self._db = self._connect(fixed)
        try:
            with self._explained():
                if not fixed:
                    self._db.execute(f"PRAGMA journal_mode = {'DELETE' if on_network(folder) else 'WAL'}")
                    self._db.execute("PRAGMA synchronous = FULL")
                    self._db.execute("PRAGMA foreign_keys = ON")
                    self._make(design)
            self._check(design)
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    @property
    def state(self) -> State:
        """Whether answers are accepted."""
        state: State = self._one("SELECT state FROM test")
        return state

    def set_state(self, state: State) -> None:
        """Open, pause or close the test."""
        self._write("UPDATE test SET state = ?", state)

    def enroll(self, listener: int) -> None:
        """Record that an invited person takes part; repeating it changes nothing."""
        self._write(f"{_ENROLL} ON CONFLICT (listener) DO NOTHING", listener, _now(), None)

    def enroll_next(self, places: int, panel: str | None = None) -> int | None:
        """Assign the first free session, and return its number; None if all are taken.

        Args:
            places: how many sessions there are, numbered from 0.
            panel: what a panel calls the person.

        Raises:
            AlreadyAnswered: somebody of that name in the panel takes part.
        """
        with self._transaction() as db:
            if panel is not None and db.execute("SELECT 1 FROM listeners WHERE panel = ?", (panel,)).fetchone():
                raise AlreadyAnswered(panel)
            taken = {number for (number,) in db.execute("SELECT listener FROM listeners")}
            free = next((number for number in range(places) if number not in taken), None)
            if free is not None:
                db.execute(_ENROLL, (free, _now(), panel))
            return free

    def consent(self, listener: int) -> None:
        """Record the time of a listener's first consent."""
        self._write(
            "UPDATE listeners SET consented_at = coalesce(consented_at, ?) WHERE listener = ?", _now(), listener
        )

    def add_facts(self, listener: int, facts: Mapping[str, Any]) -> None:
        """Add facts, JSON values by name, about a listener who is enrolled; existing ones stay."""
        with self._transaction() as db:
            found = db.execute("SELECT facts FROM listeners WHERE listener = ?", (listener,)).fetchone()
            known = {**facts, **json.loads(found[0])}
            db.execute("UPDATE listeners SET facts = ? WHERE listener = ?", (_json(known), listener))

    def save(self, answer: PageAnswer, last: bool = False) -> bool:
        """Store an answer; repeating it changes nothing.

        Args:
            answer: to a page.
            last: whether the listener is done with it; when that was is noted in the same change.

        Returns:
            Whether it was kept: a change with a lower number than the one that is kept came too late.

        Raises:
            AlreadyAnswered: the page has a final answer, and it is another one.
        """
        listener, page, content, final, number, heard, seconds = answer
        text = _json(content)
        with self._transaction() as db:
            found = db.execute(
                "SELECT answer, final, number FROM answers WHERE listener = ? AND page = ?", (listener, page)
            ).fetchone()
            if found and found[1]:
                if final and text != found[0]:
                    raise AlreadyAnswered(page)
                return bool(final)
            if found and number <= found[2] and not final:
                return False
            db.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (listener, page, text, final, number, _json(list(heard)), seconds, _now()),
            )
            if last:
                db.execute("UPDATE listeners SET finished_at = ? WHERE listener = ?", (_now(), listener))
        return True

    def listeners(self) -> list[Listener]:
        """Return all participants, in the order of sessions."""
        return [_listener(*row) for row in self._all(f"{_LISTENERS} ORDER BY listener")]

    def listener(self, listener: int) -> Listener | None:
        """Return a participant, or None."""
        return next((_listener(*row) for row in self._all(f"{_LISTENERS} WHERE listener = ?", listener)), None)

    def answers(self, listener: int | None = None) -> list[PageAnswer]:
        """Return the answers of one listener, or of all, by listener and page."""
        where, of = ("", ()) if listener is None else (" WHERE listener = ?", (listener,))
        rows = self._all(f"{_ANSWERS}{where} ORDER BY listener, page", *of)
        return [
            PageAnswer(who, page, json.loads(answer), bool(final), number, tuple(json.loads(heard)), seconds)
            for who, page, answer, final, number, heard, seconds in rows
        ]

    def pages_done(self, listener: int) -> int:
        """Return how many pages have a final answer of a listener; pages are answered in order."""
        return int(self._all("SELECT count(*) FROM answers WHERE listener = ? AND final", listener)[0][0])

    def refuse(self, listener: int | None, what: str) -> None:
        """Log a refused request; the latest 10,000 are kept.

        Args:
            listener: who made it, where that is known.
            what: was refused, and why; cut after 500 characters.
        """
        with self._transaction() as db:
            db.execute("INSERT INTO refused VALUES (?, ?, ?)", (_now(), listener, what[:500]))
            db.execute("DELETE FROM refused WHERE rowid <= (SELECT max(rowid) FROM refused) - ?", (_MOST_REFUSED,))

    def refused(self) -> list[tuple[str, int | None, str]]:
        """Return refused requests, latest first: time, listener where known, and what was refused."""
        return [tuple(row) for row in self._all("SELECT at, listener, what FROM refused ORDER BY rowid DESC")]

    def _connect(self, fixed: bool) -> sqlite3.Connection:
        """Open the file; a snapshot if the folder is not writable."""
        if not fixed:
            return sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        # What a server left open is read with the help of a file beside it, which could not be made here.
        way = "mode=ro" if self._path.with_name(f"{FILE}-wal").exists() else "immutable=1"
        return sqlite3.connect(f"{self._path.resolve().as_uri()}?{way}", uri=True, check_same_thread=False)

    def _make(self, design: str) -> None:
        with self._transaction() as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if not version and not db.execute("SELECT 1 FROM sqlite_master").fetchone():
                schema = (files("bench.storage") / "listening_answers.sql").read_text(encoding="utf-8")
                for statement in _statements(schema):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {_VERSION}")
                db.execute("INSERT INTO test VALUES (1, ?, 'open', ?)", (design, _now()))

    def _check(self, design: str) -> None:
        version = self._one("PRAGMA user_version")
        if version != _VERSION:
            raise DataError(
                f"{self._path} has layout {version}, this version reads {_VERSION}; use the tunebench version that "
                "wrote it"
            )
        if self._one("SELECT design FROM test") != design:
            raise DataError(f"{self._path} has answers to another design; move it away, or restore the original design")

    def _one(self, query: str) -> Any:
        return self._all(query)[0][0]

    def _all(self, query: str, *values: Any) -> list[Any]:
        with self._lock, self._explained():
            return self._db.execute(query, values).fetchall()

    def _write(self, query: str, *values: Any) -> None:
        with self._transaction() as db:
            db.execute(query, values)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Make one atomic change that is on disk at the end."""
        with self._lock, self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk may have ended it
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.IntegrityError:
            raise  # a bug of ours, not a disk problem
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            if is_damage(error):
                raise DataError(f"{self._path} is damaged ({error}); restore it from a backup") from error
            raise UsageError(f"cannot use {self._path} ({error}); free disk space or fix permissions") from error


def read_answers(folder: Path, design: str) -> tuple[list[PageAnswer], list[Listener]]:
    """Read the answers and listeners of a test, which a server may be writing.

    Args:
        folder, design: as in `Answers`.

    Raises:
        UsageError, DataError: as `Answers`.
    """
    answers = Answers(folder, design, reading=True)
    try:
        return answers.answers(), answers.listeners()
    finally:
        answers.close()


def _listener(
    listener: int, enrolled: str, panel: str | None, consented: str | None, facts: str, finished: str | None
) -> Listener:
    return Listener(listener, enrolled, panel, consented, json.loads(facts), finished)


def _statements(schema: str) -> Iterator[str]:
    statement = ""
    for line in schema.splitlines():
        statement += line.partition("--")[0] + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
