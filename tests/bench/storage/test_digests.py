"""Digests of rows: written with the rows by every writer, and different for whatever is different."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bench
from bench.config.run_config import load_config
from bench.errors import DataError
from bench.pipeline.run import rescore
from bench.storage.digests import SCHEMA, ChangedBlocks, Mismatch, digested_tables, mismatches, write_digests
from bench.storage.integrity import damage_of
from bench.storage.store import Store

TABLE = "CREATE TABLE scores (clip TEXT, name TEXT, value REAL, rest BLOB, PRIMARY KEY (clip, name)) WITHOUT ROWID;"
PAIRS = "CREATE TABLE pairs (a INTEGER, b TEXT);"
DIGESTS = (
    "CREATE TABLE digests (table_name TEXT NOT NULL, block TEXT NOT NULL, rows INTEGER NOT NULL, digest TEXT NOT NULL, "
    "checksum TEXT NOT NULL, PRIMARY KEY (table_name, block)) WITHOUT ROWID;"
)


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    """Two blocks of scores and a table that is one block, with their digests."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.executescript(TABLE + PAIRS + DIGESTS)
        rows = [("a", "x", 1.0, b"1"), ("a", "y", None, None), ("b", "x", 0.1, None)]
        db.executemany("INSERT INTO scores VALUES (?, ?, ?, ?)", rows)
        db.executemany("INSERT INTO pairs VALUES (?, ?)", [(1, "one"), (2, "two")])
        write_digests(db)
        yield db


def found(db: sqlite3.Connection) -> set[tuple[str, str, str]]:
    every = [mismatch for table in (SCHEMA, *digested_tables(db)) for mismatch in mismatches(db, table)]
    return {(mismatch.table, mismatch.block, mismatch.kind) for mismatch in every}


def test_the_digest_of_known_rows(db: sqlite3.Connection) -> None:
    """It must be the same with every version of Python and SQLite, and on every machine."""
    rows = dict(db.execute("SELECT block, digest FROM digests WHERE table_name = 'scores'"))
    # As marshal's version 2 writes (b"b", b"x", 0.1, None): a tuple of 4, strings with lengths, a double, nothing.
    row = (
        b"(\x04\x00\x00\x00" + b"s\x01\x00\x00\x00b" + b"s\x01\x00\x00\x00x" + b"g\x9a\x99\x99\x99\x99\x99\xb9?" + b"N"
    )
    assert rows["b"] == blake2b(row, digest_size=16).hexdigest()
    assert set(rows) == {"a", "b"}


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("SELECT 1", set()),
        ("UPDATE scores SET value = 1.0000000000000002 WHERE clip = 'a' AND name = 'x'", {("scores", "a", "rows")}),
        ("UPDATE scores SET rest = '1' WHERE name = 'x' AND clip = 'a'", {("scores", "a", "rows")}),
        ("UPDATE scores SET name = CAST(x'ff' AS TEXT) WHERE clip = 'b'", {("scores", "b", "rows")}),
        ("UPDATE scores SET rest = CAST(x'ff' AS TEXT) WHERE clip = 'b'", {("scores", "b", "rows")}),
        ("DELETE FROM scores WHERE name = 'y'", {("scores", "a", "rows")}),
        ("DELETE FROM scores WHERE clip = 'b'", {("scores", "b", "lost")}),
        ("INSERT INTO scores VALUES ('c', 'x', 1, NULL)", {("scores", "c", "added")}),
        ("UPDATE scores SET clip = 'c' WHERE clip = 'b'", {("scores", "b", "lost"), ("scores", "c", "added")}),
        ("UPDATE pairs SET rowid = 3 WHERE rowid = 1", {("pairs", "", "rows")}),
        ("DELETE FROM pairs", {("pairs", "", "lost")}),
        ("UPDATE digests SET digest = 'x' WHERE block = 'a'", {("scores", "a", "digest")}),
        ("UPDATE digests SET rows = 3 WHERE block = 'a'", {("scores", "a", "digest")}),
        ("UPDATE digests SET checksum = 'x' WHERE block = 'a'", {("scores", "a", "digest")}),
        ("UPDATE digests SET block = 'z' WHERE block = 'a'", {("scores", "a", "digest"), ("scores", "z", "digest")}),
        ("UPDATE digests SET table_name = 'z' WHERE block = 'a'", {("scores", "a", "digest")}),
        ("DELETE FROM digests WHERE block = 'a'", {("scores", "a", "added")}),
        ("CREATE VIEW other AS SELECT 1", {(SCHEMA, "", "rows")}),
        ("CREATE INDEX other ON pairs (a)", {(SCHEMA, "", "rows")}),
    ],
)
def test_what_differs_is_told_by_its_kind(
    db: sqlite3.Connection, script: str, expected: set[tuple[str, str, str]]
) -> None:
    db.execute(script)
    assert found(db) == expected


