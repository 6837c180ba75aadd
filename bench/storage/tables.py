"""What all parts of a run's database share: its folder, its connection, and transactions on it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import interrupts
from bench.storage.database import explained
from bench.storage.digests import ChangedBlocks
from bench.storage.integrity import check_integrity


class Tables:
    """One run's database; each of its parts is a subclass, and `bench.storage.store.Store` is all of them.

    Methods that change rows raise UsageError where the database cannot be written and DataError where it is damaged.
    """

    folder: Path
    _db: sqlite3.Connection
    _changed: ChangedBlocks | None = None
    _unchecked: frozenset[str] = frozenset()

    def check(self, *tables: str) -> None:
        """Check that the rows of tables are as they were written, unless that was done when the run was opened.

        Raises:
            DataError: they are damaged or were edited.
        """
        if wanted := self._unchecked.intersection(tables):
            check_integrity(self.folder, self._db, wanted)
            self._unchecked -= wanted

    def rows(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        """Run a reading query; the tables are described in ``schema.sql``, the views in `bench.storage.views`.

        Queries belong to this room: what others read has a named function here.

        Raises:
            DataError: a table that it names is damaged.
        """
        self.check(*(table for table in self._unchecked if table in query))
        return self._db.execute(query, parameters).fetchall()

    def each(self, query: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the result of `rows` one row at a time, for large tables; no table is checked for it."""
        return iter(self._db.execute(query, parameters))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        # SQLite calls into Python for each row that changes, and takes an interrupt there for damage.
        with interrupts.held(), explained(self.folder):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                if self._changed:
                    self._changed.write_digests()
                self._db.execute("COMMIT")
            except BaseException:
                if self._changed:
                    self._changed.forget()
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
