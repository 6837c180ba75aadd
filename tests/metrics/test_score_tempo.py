"""The tempo that a score states is believed unless its notes contradict it."""

from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest

from bench import Audio, DecodedClip, Prompt
from bench.contracts.notes import Note, Notes
from metrics.adherence import TempoAdherence
from metrics.rhythm import RhythmGrid, RhythmicInconsistency
from metrics.score_tempo import check_tempo
from models.symbolic import read_notes

SIXTEENTHS, TRIPLETS = np.arange(64) / 4, np.arange(64) / 3
SWING = np.sort(np.concatenate([np.arange(32), np.arange(32) + 2 / 3]))
UNEVEN_SWING = np.sort(np.concatenate([np.arange(32), np.arange(32) + 3 / 5]))


def clip(onsets: np.ndarray, quarter: float | None, bpm: float = 120.0) -> DecodedClip:
    events = tuple(Note(float(onset), 0.1, 60) for onset in onsets)
    audio = Audio(np.zeros((1, 8000), dtype=np.float32), 8000)
    prompt = Prompt("p", "a tune", "piano", bpm=bpm)
    return DecodedClip(audio, prompt, Notes(events, origin="symbolic", quarter=quarter))


@pytest.mark.parametrize("beats", [SIXTEENTHS, TRIPLETS, SWING, SIXTEENTHS * 2, UNEVEN_SWING, SIXTEENTHS * 6])
@pytest.mark.parametrize("bpm", [60, 97, 120, 180])
def test_a_tempo_that_was_played_stands(beats: np.ndarray, bpm: float) -> None:
    tempo = check_tempo(beats * 60 / bpm, 60 / bpm)
    assert (tempo.quarter, tempo.reason) == (60 / bpm, None)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sd", [0.02, 0.05, 0.1])
def test_loose_playing_does_not_unsettle_it(sd: float, seed: int) -> None:
    jittered = (SIXTEENTHS + 1 + np.random.default_rng(seed).normal(0, sd, 64)) * 0.5
    assert check_tempo(jittered, 0.5).reason is None


@pytest.mark.parametrize("seed", range(8))
def test_random_onsets_do_not_unsettle_it(seed: int) -> None:
    onsets = np.random.default_rng(seed).uniform(0, 10, (16, 24, 60, 200)[seed % 4])
    assert check_tempo(onsets, 0.5).reason is None


@pytest.mark.parametrize("bpm", [71, 97, 113, 133, 75])
def test_a_tempo_that_was_never_played_is_estimated_from_the_notes(bpm: float) -> None:
    generator = np.random.default_rng(0)
    for sd in (0.0, 0.02):
        onsets = (SIXTEENTHS + 1 + generator.normal(0, sd, 64)) * 60 / bpm
        grid, tempo = RhythmGrid().score(clip(onsets, 0.5)), TempoAdherence().score(clip(onsets, 0.5, bpm))
        assert grid.value is not None and grid.value < (0.01 if not sd else 0.4)
        assert "120 bpm" in grid.details["tempo_reason"]
        assert tempo.details["bpm"] == pytest.approx(bpm, rel=0.01)
        assert (tempo.value, tempo.details["tempo_reason"]) == (100, grid.details["tempo_reason"])
        inconsistency = RhythmicInconsistency().score(clip(onsets, 0.5))
        assert inconsistency.details["percent_of"] == "fixed 500 ms"
        assert "sixteenths" not in inconsistency.details


def test_a_tempo_that_is_off_by_a_little_is_found_out() -> None:
    """Half a percent is 60 ms after 12 s: lines of the stated tempo are left behind."""
    tempo = check_tempo(np.arange(96) / 4 * 60 / 119.2, 0.5)
    assert tempo.reason is not None and tempo.quarter == pytest.approx(60 / 119.2, rel=1e-3)


def test_without_a_constant_tempo_lines_are_sought_in_the_notes() -> None:
    score = RhythmGrid().score(clip(SIXTEENTHS * 0.6, None))
    assert score.value == pytest.approx(0, abs=0.02)
    assert score.details["lines_ms"] == pytest.approx(150, rel=1e-3)
    assert score.details["tempo_reason"]
    assert TempoAdherence().score(clip(SIXTEENTHS * 0.6, None, 100)).value == 100


def test_notes_that_fit_no_lines_have_no_tempo() -> None:
    onsets = np.random.default_rng(0).uniform(0, 10, 80)
    assert check_tempo(onsets, None).quarter is None
    assert TempoAdherence().score(clip(onsets, None)).value is None  # nor is a beat heard in the silent audio


def test_few_notes_contradict_nothing() -> None:
    tempo = check_tempo(np.arange(15) * 0.31, 0.5)
    assert (tempo.quarter, tempo.reason, tempo.found) == (0.5, None, None)


def midi(path: Path, *tempi: tuple[int, int], step: int = 120, notes: int = 64) -> Path:
    """Even notes ``step`` ticks apart at 480 to the quarter, and tempi as (tick, microseconds)."""
    file = mido.MidiFile(ticks_per_beat=480)
    conductor, track = mido.MidiTrack(), mido.MidiTrack()
    before = 0
    for tick, microseconds in tempi:
        conductor.append(mido.MetaMessage("set_tempo", tempo=microseconds, time=tick - before))
        before = tick
    for _ in range(notes):
        track += [mido.Message("note_on", note=60, velocity=90), mido.Message("note_off", note=60, time=step)]
    file.tracks += [conductor, track]
    file.save(path)
    return path


def test_a_microsecond_is_no_change_of_tempo(tmp_path: Path) -> None:
    notes = read_notes(midi(tmp_path / "x.mid", (0, 500_000), (3840, 500_001)))
    assert notes.quarter == pytest.approx(0.5)
    hundredth = read_notes(midi(tmp_path / "x.mid", (0, 60_000_000 * 100 // 12_000), (960, 60_000_000 * 100 // 12_001)))
    assert hundredth.quarter == pytest.approx(0.5)
    assert read_notes(midi(tmp_path / "x.mid", (0, 500_000), (3840, 505_000))).quarter is None


@pytest.mark.parametrize("tempi", [[], [(0, 500_000)]], ids=["no tempo", "120 bpm"])
def test_transcriptions_have_the_tempo_of_their_notes(tmp_path: Path, tempi: list[tuple[int, int]]) -> None:
    """Sixteenths at 97 bpm in a file that is timed at 120: 148.45 ticks apart, rounded."""
    notes = read_notes(midi(tmp_path / "x.mid", *tempi, step=148))
    played = 60 / (4 * 148 / 480 * 0.5)
    score = TempoAdherence().score(clip(notes.onsets, notes.quarter, 97))
    assert (score.value, score.details["bpm"]) == (100, pytest.approx(played, rel=0.01))
    assert score.details["tempo_reason"]
