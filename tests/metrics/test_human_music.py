"""A folder of labelled recordings becomes the file that metrics read."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bench import Prompt, score_audio
from bench.config.run_config import MetricConfig
from metrics.genre_tags import GENRES
from metrics.harmony import harmonic_accuracy
from metrics.human_music import MIN_RECORDINGS, RANGE, main, read_human_music, summarise_music

RATE = 22_050
SCALE = [60, 62, 64, 65, 67, 69, 71, 72]


def melody(pitches: list[int]) -> np.ndarray:
    """Half a second of three decaying partials for each pitch."""
    time = np.arange(RATE // 2) / RATE
    notes = [
        sum(np.sin(2 * np.pi * k * 440 * 2 ** ((pitch - 69) / 12) * time) / k for k in (1, 2, 3)) * np.exp(-2 * time)
        for pitch in pitches
    ]
    return 0.2 * np.concatenate(notes)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["human_music", *arguments])
    return main()


@pytest.mark.slow(6)
def test_a_folder_of_genres_becomes_ranges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    played = [[*rng.permutation(SCALE), *([61, 66] if n % 2 else SCALE[:2])] for n in range(MIN_RECORDINGS)]
    for genre, count in (("Blues", MIN_RECORDINGS), ("polka", 2)):
        (tmp_path / genre).mkdir()
        for number in range(count):
            soundfile.write(tmp_path / genre / f"take {number}.wav", melody(played[number]), RATE)
    assert run(monkeypatch, str(tmp_path)) == 0
    output = capsys.readouterr().out
    (tmp_path / "human.json").write_text(output)
    known = read_human_music(tmp_path / "human.json")
    assert json.loads(output)["harmony"].keys() == known.harmony.keys() == {"blues"}
    expected = np.percentile([harmonic_accuracy(pitches) for pitches in played], RANGE)
    assert known.harmony["blues"] == pytest.approx(tuple(expected), abs=5)
    assert known.genres is None
    takes = [tmp_path / "Blues" / f"take {number}.wav" for number in (0, 1)]
    metric = MetricConfig(name="harmonic-accuracy", params={"ranges": str(tmp_path / "human.json")})
    prompts = [Prompt(f"p-{number}", "a tune", "blues") for number in (0, 1)]
    for scored in score_audio(takes, [metric], prompts):
        ((name, score),) = scored.scores.items()
        assert name.startswith("harmonic-accuracy")
        assert score.details["range"] == list(known.harmony["blues"])
        assert score.value == min(score.details["accuracy"], known.harmony["blues"][0])


def test_wrong_use_has_its_exit_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch) == run(monkeypatch, str(tmp_path / "nowhere")) == 2
    assert run(monkeypatch, str(tmp_path)) == 5
    assert capsys.readouterr().out == ""


def test_ranges_are_percentiles_and_calibration_needs_every_genre() -> None:
    count = MIN_RECORDINGS + 1
    accuracy = np.tile(np.linspace(80, 100, count), len(GENRES))
    labels = [genre for genre in GENRES for _ in range(count)]
    odds = np.random.default_rng(0).normal(0, 1, (len(labels), len(GENRES)))
    known = summarise_music(labels, accuracy, odds, "all")
    assert all(known.harmony[genre] == pytest.approx((81, 99)) for genre in GENRES)
    assert known.genres is not None and known.genres.clips == len(labels)
    odds[:2, 0] = np.nan  # nine of choral are left
    assert summarise_music(labels, accuracy, odds, "all").genres is None
    accuracy[:2] = np.nan
    assert "choral" not in summarise_music(labels, accuracy, odds, "all").harmony
