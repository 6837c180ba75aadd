"""Mistakes and mishaps of a training: each is said in one line, before hours are spent, and harms nothing that is."""

from __future__ import annotations

import resource
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")
pytest.importorskip("accelerate")

import torch

from bench.contracts.audio import Audio, write_flac
from bench.errors import DataError, UsageError
from bench.progress import Silent
from models import tiny
from models.training.config import TrainConfig, parse_train_config
from models.training.interruption import Interruption
from models.training.log import Log
from models.training.musiccaps import list_musiccaps
from models.training.train import train

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base, and four recordings with captions."""
    room = tmp_path_factory.mktemp("room")
    tiny.make("stable-audio", room / "base")
    (room / "data").mkdir()
    for number in range(4):
        tone = np.sin(2 * np.pi * (200 + 60 * number) * np.arange(8000) / 8000).astype(np.float32) / 4
        write_flac(room / "data" / f"{number}.flac", Audio(np.stack([tone, tone]), 8000))
        (room / "data" / f"{number}.txt").write_text(f"a tone, number {number}")
    return room


def config(room: Path, **changes: Any) -> TrainConfig:
    """A short training; tables are joined with what stands here."""
    content: dict[str, Any] = {
        "base": {"kind": "stable-audio", "checkpoint": str(room / "base")},
        "data": {"path": str(room / "data"), "validation": 0},
        "steps": 1,
        "batch": 2,
        "lora": {"rank": 2},
        "validation": {"times": [0.5]},
    }
    for name, value in changes.items():
        content[name] = {**content[name], **value} if isinstance(value, dict) and name in content else value
    return parse_train_config(content)


class Told(Silent):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"lora": {"targets": ["to_q", "to_queue"]}}, r"lora\.targets: .* to_queue; .*to_out\.0, to_q"),
    ({"lora": {"targets": [""]}}, r"lora\.targets: .* nothing; .*to_q"),
    ({"crop": 1e-4}, r"crop: 0\.0001 s .*\b0\.064 s"),
    ({"validation": {"clips": {"every": 1, "metrics": ["fad"]}}}, r"validation\.clips\.metrics: 'fad'"),
    ({"validation": {"clips": {"every": 1, "duration": 1e4}}}, r"validation\.clips\.duration: 10000 s"),
]


@pytest.mark.parametrize(("changes", "message"), MISTAKES)
def test_settings_that_cannot_be_are_refused_before_anything_is_read(
    room: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        train(config(room, **changes), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["run.lock"]


def test_stopping_early_needs_something_to_stop_by(room: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"validation\.patience.*data\.validation"):
        train(config(room, validation={"patience": 2}), tmp_path / "out")


def test_clips_need_a_seed(room: Path) -> None:
    with pytest.raises(UsageError, match=r"validation\.clips\.seeds: .*\b1 item"):
        config(room, validation={"clips": {"seeds": []}})


def test_a_refused_training_leaves_the_folder_as_it_is(room: Path, tmp_path: Path) -> None:
    train(config(room), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(UsageError, match=r"settings\.lora\.rank .*\b2\b.*\b3;.*--out"):
        train(config(room, lora={"rank": 3}), tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_finished_training_says_so(room: Path, tmp_path: Path) -> None:
    told = Told()
    made = train(config(room), tmp_path, told)
    assert not any("finished already" in note for note in told.notes)
    assert train(config(room), tmp_path, told) == made
    assert str(tmp_path) in told.notes[-1] and "finished already" in told.notes[-1]


def test_a_divergence_says_how_to_go_on(room: Path, tmp_path: Path) -> None:
    wild = config(room, steps=9, optimizer={"lr": 1e9}, checkpoint={"every": 1}, schedule={"warmup": 1})
    with pytest.raises(UsageError, match=r"optimizer\.lr.*step-0000000\d;.*--out"):
        train(wild, tmp_path)


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """As SIGINT is in a job that a shell runs in the background, lest Ctrl-C for another one ends it."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            signal.raise_signal(signal.SIGINT)
            assert not interruption.asked
            signal.raise_signal(signal.SIGTERM)
            assert interruption.asked
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_full_disk_is_told_of_by_the_curves_themselves(tmp_path: Path) -> None:
    """In the step that it happens in, not by a thread's traceback at the end."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    log, step = Log(tmp_path, 0), 0
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
        with pytest.raises(OSError, match="File too large"):
            for step in range(1, 1000):
                log.write("train", step, loss=1.0, norm=2.0, lr=3.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    log.close()
    resumed = Log(tmp_path, 3)
    resumed.write("train", 4, loss=5.0)
    resumed.close()
    points = EventAccumulator(str(tmp_path / "tensorboard")).Reload().Scalars("train/loss")
    assert step > 10
    assert [(point.step, point.value) for point in points] == [(1, 1.0), (2, 1.0), (3, 1.0), (4, 5.0)]


def test_times_of_musiccaps_are_finite(tmp_path: Path) -> None:
    (tmp_path / "abcdefghijk.wav").touch()
    (tmp_path / "list.csv").write_text("ytid,start_s,end_s,caption,is_audioset_eval\nabcdefghijk,nan,40,a tune,False\n")
    with pytest.raises(DataError, match=r"list\.csv: line 2: start_s "):
        list_musiccaps(tmp_path / "list.csv", tmp_path)
