"""Run folders that are damaged: told, and made whole again from what is left of them."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import bench
from bench.config.run_config import load_config
from bench.errors import DataError, UsageError
from bench.leaderboard.render import render
from bench.pipeline.repair_run import inspect_run, repair_run
from bench.pipeline.run import run as run_again
from bench.scores.clip_table import clip_table, written
from bench.storage.digests import write_digests
from bench.storage.store import Store

pytestmark = pytest.mark.slow(12)
PAGE = 4096


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """Two rows, of which one has notes, with a metric of clips and one of sets."""
    config = {
        "models": [{"name": f"{tiny}:Sine", "as": f"{hz}", "params": {"hz": float(hz)}} for hz in (200, 900)],
        "metrics": [f"{tiny}:Peak", f"{tiny}:Spread"],
        "duration": 0.2,
        "executor": {"workers": 0},
    }
    return bench.run(config, tmp_path_factory.mktemp("repair") / "run").folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def tables(run: Path) -> tuple[str, str]:
    with Store.read(run) as store:
        return str(render(run, "json")), written(clip_table(store), "csv").decode()


def change(run: Path, script: str) -> None:
    with closing(sqlite3.connect(run / "run.db", isolation_level=None)) as db:
        db.executescript(script)


def zero(run: Path, table: str) -> None:
    """Make a page of a table zeros: the last that holds its rows."""
    with closing(sqlite3.connect(run / "run.db")) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    data = bytearray((run / "run.db").read_bytes())
    place = (root - 1) * PAGE
    if data[place] in (2, 5):  # an inner page: its last child
        place = (int.from_bytes(data[place + 8 : place + 12], "big") - 1) * PAGE
    data[place : place + PAGE] = bytes(PAGE)
    (run / "run.db").write_bytes(data)


def cut(run: Path) -> None:
    data = (run / "run.db").read_bytes()
    (run / "run.db").write_bytes(data[: len(data) // PAGE // 2 * PAGE + 17])


def sql(script: str) -> Callable[[Path], None]:
    return lambda run: change(run, script)


FAULTS: dict[str, Callable[[Path], object]] = {
    "lost": lambda run: (run / "run.db").unlink(),
    "empty": lambda run: (run / "run.db").write_bytes(b""),
    "other": lambda run: (run / "run.db").write_bytes(b"no database at all" * 1000),
    "cut": cut,
    "page of scores": lambda run: zero(run, "scores"),
    "page of clips": lambda run: zero(run, "clips"),
    "page of digests": lambda run: zero(run, "digests"),
    "value": sql("UPDATE scores SET value = value / 2 WHERE clip = (SELECT MIN(clip) FROM scores)"),
    "score": sql("DELETE FROM scores WHERE clip = (SELECT MAX(clip) FROM scores)"),
    "set score": sql("UPDATE set_scores SET value = 0"),
    "clip": sql("DELETE FROM clips WHERE rowid = 3"),
    "clips swapped": sql("UPDATE clips SET seed = -rowid; UPDATE clips SET prompt = 'jazz-1' WHERE rowid = 2"),
    "clip twice": sql(
        "INSERT INTO clips SELECT 'x', model, prompt, 9, path, state, content, rate, channels, frames, peak, gain, "
        "seconds, error, provenance FROM clips WHERE rowid = 1"
    ),
    "prompt": sql("UPDATE prompts SET genre = 'rock'"),
    "models": sql("DELETE FROM models"),
    "notes": sql("DELETE FROM notes"),
    "embeddings": sql("UPDATE embeddings SET vectors = zeroblob(length(vectors))"),
    "metrics": sql("UPDATE metrics SET shown = 0"),
    "digests": sql("DROP TABLE digests"),
    "definition": sql(
        "PRAGMA writable_schema = ON; UPDATE sqlite_master SET sql = 'CREATE TABLE scores (' WHERE name = 'scores'"
    ),
    "layout": sql("PRAGMA user_version = 6"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_damaged_database_is_repaired(made: Path, run: Path, fault: str) -> None:
    """It is told and refused; after a repair, and the command that made the run, all is as it was."""
    before = tables(made)
    FAULTS[fault](run)
    damaged = (run / "run.db").read_bytes() if (run / "run.db").exists() else None
    assert inspect_run(run)
    with pytest.raises(DataError), Store.open(run):
        pass
    repaired = repair_run(run, plugin_files=True)
    assert repaired.unmade == 0 and not repaired.settled.set_aside
    assert (repaired.kept.read_bytes() if repaired.kept else None) == damaged
    assert inspect_run(run) == []
    run_again(load_config(run / "config.yaml"), run)
    assert tables(run) == before


def test_what_is_whole_stays(made: Path, run: Path) -> None:
    """Only the scores of the damaged clip are forgotten."""
    FAULTS["value"](run)
    repair_run(run)
    with Store.read(made) as whole, Store.read(run) as store:
        columns = [found.rows("SELECT DISTINCT clip FROM scores") for found in (store, whole)]
        assert len(columns[0]) == len(columns[1]) - 1
        assert store.set_scored() == whole.set_scored()
        assert store.made() == whole.made()


def test_a_damaged_digest_costs_nothing(made: Path, run: Path) -> None:
    change(run, "UPDATE digests SET digest = 'x' WHERE table_name = 'scores'")
    found = inspect_run(run)
    assert {finding.file for finding in found} == {"run.db"}
    assert len({finding.remedy for finding in found}) == 1 and "score" not in found[0].remedy
    assert repair_run(run).vouched
    assert tables(run) == tables(made)


def test_rows_whose_digests_are_lost_are_kept_and_told(made: Path, run: Path) -> None:
    change(run, "DROP TABLE digests")
    assert not repair_run(run).vouched
    assert tables(run) == tables(made)


def test_each_damaged_database_is_kept(run: Path) -> None:
    for number in (1, 2):
        FAULTS["value"](run)
        assert repair_run(run).kept == run / f"run.db.damaged-{number}"


def test_audio_that_is_lost_or_damaged_is_made_again(made: Path, run: Path) -> None:
    files = sorted((run / "audio").glob("*/*.flac"))
    files[0].unlink()
    data = bytearray(files[1].read_bytes())
    data[len(data) // 2] ^= 255
    files[1].write_bytes(data)
    files[2].rename(run / "kept")
    files[3].rename(files[2])
    (run / "kept").rename(files[3])
    assert {finding.file for finding in inspect_run(run)} == {file.relative_to(run).as_posix() for file in files[:4]}
    repaired = repair_run(run)
    assert (repaired.unmade, len(repaired.settled.adopted), repaired.kept) == (2, 2, None)
    assert [(run / path).read_bytes() for path in repaired.settled.set_aside] == [bytes(data)]
    run_again(load_config(run / "config.yaml"), run)
    assert tables(run) == tables(made)


def test_an_older_database_takes_over_what_was_made_since(run: Path) -> None:
    older = (run / "run.db").read_bytes()
    config = load_config(run / "config.yaml").model_copy(update={"seeds": (0, 1)})
    run_again(config, run)
    (run / "run.db").write_bytes(older)
    assert len(inspect_run(run)) == 24
    repaired = repair_run(run, plugin_files=True)
    assert (len(repaired.settled.adopted), repaired.unmade) == (24, 0)


def test_nothing_is_changed_where_clips_cannot_be_planned(run: Path) -> None:
    FAULTS["models"](run)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match="--plugin-files"):
        repair_run(run)
    (run / "config.yaml").rename(run.parent / "config.yaml")
    with pytest.raises(DataError, match=r"config\.yaml"):
        repair_run(run, plugin_files=True)
    (run.parent / "config.yaml").rename(run / "config.yaml")
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_run_of_a_newer_tunebench_is_left_alone(run: Path) -> None:
    with closing(sqlite3.connect(run / "run.db")) as db:
        db.execute("ALTER TABLE models ADD COLUMN color TEXT")
        db.execute("PRAGMA user_version = 9")
        write_digests(db)
        db.commit()
    before = (run / "run.db").read_bytes()
    with pytest.raises(DataError, match="layout 9"):
        repair_run(run, plugin_files=True)
    assert (run / "run.db").read_bytes() == before


def test_the_command(run: Path, tunebench: Callable[..., Any]) -> None:
    whole = tunebench("check", "run", run, "--json")
    assert (whole.returncode, json.loads(whole.stdout)) == (0, {"findings": []})
    FAULTS["value"](run)
    refused = tunebench("leaderboard", run)
    assert refused.returncode == 5 and f"tunebench check run {run} --repair" in refused.stderr
    found = tunebench("check", "run", run, "--json")
    assert found.returncode == 5
    assert [finding["file"] for finding in json.loads(found.stdout)["findings"]] == ["run.db"]
    repaired = tunebench("check", "run", run, "--repair", "--json")
    assert repaired.returncode == 0, repaired.stderr
    assert json.loads(repaired.stdout)["kept"] == str(run / "run.db.damaged-1")
    assert tunebench("check", "run", run).returncode == 0
    assert tunebench("check", "run", run / "audio").returncode == 2
