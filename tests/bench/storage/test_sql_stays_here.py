"""SQL stands in the room of the database, and in the one that reads databases which it does not trust."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("bench", "models", "metrics", "prompts", "results")
ROOMS = (ROOT / "bench" / "storage", ROOT / "bench" / "bundle")
STATEMENT = re.compile(
    r"\b(SELECT\s+\S+.*\sFROM\s|SELECT\s+(DISTINCT|COUNT|MAX|SUM)\b|INSERT\s+(OR\s+[A-Z]+\s+)?INTO\s|UPDATE\s+\S+\s+SET\s"
    r"|DELETE\s+FROM\s|(CREATE|DROP|ALTER)\s+(TEMP\s+|VIRTUAL\s+)?(TABLE|VIEW|INDEX|TRIGGER)\s|(LEFT\s+)?JOIN\s+\S+\s+(AS|ON|USING)\b"
    r"|ATTACH\s+\S+\s+AS\s|DETACH\s|PRAGMA\s+\w+|\sORDER\s+BY\s)",
    re.DOTALL,
)


def words(node: ast.Constant | ast.JoinedStr) -> str:
    """A text, with x for whatever is put into it; empty for a number."""
    if isinstance(node, ast.JoinedStr):
        return "".join(words(part) if isinstance(part, ast.Constant) else "x" for part in node.values)
    return node.value if isinstance(node.value, str) else ""


def statements(source: str) -> Iterator[str]:
    """The SQL in the texts of a program, and a line for each import of the library that runs it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant | ast.JoinedStr) and STATEMENT.search(text := words(node)):
            yield f"{node.lineno}: {text[:60]}"
        elif isinstance(node, ast.Import) and any(alias.name == "sqlite3" for alias in node.names):
            yield f"{node.lineno}: import sqlite3"
        elif isinstance(node, ast.ImportFrom) and node.module == "sqlite3":
            yield f"{node.lineno}: from sqlite3 import"


def test_no_other_room_holds_sql() -> None:
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    others = [path for path in files if not any(room in path.parents for room in ROOMS)]
    assert len(others) > 200
    found = [f"{path.relative_to(ROOT)}:{line}" for path in others for line in statements(path.read_text("utf-8"))]
    assert not found


@pytest.mark.parametrize(
    "source",
    [
        'store.rows("SELECT label FROM models")',
        'store.rows(f"SELECT COUNT(*) AS {name}")',
        'query = "WHERE shown ORDER BY position"',
        'query = "JOIN models ON label = model"',
        'query = "LEFT JOIN scores AS s"',
        'db.execute("DELETE FROM scores")',
        'db.execute("INSERT OR IGNORE INTO notes VALUES (?, ?)")',
        'db.execute(f"UPDATE {table} SET shown = 0")',
        'db.execute("PRAGMA user_version")',
        'db.execute("ATTACH ? AS other")',
        'db.execute("CREATE TEMP VIEW all_scores AS …")',
        "def f():\n    import sqlite3",
        "from sqlite3 import connect",
    ],
)
def test_sql_is_found(source: str) -> None:
    assert list(statements(source))


def test_the_rooms_of_sql_hold_it() -> None:
    # Were the scan blind to how statements are written here, the first test could not fail.
    for name in ("join_shards", "read_clips", "read_metrics", "read_models", "read_scores", "store", "views"):
        assert list(statements((ROOMS[0] / f"{name}.py").read_text("utf-8")))


@pytest.mark.parametrize(
    "text", ["Select a metric from the list.", "update the set", "delete files from disk", "Join us on it."]
)
def test_words_are_no_sql(text: str) -> None:
    assert not list(statements(f"say({text!r})"))
