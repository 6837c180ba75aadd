"""Databases and audio that are damaged, lost, swapped or put back from an older copy: told, mended, and never scored
as what they are not."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.faults.conftest import MODELS, Bench, Trials, amounts, sounds_of

pytestmark = pytest.mark.slow(4)


def _scores(folder: Path) -> dict[tuple[str, ...], float]:
    """Every value that is stored for a clip, by the clip's id and the metric."""
    with sqlite3.connect(folder / "run.db") as db:
        rows = db.execute("SELECT clip, metric, value FROM scores WHERE value IS NOT NULL").fetchall()
    db.close()
    return {(clip, metric): value for clip, metric, value in rows}


def _all_sounds(folder: Path) -> set[str]:
    """The content hashes of what can be decoded anywhere below the run's audio folder."""
    from bench import TunebenchError, read_audio
    from bench.contracts.audio import content_hash

    found = set()
    for path in (folder / "audio").rglob("*"):
        if path.is_file() and not path.is_symlink():
            try:
                found.add(content_hash(read_audio(path)))
            except TunebenchError:
                continue
    return found


def _clips(folder: Path, rng: np.random.Generator, count: int) -> list[Path]:
    files = sorted((folder / "audio").glob("*/*.flac"))
    return [files[place] for place in rng.permutation(len(files))[:count]]


def _flip_bits(path: Path, rng: np.random.Generator) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(rng.integers(1, 9)):
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)


def _truncate(path: Path, rng: np.random.Generator) -> None:
    os.truncate(path, int(rng.integers(path.stat().st_size)))


def _swap(folder: Path, rng: np.random.Generator) -> None:
    one, other = _clips(folder, rng, 2)
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(kept)


def _put_another_in(folder: Path, rng: np.random.Generator) -> None:
    one, other = _clips(folder, rng, 2)
    shutil.copyfile(other, one)


def _write_noise(folder: Path, rng: np.random.Generator) -> None:
    import soundfile

    (path,) = _clips(folder, rng, 1)
    soundfile.write(path, rng.uniform(-0.5, 0.5, 4000), 8000, subtype="PCM_24")


def _rename(folder: Path, rng: np.random.Generator) -> None:
    (path,) = _clips(folder, rng, 1)
    path.rename(path.with_name(f"{rng.bytes(8).hex()}.flac"))


def _make_fifo(folder: Path, rng: np.random.Generator) -> None:
    (path,) = _clips(folder, rng, 1)
    path.unlink()
    os.mkfifo(path)


def _one(change: Callable[[Path, np.random.Generator], object]) -> Callable[[Path, np.random.Generator], None]:
    def changed(folder: Path, rng: np.random.Generator) -> None:
        change(_clips(folder, rng, 1)[0], rng)

    return changed


AUDIO_FAULTS = (
    _one(_flip_bits),
    _one(_truncate),
    _one(lambda path, _: path.unlink()),
    _one(lambda path, _: path.write_bytes(b"")),
    _swap,
    _put_another_in,
    _write_noise,
    _rename,
    _make_fifo,
)


@amounts(9, 135)
def test_audio_damaged_or_swapped(trials: Trials, bench_run: Bench, tmp_path: Path, count: int) -> None:
    """No clip is scored on other audio than its own, and repairing and running again gives the undisturbed run."""
    original = _scores(bench_run.run)
    faults = iter(range(count))

    def trial(rng: np.random.Generator) -> None:
        folder = bench_run.copy(tmp_path / "run")
        AUDIO_FAULTS[next(faults) % len(AUDIO_FAULTS)](folder, rng)
        before = _all_sounds(folder)
        bench_run.score(folder, "--force", codes={0, 4, 5})
        assert all(original[key] == value for key, value in _scores(folder).items())
        bench_run.call("check", "run", folder, "--repair", "--plugin-files", codes={0, 4, 5})
        bench_run.finish(folder)
        assert before <= _all_sounds(folder), "audio that was whole is gone"

    trials.make(count, trial)


