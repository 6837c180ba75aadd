"""Another clip's audio in a clip's place is found before it is scored, exported, bundled or shown."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

import bench
from bench import Audio, DataError, read_audio
from bench.bundle.pack import pack
from bench.contracts.audio import read_comment, write_flac
from bench.export.hugging_face import export
from bench.report.media import prepare
from bench.storage.store import Store

Write = Callable[..., Path]


def swap(folder: Path, a: str, b: str) -> None:
    (folder / a).rename(folder / "kept")
    (folder / b).rename(folder / a)
    (folder / "kept").rename(folder / b)


def replace(folder: Path, a: str, b: str) -> None:
    del b
    sound = read_audio(folder / a)
    write_flac(folder / a, Audio(-sound.samples, sound.rate), read_comment(folder / a))


def copy(folder: Path, a: str, b: str) -> None:
    shutil.copy(folder / b, folder / a)


@pytest.fixture(params=[swap, replace, copy])
def exchanged(request: pytest.FixtureRequest, tmp_path: Path, write_config: Write) -> tuple[Path, set[str]]:
    """A finished run with other audio in the place of clips: its folder and these files."""
    folder = bench.run(write_config(metrics=[]), tmp_path / "out").folder
    with Store.read(folder) as store:
        a, b, *_ = (clip.path for clip in store.made())
    request.param(folder, a, b)
    return folder, {a, b} if request.param is swap else {a}


def test_it_is_no_score_but_the_failure_of_that_clip(exchanged: tuple[Path, set[str]], write_config: Write) -> None:
    folder, wrong = exchanged
    audio = sorted((folder / path).read_bytes() for path in wrong)
    run = bench.run(write_config(), folder)
    failures = run.failures()
    assert len(failures) == len(wrong)
    assert all(any(str(folder / path) in failure.reason for path in wrong) for failure in failures)
    with sqlite3.connect(folder / "run.db") as db:
        scored = db.execute("SELECT COUNT(*) FROM clips WHERE path IN (?, ?) AND id IN (SELECT clip FROM scores)",
                            (min(wrong), max(wrong)))  # fmt: skip
        assert scored.fetchone() == (0,)
    assert bench.run(write_config(), folder).failures() == []
    # Nothing of it is lost: it went to its own place, or was set aside.
    kept = {path.read_bytes() for path in folder.glob("audio/*/*.flac")}
    assert all(content in kept for content in audio)


def test_it_goes_into_no_export_bundle_or_report(exchanged: tuple[Path, set[str]], tmp_path: Path) -> None:
    folder, wrong = exchanged
    with pytest.raises(DataError) as refused:
        export(folder, tmp_path / "dataset")
    assert any(str(folder / path) in str(refused.value) for path in wrong)
    with pytest.raises(DataError) as refused:
        pack(folder, tmp_path / "a.tunebench.zip")
    assert any(str(folder / path) in str(refused.value) for path in wrong)
    assert not (tmp_path / "a.tunebench.zip").exists()
    with Store.read(folder) as store:
        clips = store.made()
    made = prepare(folder, clips, tmp_path / "report", workers=0)
    assert {clip.path for clip in clips if isinstance(made[clip.id], str)} == wrong
