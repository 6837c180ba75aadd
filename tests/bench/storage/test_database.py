"""Run databases that an older tunebench wrote."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from bench.pipeline.run import run
from bench.storage.digests import write_digests
from bench.storage.read_metrics import shown_metrics
from bench.storage.read_scores import shown_scores
from bench.storage.store import Store

# What layout 5 has added, taken away again.
LAYOUT_4 = """
ALTER TABLE metrics DROP COLUMN warnings;
ALTER TABLE metrics DROP COLUMN families;
ALTER TABLE models DROP COLUMN lineage;
ALTER TABLE models DROP COLUMN plays;
ALTER TABLE prompts DROP COLUMN lyrics;
CREATE TABLE scores_4 (
    clip TEXT NOT NULL REFERENCES clips, metric TEXT NOT NULL, version INTEGER NOT NULL, params_hash TEXT NOT NULL,
    embedder TEXT NOT NULL, value REAL, reason TEXT, error TEXT, details TEXT NOT NULL, seconds REAL,
    PRIMARY KEY (clip, metric, version, params_hash, embedder)
) WITHOUT ROWID;
INSERT INTO scores_4 SELECT clip, metric, version, params_hash, embedder, value, reason, error, details, seconds
FROM scores;
DROP TABLE scores;
ALTER TABLE scores_4 RENAME TO scores;
PRAGMA user_version = 4;
"""


def test_scores_that_were_compared_with_nothing_are_those_of_before(tmp_path: Path, tiny: Path) -> None:
    names = ["Peak", "Frames", "Loudest"]
    settings = {
        "models": [f"{tiny}:Sine"],
        "metrics": [f"{tiny}:{name}" for name in names],
        "duration": 0.3,
        "executor": {"workers": 0},
    }
    run(settings, tmp_path)
    with Store.read(tmp_path) as store:
        before = shown_scores(store)
    assert before and {score.metric for score in before} == {f"{name}@1" for name in names}
    with sqlite3.connect(tmp_path / "run.db", isolation_level=None) as database:
        database.executescript(LAYOUT_4)
        write_digests(database)
    with Store.read(tmp_path) as store:  # as a reader sees it, in a copy of its own
        assert shown_scores(store) == before
    with sqlite3.connect(tmp_path / "run.db", isolation_level=None) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (4,)
        database.execute("UPDATE scores SET seconds = 77.0")
        write_digests(database)
    run(settings, tmp_path)
    with Store.read(tmp_path) as store:
        assert shown_scores(store) == before
        assert store.rows("SELECT DISTINCT reference, seconds FROM scores") == [("", 77.0)]  # none is computed again
        assert not any(metric.warnings for metric in shown_metrics(store))


def test_a_run_of_the_first_layout_is_read_and_extended(tmp_path: Path) -> None:
    settings = {"suite": "quick@1", "models": ["noise"], "metrics": [], "duration": 0.1, "executor": {"workers": 0}}
    run(settings, tmp_path)
    # What the layouts since then have added, taken away again.
    with sqlite3.connect(tmp_path / "run.db", isolation_level=None) as database:
        database.executescript(
            f"{LAYOUT_4} ALTER TABLE models DROP COLUMN trained_on; DROP TABLE digests; DROP TABLE set_tests; "
            "PRAGMA user_version = 1;"
        )
    with Store.read(tmp_path) as store:
        clips = store.made()
        assert store.trained_on() == {"noise": frozenset()}
    run({**settings, "seeds": [0, 1]}, tmp_path)
    with Store.read(tmp_path) as store:
        assert {clip.id for clip in clips} < {clip.id for clip in store.made()}
        assert store.trained_on() == {"noise": frozenset()}