def _older(bench_run: Bench, folder: Path, rng: np.random.Generator) -> Path:
    """A finished run whose database is put back from a moment in the middle of it, or has lost its write-ahead log."""
    shutil.rmtree(folder, ignore_errors=True)
    driver = bench_run.start("run", bench_run.config, "--out", folder)
    time.sleep(rng.uniform(0.3, 1) * bench_run.seconds)
    driver.send(signal.SIGKILL)
    driver.wait()
    if rng.integers(2):
        kept = [(path, path.read_bytes()) for path in folder.glob("run.db*")]
        bench_run.call("run", bench_run.config, "--out", folder, codes={0})
        for path in folder.glob("run.db*"):
            path.unlink()
        for path, content in kept:
            path.write_bytes(content)
    else:
        for path in folder.glob("run.db-*"):
            path.unlink()
    return folder


def _zero_a_page(path: Path, rng: np.random.Generator) -> None:
    with path.open("r+b") as file:
        file.seek(4096 * int(rng.integers(path.stat().st_size // 4096)))
        file.write(bytes(4096))


def _overwrite(path: Path, rng: np.random.Generator) -> None:
    with path.open("r+b") as file:
        file.seek(int(rng.integers(path.stat().st_size)))
        file.write(rng.bytes(int(rng.integers(1, 512))))


def _drop_a_table(path: Path, rng: np.random.Generator) -> None:
    with sqlite3.connect(path) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        db.execute(f"DROP TABLE {tables[rng.integers(len(tables))]}")
    db.close()


def _delete_rows(path: Path, rng: np.random.Generator) -> None:
    with sqlite3.connect(path) as db:
        table = ("clips", "scores", "set_scores", "prompts", "metrics", "embeddings", "models")[rng.integers(7)]
        column = {"clips": "id", "scores": "clip", "prompts": "id", "metrics": "name", "embeddings": "content"}
        key = column.get(table, "label" if table == "models" else "model")
        keys = [value for (value,) in db.execute(f"SELECT DISTINCT {key} FROM {table} ORDER BY 1")]
        db.execute(f"DELETE FROM {table} WHERE {key} = ?", (keys[rng.integers(len(keys))],))
    db.close()


DATABASE_FAULTS = (
    lambda path, _: path.unlink(),
    lambda path, _: path.write_bytes(b""),
    _truncate,
    _zero_a_page,
    _overwrite,
    _drop_a_table,
    _delete_rows,
    _flip_bits,
)


@amounts(9, 135)
def test_database_damaged_or_lost(trials: Trials, bench_run: Bench, tmp_path: Path, count: int) -> None:
    """A printed table is the true one or is refused; repairing and running again gives the undisturbed run."""
    faults = iter(range(count))

    def trial(rng: np.random.Generator) -> None:
        kind = next(faults) % (len(DATABASE_FAULTS) + 1)
        if kind == len(DATABASE_FAULTS):
            folder = _older(bench_run, tmp_path / "run", rng)
        else:
            folder = bench_run.copy(tmp_path / "run")
            DATABASE_FAULTS[kind](folder / "run.db", rng)
            read = bench_run.call("leaderboard", folder, "--json", codes={0, 2, 5})
            assert read.returncode or read.stdout == bench_run.table, "another table was printed"
        before = sounds_of(folder)
        resumed = bench_run.call("run", bench_run.config, "--out", folder, codes={0, 2, 4, 5})
        assert before <= _all_sounds(folder), "audio that was whole is gone"
        if resumed.returncode == 0:
            assert bench_run.call("leaderboard", folder, "--json", codes={0}).stdout == bench_run.table
            return
        bench_run.call("check", "run", folder, "--repair", "--plugin-files", codes={0, 4, 5})
        bench_run.finish(folder)
        assert before <= _all_sounds(folder), "audio that was whole is gone"

    trials.make(count, trial)


def test_models_of_the_run_have_clips(bench_run: Bench) -> None:
    """The faults above have something to damage."""
    assert {path.name for path in (bench_run.run / "audio").iterdir()} == set(MODELS)
    assert len(_scores(bench_run.run)) == 3 * 24
