"""Databases that SQLite finds whole and that no run ever wrote: one line and what is wrong, wherever they are read."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bench
from bench import Audio
from bench.cli.compare import comparison
from bench.comparison.compare import ComparisonOptions, compare
from bench.contracts.audio import write_flac
from bench.contracts.notice import Notice
from bench.errors import DataError, UsageError
from bench.export.hugging_face import export
from bench.leaderboard.render import read_board, render
from bench.progress import Silent
from bench.scores.aggregate import summarise
from bench.storage.digests import write_digests
from bench.storage.store import Store
from tests.bench.storage.test_database import LAYOUT_4

PLUGINS = Path(__file__).parents[2] / "plugins"
LEVELS = f"{PLUGINS / 'levels.py'}:Levels"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, a metric of clips and a distance."""
    music = tmp_path_factory.mktemp("reference") / "music"
    rng = np.random.default_rng(3)
    for place in range(6):
        noise = rng.uniform(-0.9, 0.9, size=4000)
        write_flac(music / ("jazz" if place < 3 else "rock") / f"{place}.flac", Audio(noise.astype(np.float32), 8000))
    config = {
        "models": [{"name": LEVELS, "as": "base"}, {"name": LEVELS, "as": "tuned", "params": {"shift": 0.2}}],
        "metrics": [
            f"{PLUGINS / 'levels.py'}:Peak",
            {"name": "kad", "params": {"embedder": f"{PLUGINS / 'tiny.py'}:Bands"}},
        ],
        "duration": 0.5,
        "reference": str(music),
        "executor": {"workers": 0},
    }
    folder = bench.run(config, tmp_path_factory.mktemp("integrity") / "run").folder
    compare(folder, "base", "tuned", options=ComparisonOptions(plugin_files=True))
    return folder