_VALUES = st.one_of(st.none(), st.floats(allow_nan=False), st.integers(-(2**40), 2**40), st.text(), st.binary())
_ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), _VALUES), max_size=6)


@given(st.lists(st.tuples(st.sampled_from(["put", "drop", "move"]), _ROWS), max_size=4))
def test_every_way_of_writing_keeps_the_digests(changes: list[tuple[str, list[tuple[str, str, object]]]]) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.executescript(TABLE + PAIRS + DIGESTS)
        write_digests(db)
        changed = ChangedBlocks(db)
        for kind, rows in changes:
            db.execute("BEGIN")
            for clip, name, value in rows:
                if kind == "put":
                    db.execute("INSERT OR REPLACE INTO scores VALUES (?, ?, 1, ?)", (clip, name, value))
                    db.execute("INSERT INTO pairs VALUES (1, ?)", (value,))
                elif kind == "drop":
                    db.execute("DELETE FROM scores WHERE name = ?", (name,))
                    db.execute("DELETE FROM pairs")
                else:
                    db.execute("UPDATE OR REPLACE scores SET clip = ? WHERE name = ?", (clip, name))
            changed.write_digests()
            db.execute("COMMIT")
        assert found(db) == set()
        # They are what would be written anew.
        kept = db.execute("SELECT * FROM digests").fetchall()
        write_digests(db)
        assert db.execute("SELECT * FROM digests").fetchall() == kept


def test_what_is_rolled_back_leaves_the_digests(tmp_path: Path, write_config: Callable[..., Path]) -> None:
    run = bench.run(write_config(), tmp_path / "run").folder
    with Store.open(run) as store:
        with pytest.raises(KeyError), store._transaction():
            store._db.execute("DELETE FROM scores")
            raise KeyError
        store.plan_again(list(store.recorded_audio())[:2])
    with Store.open(run) as store:
        assert len(store.unmade()) == 2


def test_commands_keep_the_digests(tmp_path: Path, tiny: Path, write_config: Callable[..., Path]) -> None:
    """Whatever writes, opening the run checks all of it; and a finished run has no log beside it."""
    run = bench.run(write_config(metrics=[f"{tiny}:Peak"]), tmp_path / "run").folder
    bench.run(write_config(seeds=[1, 2]), run)
    rescore(run, load_config(run / "config.yaml"), force=True)
    next((run / "audio" / "sine").iterdir()).unlink()
    bench.run(write_config(seeds=[0, 1, 2]), run)
    with Store.open(run) as store:
        assert not [found for table in digested_tables(store._db) for found in damage_of(store._db, table)]
        assert len(store.made()) == 36
    assert not list(run.glob("run.db-*"))


def test_rows_of_large_tables_are_checked_when_they_are_read(tmp_path: Path, write_config: Callable[..., Path]) -> None:
    run = bench.run(write_config(), tmp_path / "run").folder
    with closing(sqlite3.connect(run / "run.db")) as db:
        db.execute("UPDATE notes SET notes = notes || ' ' WHERE rowid = 1")
        db.commit()
    with Store.read(run) as store:
        assert store.labels() == ["sine"]
        with pytest.raises(DataError):
            store.made()
        with pytest.raises(DataError):
            store.rows("SELECT notes FROM notes")
    with pytest.raises(DataError):
        Store.open(run)


def test_an_index_that_hides_a_row_is_damage(tmp_path: Path, write_config: Callable[..., Path]) -> None:
    run = bench.run(write_config(), tmp_path / "run").folder
    with closing(sqlite3.connect(run / "run.db", isolation_level=None)) as db:
        # An index of fewer rows, under the definition of the one of all.
        db.executescript(
            "PRAGMA writable_schema = ON;"
            "CREATE INDEX other ON clips (model, prompt, seed) WHERE seed > 0;"
            "DELETE FROM sqlite_master WHERE name = 'one_clip_each' AND 0;"
            "UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM sqlite_master WHERE name = 'other') "
            "WHERE name = 'one_clip_each'; DELETE FROM sqlite_master WHERE name = 'other';"
        )
    with pytest.raises(DataError, match="one_clip_each"):
        Store.read(run)


def test_a_mismatch_is_told_in_words() -> None:
    told = {str(Mismatch("scores", "a" * 64, kind)) for kind in ("rows", "digest", "lost", "added")}
    assert len(told) == 4 and all(text.startswith("scores of aaaaaaaaaaaaaaaa: ") for text in told)
