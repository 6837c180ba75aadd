"""Commands that read a run leave its folder as it was, and say what they say where nothing can be written."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sqlite3
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import bench
from bench import DataError, UsageError
from bench.comparison.compare import ComparisonOptions, compare
from bench.leaderboard.render import render
from bench.storage.database import as_of_now
from bench.storage.digests import write_digests
from bench.storage.quiet_reading import ChangedMeanwhileError, UnsharedReader, open_to_read
from bench.storage.store import Store

Command = Callable[..., "subprocess.CompletedProcess[str]"]
State = dict[str, tuple[int, bytes]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    """A run of two models with a set metric, of which one has notes."""
    config = {
        "models": [{"name": f"{tiny}:Sine", "as": "sine"}, "composer"],
        "metrics": [f"{tiny}:Peak", {"name": "diversity", "params": {"embedder": f"{tiny}:Bands"}}],
        "duration": 0.5,
        "seeds": [0, 1],
        "executor": {"workers": 0},
    }
    return bench.run(config, tmp_path_factory.mktemp("made") / "run").folder


@pytest.fixture
def finished(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "finished"))


@pytest.fixture
def killed(made: Path, tmp_path: Path) -> Path:
    """A run whose driver was killed: the newest value, 0.109375, stands in its log only."""
    working = Path(shutil.copytree(made, tmp_path / "working"))
    with Store.open(working), closing(sqlite3.connect(working / "run.db")) as db:
        db.execute("UPDATE scores SET value = 0.109375 WHERE metric = 'Peak'")
        write_digests(db)
        db.commit()
        folder = Path(shutil.copytree(working, tmp_path / "killed"))
    assert (folder / "run.db-wal").stat().st_size
    return folder


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Callable[[Path], Path]]:
    """Show a folder at another place, where nothing can be written, not even by root."""
    mounted: list[Path] = []

    def mount(folder: Path) -> Path:
        place = tmp_path / f"locked-{folder.name}"
        place.mkdir()
        for command in (["--bind", str(folder), str(place)], ["-o", "remount,bind,ro", str(place)]):
            if subprocess.run(["mount", *command], capture_output=True, check=False).returncode:
                pytest.skip("disks cannot be mounted here")
            if not mounted:
                mounted.append(place)
        with pytest.raises(OSError):
            (place / "file").touch()
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", place], check=True)


def state(folder: Path) -> State:
    """By path, folders included, when each was changed, and what is in it."""
    return {
        str(path): (path.stat().st_mtime_ns, b"" if path.is_dir() else hashlib.sha256(path.read_bytes()).digest())
        for path in (folder, *folder.rglob("*"))
    }


def commands(run: Path, out: Path) -> list[list[str | Path]]:
    """Every command that reads a run and nothing else of note, with what it needs."""
    with Store.read(run) as store:
        prompts = list(store.prompts())[:3]
    ratings = out / "ratings.csv"
    rows = [f"{who},{model},{prompt},0,{3 + who % 2 + (model == 'sine')}" for who in range(6)
            for model in ("sine", "composer") for prompt in prompts]  # fmt: skip
    ratings.write_text("\n".join(["listener,model,prompt,seed,rating", *rows]))
    return [
        ["leaderboard", run],
        ["compare", run, "sine", "composer", "--by", "genre"],
        ["report", run, "--out", out / "report", "--workers", "0"],
        ["export", "scores", run, out / "scores.csv"],
        ["export", "hf", run, out / "hf"],
        ["export", "midi", run, out / "midi"],
        ["export", "bundle", run, out / "bundle.zip"],
        ["verify", out / "bundle.zip", "--workers", "0"],
        ["survey", "agree", run, ratings],
    ]


@pytest.mark.slow(20)
def test_reading_leaves_a_run_as_it_was(killed: Path, tunebench: Command, tmp_path: Path) -> None:
    before = state(killed)
    for command in commands(killed, tmp_path):
        done = tunebench(*command)
        # Plugin files are not run where a bundle is verified.
        assert done.returncode == (3 if command[0] == "verify" else 0), (command, done.stderr)
    assert state(killed) == before
    assert "0.109375" in (tmp_path / "scores.csv").read_text()


def test_a_run_that_is_finished_stays_as_it_was_too(finished: Path) -> None:
    before = state(finished)
    assert "diversity" in str(render(finished))
    assert len(compare(finished, "sine", "composer", options=ComparisonOptions("genre"))) > 2
    assert state(finished) == before


@pytest.mark.slow(6)
def test_a_disk_that_is_read_only_shows_the_newest_table(
    killed: Path, locked: Callable[[Path], Path], tunebench: Command, tmp_path: Path
) -> None:
    (killed / "run.db-shm").unlink()  # as after a copy
    place = locked(killed)
    said = [tunebench("leaderboard", run) for run in (killed, place)]
    assert [done.returncode for done in said] == [0, 0] and said[0].stdout == said[1].stdout
    assert tunebench("export", "scores", place, tmp_path / "scores.csv").returncode == 0
    assert "0.109375" in (tmp_path / "scores.csv").read_text()


@contextmanager
def somebody() -> Iterator[None]:
    """Be somebody whom permissions stop, which root is not."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.mark.parametrize("logged", [False, True])
