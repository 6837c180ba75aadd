"""Audio that no row vouches for: taken over where it says what it is, set aside elsewhere, never removed."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import bench
from bench import Audio, DataError, read_audio
from bench.contracts.audio import as_stored, content_hash, write_flac
from bench.leaderboard.render import render
from bench.progress import Silent
from bench.storage.clip_file import read_clip, read_label, write_clip
from bench.storage.digests import write_digests
from bench.storage.store import Store

Write = Callable[..., Path]
ROW = "id, state, content, rate, channels, frames, peak, gain"


@pytest.fixture
def run(tmp_path: Path, write_config: Write) -> tuple[Path, Path]:
    """A finished run of twelve clips and its configuration."""
    config = write_config()
    return bench.run(config, tmp_path / "out").folder, config


def _audio(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.glob("audio/*/*")}


def _rows(folder: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(folder / "run.db") as db:
        clips = db.execute(f"SELECT {ROW} FROM clips ORDER BY id").fetchall()
        return clips + db.execute("SELECT clip, notes FROM notes ORDER BY clip").fetchall()


def _scores(folder: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(folder / "run.db") as db:
        return db.execute("SELECT clip, metric, value, reason, error FROM scores ORDER BY clip, metric").fetchall()


@dataclass
class Notes(Silent):
    """What a reader is told."""

    said: list[str]

    def note(self, message: str) -> None:
        self.said.append(message)


def _told(folder: Path) -> list[str]:
    notes = Notes([])
    render(folder, progress=notes)
    return notes.said


def _forget(folder: Path, clips: int) -> list[str]:
    """Bring the database to where it was before the last clips were made; returns their paths."""
    with sqlite3.connect(folder / "run.db") as db:
        gone = db.execute("SELECT id, path FROM clips ORDER BY rowid DESC LIMIT ?", (clips,)).fetchall()
        for id, _ in gone:
            db.execute("DELETE FROM scores WHERE clip = ?", (id,))
            db.execute("DELETE FROM notes WHERE clip = ?", (id,))
            db.execute(
                "UPDATE clips SET state = 'planned', content = NULL, rate = NULL, channels = NULL, frames = NULL, "
                "peak = NULL, gain = NULL, seconds = NULL, provenance = NULL WHERE id = ?",
                (id,),
            )
        write_digests(db)
    return [path for _, path in gone]


class TestOlderDatabase:
    def test_clips_that_it_lacks_are_taken_over_with_all_that_their_files_know(self, run: tuple[Path, Path]) -> None:
        folder, config = run
        audio, rows, scores = _audio(folder), _rows(folder), _scores(folder)
        _forget(folder, 5)
        bench.run(config, folder)
        assert (_audio(folder), _rows(folder), _scores(folder)) == (audio, rows, scores)

    def test_of_another_plan_costs_no_audio(self, write_config: Write, tmp_path: Path) -> None:
        small = bench.run(write_config(seeds=[0]), tmp_path / "small").folder
        folder = bench.run(write_config(seeds=[0, 1]), tmp_path / "out").folder
        audio = _audio(folder)
        for file in folder.glob("run.db*"):
            file.unlink()
        shutil.copy(small / "run.db", folder / "run.db")
        bench.run(write_config(seeds=[0]), folder)
        assert sorted(_audio(folder).values()) == sorted(audio.values())
        assert len(list(folder.glob("audio/unknown/*.flac"))) == len(audio) - len(_audio(small)) > 0
        bench.run(write_config(seeds=[0, 1]), folder)  # whose plan has them all: they go back to their places
        assert _audio(folder) == audio

    @pytest.mark.parametrize("state", ["gone", "empty", "without its log", "no clips"])
    def test_that_knows_of_no_clip_is_refused_and_nothing_is_touched(self, run: tuple[Path, Path], state: str) -> None:
        folder, config = run
        audio = _audio(folder)
        for name in ("run.db-wal", "run.db-shm"):
            (folder / name).unlink(missing_ok=True)
        if state == "gone":
            (folder / "run.db").unlink()
        elif state == "empty":
            os.truncate(folder / "run.db", 0)
        elif state == "without its log":
            (folder / "run.db").unlink()
            with sqlite3.connect(folder / "run.db") as db:
                db.execute("PRAGMA journal_mode = WAL")
        else:
            (folder / "run.db").unlink()
            Store.open(folder, anew=True).close()
        for _ in range(2):
            with pytest.raises(DataError):
                bench.run(config, folder)
            with pytest.raises(DataError):
                Store.read(folder)
        assert _audio(folder) == audio


class TestForeignAudio:
    def test_without_a_label_is_set_aside(self, run: tuple[Path, Path]) -> None:
        """As files of runs from before labels are."""
        folder, config = run
        (path, *_) = _forget(folder, 1)
        sound = Audio(np.full((1, 800), 0.25, np.float32), 8000)
        write_flac(folder / path, sound)
        foreign = (folder / path).read_bytes()
        bench.run(config, folder)
        assert _audio(folder)[f"audio/unknown/{path.split('/')[1]}-{path.split('/')[2]}"] == foreign
        assert read_label(folder / path) is not None

    def test_with_a_label_that_names_other_samples_is_set_aside(self, run: tuple[Path, Path]) -> None:
        folder, config = run
        (path, *_) = _forget(folder, 1)
        before = read_audio(folder / path)
        comment = bench.contracts.audio.read_comment(folder / path)
        write_flac(folder / path, Audio(np.zeros_like(before.samples), before.rate), comment)
        bench.run(config, folder)
        assert np.array_equal(read_audio(folder / path).samples, before.samples)
        assert len(list(folder.glob("audio/unknown/*"))) == 1

    def test_swapped_clips_find_back(self, run: tuple[Path, Path]) -> None:
        folder, config = run
        audio, rows = _audio(folder), _rows(folder)
        a, b = _forget(folder, 2)
        (folder / a).rename(folder / "kept")
        (folder / b).rename(folder / a)
        (folder / "kept").rename(folder / b)
        bench.run(config, folder)
        assert (_audio(folder), _rows(folder)) == (audio, rows)

    def test_two_of_one_name_are_both_kept(self, run: tuple[Path, Path]) -> None:
        folder, config = run
        for content in (b"one", b"two"):
            (folder / "audio/sine/0123456789abcdef.flac").write_bytes(content)
            bench.run(config, folder)
        assert sorted(path.read_bytes() for path in folder.glob("audio/unknown/*")) == [b"one", b"two"]

    def test_runs_without_labels_go_on(self, run: tuple[Path, Path]) -> None:
        folder, config = run
        for path in folder.glob("audio/*/*.flac"):
            write_flac(path, read_audio(path))
        rows, audio = _rows(folder), _audio(folder)
        bench.run(config, folder)
        assert (_rows(folder), _audio(folder)) == (rows, audio)


class TestLabel:
    def test_tells_all_that_the_row_holds(self, tmp_path: Path) -> None:
        notes = bench.Notes(tuple(bench.Note(i / 100, 0.1, 60 + i % 12) for i in range(5000)), key="F♯ minor")
        sound = Audio(np.random.default_rng(0).normal(0, 1, (2, 900)).astype(np.float32), 44_100, notes)
        label = write_clip(tmp_path / "a.flac", "c" * 64, sound)
        clip = read_clip(tmp_path / "a.flac")
        assert read_label(tmp_path / "a.flac") == label
        assert clip is not None and clip.notes is not None
        assert bench.Notes.from_json(clip.notes) == notes
        assert (clip.clip, clip.content) == ("c" * 64, content_hash(read_audio(tmp_path / "a.flac")))
        assert (clip.rate, clip.channels, clip.frames, clip.peak) == (44_100, 2, 900, sound.peak)
        assert clip.gain == as_stored(sound)[1] == pytest.approx(1 / sound.peak)

    @pytest.mark.parametrize(
        "comment", ["", "a song", "[]", "{}", '{"tunebench": 1}', '{"tunebench": {"clip": 1}}', "[" * 9999]
    )
    def test_what_is_none_is_none(self, tmp_path: Path, comment: str) -> None:
        write_flac(tmp_path / "a.flac", Audio(np.zeros((1, 8), np.float32), 8000), comment)
        assert read_label(tmp_path / "a.flac") is None
        assert read_clip(tmp_path / "a.flac") is None


class _CopyAfter:
    """Progress that copies the database without its log once so many clips are made."""

    def __init__(self, folder: Path, kept: Path, clips: int) -> None:
        self._folder, self._kept, self._left = folder, kept, clips

    def begin(self, stage: str, total: int, done: int) -> None: ...

    def note(self, message: str) -> None: ...

    def advance(self, count: int) -> None:
        self._left -= count
        if self._left == 0:
            shutil.copy(self._folder / "run.db", self._kept)


@pytest.mark.parametrize("clips", [1, 7, 12])
def test_a_lost_write_ahead_log_costs_no_audio(tmp_path: Path, write_config: Write, clips: int) -> None:
    config, folder, kept = write_config(), tmp_path / "out", tmp_path / "kept.db"
    bench.run(config, folder, _CopyAfter(folder, kept, clips))
    audio, scores = _audio(folder), _scores(folder)
    for file in folder.glob("run.db*"):
        file.unlink()
    shutil.copy(kept, folder / "run.db")
    try:
        run = bench.run(config, folder)
    except DataError:  # all that it knew was in the log
        assert _audio(folder) == audio
    else:
        assert run.failures() == []
        assert (_audio(folder), _scores(folder)) == (audio, scores)


def test_a_reader_is_told_of_lost_rows_unless_a_driver_is_at_work(run: tuple[Path, Path]) -> None:
    folder, config = run
    assert _told(folder) == []
    lost = _forget(folder, 3)
    (said,) = _told(folder)
    assert any(path in said for path in lost) and "\n" not in said
    with Store.open(folder):
        assert _told(folder) == []
    bench.run(config, folder)
    assert _told(folder) == []
