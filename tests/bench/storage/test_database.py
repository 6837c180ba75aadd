"""Run databases that an older tunebench wrote."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from bench.pipeline.run import run
from bench.storage.store import Store


def test_a_run_of_the_first_layout_is_read_and_extended(tmp_path: Path) -> None:
    settings = {"suite": "quick@1", "models": ["noise"], "metrics": [], "duration": 0.1, "executor": {"workers": 0}}
    run(settings, tmp_path)
    # What the layouts since then have added, taken away again.
    with sqlite3.connect(tmp_path / "run.db", isolation_level=None) as database:
        database.executescript(
            "ALTER TABLE models DROP COLUMN trained_on; DROP TABLE digests; DROP TABLE set_tests; "
            "ALTER TABLE prompts DROP COLUMN lyrics; PRAGMA user_version = 1;"
        )
    with Store.read(tmp_path) as store:
        clips = store.made()
        assert store.trained_on() == {"noise": frozenset()}
    run({**settings, "seeds": [0, 1]}, tmp_path)
    with Store.read(tmp_path) as store:
        assert {clip.id for clip in clips} < {clip.id for clip in store.made()}
        assert store.trained_on() == {"noise": frozenset()}