@pytest.fixture
def change(made: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of the run after some SQL."""

    def changed(script: str) -> Path:
        folder = tmp_path / "run"
        shutil.copytree(made, folder)
        with closing(sqlite3.connect(folder / "run.db")) as db:
            db.executescript(f"PRAGMA ignore_check_constraints = ON; {script}")
            if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'digests'").fetchone():
                write_digests(db)
                db.commit()
        return folder

    return changed


def _told_in_sentences(run: Path) -> str:
    """SQL that writes the warnings of a run as the first layout had them."""
    with closing(sqlite3.connect(run / "run.db")) as db:
        found = [stored for (stored,) in db.execute("SELECT DISTINCT warnings FROM set_scores")]
    sentences = {stored: [Notice.of_json(one).sentence for one in json.loads(stored)] for stored in found}
    return "".join(
        f"UPDATE set_scores SET warnings = {_quoted(json.dumps(told))} WHERE warnings = {_quoted(stored)}; "
        for stored, told in sentences.items()
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


DAMAGE = [
    ("UPDATE metrics SET params = '{'", "params of 'Peak' in metrics"),
    ("UPDATE metrics SET params = '[]'", "params of 'Peak' in metrics"),
    ("UPDATE metrics SET direction = 'sideways'", "direction of 'Peak' in metrics"),
    ("UPDATE metrics SET lowest = 0, highest = NULL", "bounds of 'Peak' in metrics"),
    ("UPDATE metrics SET shown = 'x'", "metrics.shown has an invalid value"),
    ("DELETE FROM prompts WHERE rowid = 1", "clips names a row that prompts lacks"),
    ("DELETE FROM models WHERE label = 'base'", "clips names a row that models lacks"),
    ("UPDATE models SET trained_on = '[[]]'", "trained_on of 'base' in models"),
    ("UPDATE models SET provenance = ''", "provenance of 'base' in models"),
    ("UPDATE prompts SET level = 'high'", "prompts.level has an invalid value"),
    ("UPDATE prompts SET text = ' '", "text is empty"),
    ("UPDATE clips SET frames = 0", "of a clip that is made of '"),
    ("UPDATE clips SET rate = 0", "of a clip that is made of '"),
    ("UPDATE clips SET content = NULL", "of a clip that is made of '"),
    ("UPDATE clips SET state = 'lost'", "CHECK constraint failed in clips"),
    ("UPDATE clips SET provenance = '1'", "provenance of '"),
    ("DELETE FROM about", "duration"),
    ("UPDATE scores SET value = 'x'", "scores.value has an invalid value"),
    ("UPDATE scores SET value = 1e308", "scores.value has an invalid value"),
    ("UPDATE scores SET reason = x'00', value = NULL", "scores.reason has an invalid value"),
    ("UPDATE scores SET details = '[1,\"chance\"]'", "details in scores"),
    ('UPDATE scores SET details = \'{"chance": "high"}\'', "details in scores"),
    ("UPDATE scores SET details = '{\"known\": 1e999}'", "details in scores"),
    ("UPDATE set_scores SET warnings = 'x'", "warnings of 'base' in set_scores"),
    ("UPDATE set_scores SET details = ''", "details of 'base' in set_scores"),
    ("UPDATE set_scores SET model = model || 'x'", "set_scores names a row that models lacks"),
    ("UPDATE prompts SET text = CAST(x'ff41' AS TEXT)", "Could not decode to UTF-8"),
    ("DROP TABLE notes", "no such table: notes"),
    ("DROP TABLE set_scores", "no such table: set_scores"),
    ("ALTER TABLE clips RENAME COLUMN frames TO length", "no such column: frames"),
]


@pytest.mark.parametrize(("script", "said"), DAMAGE, ids=[script for script, _ in DAMAGE])
def test_what_no_run_holds_is_damage_to_every_reader(change: Callable[[str], Path], script: str, said: str) -> None:
    folder = change(script)
    readers: tuple[Callable[[], Any], ...] = (
        lambda: compare(folder, "base", "tuned"),
        lambda: render(folder, "json", by="genre"),
        lambda: export(folder, folder / "hf"),
    )
    for read in readers:
        with pytest.raises(DataError) as caught:
            read()
        message = str(caught.value)
        assert said in message and "\n" not in message
        assert "disk space" not in message


def test_a_command_leaves_with_one_line(change: Callable[[str], Path], tunebench: Callable[..., Any]) -> None:
    folder = change("UPDATE metrics SET direction = 'sideways'")
    done = tunebench("compare", folder, "base", "tuned")
    assert done.returncode == 5, done.stderr
    assert done.stderr.count("\n") == 1 and f"{folder}/run.db is damaged (direction of 'Peak'" in done.stderr


class TestFolders:
    def test_a_configuration_that_is_gone_or_damaged_costs_nothing(
        self, change: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        folder = change("DELETE FROM set_tests")
        first = compare(folder, "base", "tuned", options=ComparisonOptions(plugin_files=True))
        (folder / "config.yaml").unlink()
        for content in (None, b"", b"\xff\xfe\x00", b"[[[", b"metrics: 3"):
            if content is not None:
                (folder / "config.yaml").write_bytes(content)
            shutil.rmtree(tmp_path / "cache")
            assert compare(folder, "base", "tuned", options=ComparisonOptions(plugin_files=True)) == first

    def test_one_run_by_two_paths_is_one(self, made: Path, tmp_path: Path) -> None:
        link, beside = tmp_path / "link", tmp_path / "beside"
        link.symlink_to(made)
        beside.mkdir()
        (beside / "run.db").symlink_to(made / "run.db")
        for other in (link, beside):
            with pytest.raises(UsageError, match=r"'base' .*itself"):
                compare(made, "base", "base", other)

    def test_a_name_that_is_no_text(self, made: Path, tmp_path: Path) -> None:
        name = os.fsdecode(b"caf\xe9")
        shutil.copytree(made, tmp_path / name)
        for style in ("table", "json"):
            text = comparison(made, "base", "base", tmp_path / name, style=style)
            assert r"base (caf\xe9)" in text.replace("\\\\", "\\")
            text.encode()


class TestWhatIsSound:
    def test_a_run_in_the_making(self, change: Callable[[str], Path]) -> None:
        folder = change(
            "UPDATE clips SET state = 'planned', content = NULL, rate = NULL, frames = NULL, channels = NULL, "
            "provenance = NULL WHERE seed = 0; DELETE FROM scores; DELETE FROM set_scores; DELETE FROM metrics;"
        )
        assert read_board(folder).cells == []

    def test_an_older_layout(self, change: Callable[[str], Path], made: Path) -> None:
        folder = change(
            f"{LAYOUT_4} ALTER TABLE models DROP COLUMN trained_on; DROP TABLE digests; DROP TABLE set_tests; "
            "PRAGMA user_version = 1; "
            "UPDATE metrics SET view = 'whole clips' WHERE view != ''; UPDATE embeddings SET view = 'whole clips'; "
            f"{_told_in_sentences(made)}"
            "UPDATE about SET value = '0.5 s' WHERE name = 'duration'"
        )
        assert render(folder, "json") == render(made, "json")

    def test_a_replaced_clip_whose_audio_is_gone(self, change: Callable[[str], Path]) -> None:
        folder = change("UPDATE clips SET state = 'replaced', content = NULL WHERE rowid IN (1, 13)")
        assert {cell.planned for cell in read_board(folder).cells} == {11}

    def test_a_folder_in_which_nothing_is_planned_yet(self, tmp_path: Path) -> None:
        Store.open(tmp_path / "new").close()
        for read in (lambda: render(tmp_path / "new"), lambda: compare(tmp_path / "new", "a", "b")):
            with pytest.raises(UsageError):
                read()

    def test_a_distance_that_is_no_number_costs_only_itself(self, change: Callable[[str], Path]) -> None:
        folder = change("UPDATE set_scores SET value = 9e999, high = 1e308")
        cells = [cell for cell in read_board(folder).cells if cell.column.of_sets]
        assert cells and all(cell.estimate.value is cell.estimate.high is None for cell in cells)
        assert cells[0].estimate.reason is not None and "inf" in cells[0].estimate.reason


class Meanwhile(Silent):
    """Scores the run with other metrics as soon as the tests of distances begin; a lock would make it fail."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, stage: str, total: int, done: int) -> None:
        super().begin(stage, total, done)
        with closing(sqlite3.connect(self._folder / "run.db", timeout=0)) as db:
            db.execute("UPDATE metrics SET shown = 1 - shown WHERE name = 'Peak'")
            write_digests(db)
            db.commit()


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_a_table_is_of_one_moment_and_no_writer_waits(change: Callable[[str], Path], made: Path, journal: str) -> None:
    folder = change(f"PRAGMA journal_mode = {journal}")
    before = comparison(made, "base", "tuned", style="json"), render(made, "json")
    assert comparison(folder, "base", "tuned", style="json", progress=Meanwhile(folder)) == before[0]
    assert comparison(folder, "base", "tuned", style="json") != before[0]
    assert "Peak" not in str(render(folder, "json", progress=Meanwhile(folder)))
    assert render(folder, "json") == before[1]


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_what_is_read_later_is_of_the_same_moment(change: Callable[[str], Path], journal: str) -> None:
    folder = change(f"PRAGMA journal_mode = {journal}")
    with Store.read(folder) as store:
        before = summarise(store)
        Meanwhile(folder).begin("scoring", 1, 0)
        assert summarise(store) == before
    with Store.read(folder) as store:
        assert len(summarise(store)) == len(before) // 2
