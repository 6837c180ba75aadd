"""Check that the rows of a run's database are consistent, so that readers can trust them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from importlib.resources import files
from pathlib import Path

from bench.storage.database import damaged, explained, holds_cut_off_change, present_layout, read_database

# Embeddings are the bulk of a database and are checked where they are used; plans of shards are read by merge alone.
_TABLES = ("about", "models", "prompts", "clips", "notes", "metrics", "scores", "set_scores")
# Scores are most of the rows. One that belongs to nothing is shown nowhere, so only what is shown of them is looked at.
_WITH_PARENTS = ("clips", "notes", "set_scores")
_SHOWN_OF_SCORES = {"value", "reason", "error", "details"}
# What a column of each type must not hold. SQLite turns numbers into texts for TEXT, and orders texts after numbers.
_MISFITS = {
    "TEXT": "typeof({0}) = 'blob'",
    "INTEGER": "typeof({0}) NOT IN ('integer', 'null')",
    "REAL": "{0} NOT BETWEEN -{1} AND {1}",
}
# As `bench.Score` has it; elsewhere any number will do.
_LARGEST = {"scores": "1e100"}


def _json(column: str, kind: str) -> str:
    # CASE keeps its order; AND need not, and json_type raises where there is no JSON.
    return f"(CASE WHEN json_valid({column}) THEN json_type({column}) = '{kind}' ELSE 0 END)"


def _texts(column: str) -> str:
    """Return a JSON list of texts."""
    others = f"(SELECT COUNT(*) FROM json_each({column}) WHERE type != 'text') = 0"
    return f"(CASE WHEN {_json(column, 'array')} THEN {others} ELSE 0 END)"


def _notices(column: str) -> str:
    """Return a JSON list of warnings, each with a code, and parameters and a text if it has any."""
    wrong = (
        "value IS NULL OR type != 'object' OR json_type(value, '$.code') IS NOT 'text' "
        "OR coalesce(json_type(value, '$.params'), 'object') != 'object' "
        "OR coalesce(json_type(value, '$.text'), 'text') != 'text' OR json_extract(value, '$.code') NOT LIKE 'W-_%'"
    )
    others = f"(SELECT COUNT(*) FROM json_each({column}) WHERE CASE WHEN type = 'object' THEN {wrong} ELSE 1 END) = 0"
    return f"(CASE WHEN {_json(column, 'array')} THEN {others} ELSE 0 END)"


# (table, how a row is called, what must be true of it, the columns that this is about)
_RULES = (
    ("models", "label", _json("identity", "object"), "identity"),
    ("models", "label", _json("provenance", "object"), "provenance"),
    ("models", "label", _texts("trained_on"), "trained_on"),
    ("models", "label", _json("lineage", "object"), "lineage"),
    ("models", "label", _texts("plays"), "plays"),
    ("clips", "id", "state IN ('planned', 'made', 'failed', 'replaced')", "state"),
    (
        *("clips", "id"),
        "state != 'made' OR coalesce(content != '' AND rate > 0 AND channels > 0 AND frames > 0, 0)",
        "content, rate, channels and frames of a clip that is made",
    ),
    ("clips", "id", f"provenance IS NULL OR {_json('provenance', 'object')}", "provenance"),
    ("metrics", "name", "direction IN ('higher', 'lower', 'none')", "direction"),
    ("metrics", "name", _json("params", "object"), "params"),
    ("metrics", "name", _texts("families"), "families"),
    ("metrics", "name", "(lowest IS NULL) = (highest IS NULL) AND coalesce(lowest <= highest, 1)", "bounds"),
    ("metrics", "name", f"view = '' OR {_json('view', 'object')}", "view"),
    ("set_scores", "model", _notices("warnings"), "warnings"),
    ("set_scores", "model", _json("details", "object"), "details"),
)


def check_run(folder: Path) -> None:
    """Check that a folder holds a run, and its rows, before it is opened to be written to, which compares the digests.

    Raises:
        UsageError: there is no run in the folder.
        DataError: its database is damaged, holds what no run holds, or is of a newer tunebench.
    """
    if holds_cut_off_change(folder):
        return
    with closing(present_layout(folder, read_database(folder))) as db:
        check_rows(folder, db)


def check_rows(folder: Path, connection: sqlite3.Connection) -> None:
    """Check types, references, listed values and JSON of a run's rows; ``folder`` is for the message.

    The details of clip scores are not looked into: they are long, and `bench.scores.aggregate` does so anyway.

    Raises:
        DataError: something is not as any tunebench writes it; the message names one such place.
    """
    with explained(folder):
        for place in _misfits(connection):
            raise damaged(folder, place)


def _misfits(db: sqlite3.Connection) -> Iterator[str]:
    """Yield where the database is not as it should be, in words."""
    for table, wrong in _columns().items():
        # One pass for all columns of a table; which it is interests only where there is one.
        if db.execute(f"SELECT 1 FROM {table} WHERE {' OR '.join(wrong.values())} LIMIT 1").fetchone():
            for name, test in wrong.items():
                if db.execute(f"SELECT 1 FROM {table} WHERE {test} LIMIT 1").fetchone():
                    yield f"{table}.{name} has an invalid value"
    for child in _WITH_PARENTS:
        for _, _, parent, _ in db.execute(f"PRAGMA foreign_key_check({child})"):
            yield f"{child} names a row that {parent} lacks"
    for table, row, rule, subject in _RULES:
        for (name,) in db.execute(f"SELECT {row} FROM {table} WHERE NOT ({rule}) LIMIT 1"):
            yield f"{subject} of {name[:40]!r} in {table}"
    said = {name for (name,) in db.execute("SELECT name FROM about")}
    (models,) = db.execute("SELECT COUNT(*) FROM models").fetchone()
    # A folder in which nothing was planned yet says nothing of itself, either.
    if models and not said >= {"suite", "duration"}:
        yield "the table about lacks the suite or the duration"


@cache
def _columns() -> dict[str, dict[str, str]]:
    """Return, by table and column, the condition under which a row violates the schema."""
    db = sqlite3.connect(":memory:")
    try:
        db.executescript((files("bench.storage") / "schema.sql").read_text(encoding="utf-8"))
        return {
            table: {
                # SQLite itself keeps NOT NULL, but lets a key be NULL.
                name: _MISFITS[kind].format(name, _LARGEST.get(table, "9e999")) + (f" OR {name} IS NULL" if key else "")
                for _, name, kind, _, _, key in db.execute(f"PRAGMA table_info({table})").fetchall()
                if table != "scores" or name in _SHOWN_OF_SCORES
            }
            for table in _TABLES
        }
    finally:
        db.close()
