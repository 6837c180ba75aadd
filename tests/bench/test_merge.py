"""Merging: shards joined are the run that one process would have made, whatever happens in between."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.errors import UsageError
from bench.leaderboard import records, read_cells
from bench.merge import merge
from bench.runner import run
from bench.shards import Shard
from bench.store import Store

SEEDS = [0, 1]


@pytest.fixture
def config(tiny: Path) -> dict[str, Any]:
    """24 clips of each of two models, in batches of unlike size; one metric is undefined for some of them."""
    return {
        "suite": "quick@1",
        "models": [
            {"name": f"{tiny}:Sine", "as": "low", "params": {"batch": 5}},
            {"name": f"{tiny}:Sine", "as": "high", "params": {"batch": 2, "hz": 700.0}},
        ],
        "metrics": [f"{tiny}:Peak", f"{tiny}:Frames"],
        "seeds": SEEDS,
        "duration": 0.25,
        "executor": {"workers": 0},
    }


def make_shards(config: dict[str, Any], out: Path, *indices: int, count: int = 3) -> None:
    for index in indices:
        run(config, out, shard=Shard(index, count))


def with_params(config: dict[str, Any], **params: Any) -> dict[str, Any]:
    models = [{**model, "params": {**model["params"], **params}} for model in config["models"]]
    return {**config, "models": models}


def contents(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Everything a run knows but how long things took, by table, in order of planning."""
    found = {}
    with closing(sqlite3.connect(folder / "run.db")) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})") if row[1] != "seconds"]
            order = "rowid" if table == "clips" else ", ".join(columns)
            found[table] = database.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY {order}").fetchall()
    del found["whole_plan"]
    return found


def audio(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.glob("audio/*/*")}


def assert_same_run(folder: Path, other: Path) -> None:
    ours, theirs = contents(folder), contents(other)
    assert ours.keys() == theirs.keys()
    for table in ours:
        assert ours[table] == theirs[table], table
    assert audio(folder) == audio(other)
    assert records(read_cells(folder)) == records(read_cells(other))


@pytest.fixture
def undisturbed(config: dict[str, Any], tmp_path: Path) -> Path:
    return run(config, tmp_path / "undisturbed").folder


def test_three_shards_merged_are_the_run_of_one_process(
    config: dict[str, Any], undisturbed: Path, tmp_path: Path, tunebench: Callable
) -> None:
    out = tmp_path / "out"
    make_shards(config, out, 3, 1, 2)

    merged = tunebench("merge", out, "--json")

    assert merged.returncode == 0, merged.stderr
    assert_same_run(out, undisturbed)
    assert merged.stdout == tunebench("leaderboard", undisturbed, "--json").stdout
    assert (out / "config.yaml").read_bytes() == (undisturbed / "config.yaml").read_bytes()
    assert all(len(rows) for rows in contents(out).values()), "a table that nothing fills proves nothing"


def test_merging_again_changes_nothing_and_the_shards_may_go(
    config: dict[str, Any], undisturbed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    make_shards(config, out, 1, 2, 3)
    for _ in range(2):
        assert merge(out).lacking == []
        assert_same_run(out, undisturbed)
    shutil.rmtree(out / "shards")
    assert_same_run(out, undisturbed)


def test_a_merged_run_goes_on_as_any_other(config: dict[str, Any], tmp_path: Path, tiny: Path) -> None:
    marks = tmp_path / "marks"
    config = with_params(config, marks=str(marks))
    make_shards(config, tmp_path / "out", 1, 2, 3)
    merge(tmp_path / "out")
    made = marks.read_text()

    run(config, tmp_path / "out")
    assert marks.read_text() == made

    extended = {**config, "seeds": [*SEEDS, 2], "metrics": [*config["metrics"], f"{tiny}:Fragile"]}
    run(extended, tmp_path / "out")
    again = marks.read_text()[len(made) :]
    assert len(again.splitlines()) >= 24
    run(extended, tmp_path / "whole")
    assert contents(tmp_path / "out")["scores"] == contents(tmp_path / "whole")["scores"]


def test_a_missing_shard_is_named_and_its_clips_stay_planned(
    config: dict[str, Any], undisturbed: Path, tmp_path: Path, tunebench: Callable
) -> None:
    out = tmp_path / "out"
    make_shards(config, out, 1, 3)
    (out / "shards" / "2-of-3").mkdir()  # its job died before it began

    merged = tunebench("merge", out)

    assert merged.returncode == 4
    assert f"shard 2/3 is missing: {2 * 5 - 1 + 4 * 2} clips not made" in merged.stderr
    assert f"tunebench run CONFIG --out {out} --shard" in merged.stderr
    states = [row[4] for row in contents(out)["clips"]]
    assert (states.count("planned"), states.count("made"), len(states)) == (17, 31, 48)
    assert {record["planned"] for record in records(read_cells(out))} == {24}

    completed = shutil.copytree(out, tmp_path / "completed")
    run(config, completed)
    assert_same_run(completed, undisturbed)

    make_shards(config, out, 2)
    assert merge(out).lacking == []
    assert_same_run(out, undisturbed)


def test_an_unfinished_shard_is_named(config: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "out"
    make_shards(config, out, 1, 2, 3)
    with closing(sqlite3.connect(out / "shards/2-of-3/run.db", isolation_level=None)) as database:
        database.execute("DELETE FROM scores WHERE clip = (SELECT MIN(clip) FROM scores)")
    next((out / "shards/3-of-3/audio/low").iterdir()).unlink()

    assert merge(out).lacking == [
        "shard 2/3 is not finished: 1 clips not scored",
        "shard 3/3 is not finished: 1 clips not made",
    ]


def test_a_failed_clip_is_carried_over_and_mended_by_a_later_merge(
    config: dict[str, Any], undisturbed: Path, tmp_path: Path, tunebench: Callable
) -> None:
    out = tmp_path / "out"
    make_shards(with_params(config, bad="raise"), out, 1, 2, 3)

    merged = tunebench("merge", out)
    assert merged.returncode == 4
    assert "failed: low, jazz-2, seed 0: RuntimeError: the model stumbled over two lines" in merged.stderr

    make_shards(config, out, 1, 2, 3)
    assert merge(out).run.failures() == []
    assert audio(out) == audio(undisturbed)
    assert contents(out)["scores"] == contents(undisturbed)["scores"]


def test_a_failed_score_gives_way_to_a_value(config: dict[str, Any], tmp_path: Path, tiny: Path) -> None:
    plugin = tmp_path / "level.py"
    plugin.write_text((tiny.read_text()).replace("100 * clip.audio.peak", "100 * clip.audio.louder"))
    config["metrics"] = [f"{plugin}:Peak"]
    make_shards(config, tmp_path / "out", 1, 2, count=2)
    assert len(merge(tmp_path / "out").run.failures()) == 48

    code = (tmp_path / "out/shards/1-of-2/config.yaml").read_text()
    plugin.write_text(tiny.read_text())
    for index in (1, 2):
        script = [shutil.which("python") or "python3"]
        del script
        _run_in_a_process_of_its_own(code, tmp_path, index)
    assert merge(tmp_path / "out").run.failures() == []