def test_a_run_that_only_others_may_write_to_is_read(finished: Path, killed: Path, logged: bool) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(shutil.copytree(killed if logged else finished, Path(place) / "run"))
        Path(place).chmod(0o755)
        (folder / "run.db-shm").unlink(missing_ok=True)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        before = state(folder)
        with somebody():
            with pytest.raises(PermissionError):
                (folder / "file").touch()
            with Store.read(folder) as store:
                peaks = {value for (value,) in store.rows("SELECT value FROM scores WHERE metric = 'Peak'")}
        assert state(folder) == before
        assert (peaks == {0.109375}) is logged
        for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
            path.chmod(0o755)


class TestDriverThatBegins:
    """What is read of a run where a driver begins to work meanwhile."""

    def test_a_large_run_that_changed_is_not_shown(self, finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("bench.storage.database._SMALL", 0)
        with pytest.raises(ChangedMeanwhileError), Store.read(finished), Store.open(finished) as driver:
            driver.drop_other_set_tests(())

    def test_a_small_run_that_changes_is_read_again(self, finished: Path) -> None:
        """A driver ends between the opening of the database and its copying."""
        reader = open_to_read(finished)
        assert isinstance(reader, UnsharedReader)
        with Store.open(finished) as driver:
            driver.drop_other_set_tests(())
        with closing(as_of_now(finished, reader)) as db:
            assert db.execute("SELECT COUNT(*) FROM set_tests").fetchone() == (0,)

    def test_a_log_that_begins_or_grows_changes_nothing(self, finished: Path) -> None:
        with closing(open_to_read(finished)) as reader, closing(sqlite3.connect(finished / "run.db")) as db:
            assert isinstance(reader, UnsharedReader)
            db.execute("UPDATE scores SET value = 0.5")
            db.commit()
            assert reader.execute("SELECT COUNT(*) FROM scores WHERE value = 0.5").fetchone() < (48,)
            reader.close()

    def test_a_driver_at_work_is_read_through_its_log(self, finished: Path) -> None:
        with Store.open(finished) as driver:
            driver.drop_other_set_tests(())
            with closing(open_to_read(finished)) as reader:
                assert not isinstance(reader, UnsharedReader)
                assert reader.execute("SELECT COUNT(*) FROM set_tests").fetchone() == (0,)

    def test_a_look_does_not_keep_a_driver_out(self, killed: Path) -> None:
        lock = (killed / "run.lock").open("rb")
        fcntl.flock(lock, fcntl.LOCK_SH)
        later = threading.Timer(0.01, lock.close)
        later.start()
        Store.open(killed).close()
        later.join()


@pytest.mark.parametrize("log", [b"", b"x" * 5000, None])
@pytest.mark.parametrize("database", [b"", b"SQLite", None])
def test_damage_is_not_tidied_away_by_reading(killed: Path, log: bytes | None, database: bytes | None) -> None:
    """SQLite removes a log in which it finds nothing, and that of an empty database."""
    for content, name in ((log, "run.db-wal"), (database, "run.db")):
        if content is not None:
            (killed / name).write_bytes(content)
    before = state(killed)
    try:
        Store.read(killed).close()
    except DataError:
        assert database is not None
    else:
        assert database is None
    assert state(killed) == before


def test_a_change_that_was_cut_off_is_told_and_not_shown(finished: Path, locked: Callable[[Path], Path]) -> None:
    """As on a network disk, where a driver works with a journal: whoever may write undoes it."""
    with closing(sqlite3.connect(finished / "run.db")) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("PRAGMA cache_size = 1")
        db.execute("PRAGMA synchronous = OFF")
        db.execute("UPDATE scores SET value = 0.109375")
        torn = Path(shutil.copytree(finished, finished.with_name("torn")))
        assert (torn / "run.db-journal").stat().st_size
        db.rollback()
    before = state(torn)
    for folder in (torn, locked(torn)):
        with pytest.raises(UsageError) as found:
            Store.read(folder)
        assert found.value.exit_code == 2
    assert state(torn) == before
    Store.open(torn).close()
    with Store.read(torn) as store:
        assert store.rows("SELECT COUNT(*) FROM scores WHERE value = 0.109375") == [(0,)]


def test_a_run_without_scores_says_what_to_do(tunebench: Command, write_config: Callable[..., Path]) -> None:
    config = write_config(metrics=[])
    assert tunebench("run", config, "--out", "run").returncode == 0
    for style in ("table", "json"):
        done = tunebench("leaderboard", "run", "--format", style)
        assert (done.returncode, done.stdout) == (2, "") and "tunebench score run" in done.stderr


def test_a_bundle_tells_what_failed(tunebench: Command, write_config: Callable[..., Path], tiny: Path) -> None:
    config = write_config(metrics=[f"{tiny}:Fragile"])
    assert tunebench("run", config, "--out", "run").returncode == 4
    done = tunebench("export", "bundle", "run")
    assert done.returncode == 0 and "2 failures" in done.stdout
    assert "\nfailed: sine, Fragile" in done.stderr and "ZeroDivisionError" in done.stderr
