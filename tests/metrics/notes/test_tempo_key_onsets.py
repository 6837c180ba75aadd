"""Tempo, key and onsets are heard in sounds whose truth is known, and any valid audio gets a score or a reason."""

import json

import numpy as np
import pytest

from bench import Audio, ClipMetric, DecodedClip, Prompt
from bench.contracts.notes import Note, Notes
from metrics.adherence import KeyAdherence, TempoAdherence
from metrics.harmony import HarmonicAccuracy
from metrics.melody import MelodicComplexity, PitchVariety
from metrics.notes.essentia import quiet_essentia
from metrics.notes.key import estimate_key
from metrics.notes.onsets import detect_onsets, onsets_of
from metrics.notes.signal import sounding_part
from metrics.notes.tempo import tempo_of, track_tempo
from metrics.rhythm import RhythmGrid, RhythmicInconsistency

METRICS: list[ClipMetric] = [
    HarmonicAccuracy(),
    MelodicComplexity(),
    PitchVariety(),
    RhythmicInconsistency(),
    RhythmGrid(),
    TempoAdherence(),
    KeyAdherence(),
]
PROMPT = Prompt("p", "a tune", "piano", bpm=120, key="D minor")
CHORDS = {
    "major": [(0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7)],
    "minor": [(0, 3, 7), (5, 8, 12), (7, 11, 14), (0, 3, 7)],
}


def clicks(times: np.ndarray, length: float, rate: int) -> np.ndarray:
    samples = np.zeros(round(length * rate), dtype=np.float32)
    burst = np.random.default_rng(0).normal(0, 0.3, rate // 50) * np.exp(-np.arange(rate // 50) / (rate / 400))
    for time in times:
        start = round(time * rate)
        samples[start : start + len(burst)] += burst[: len(samples) - start]
    return samples


def chords(tonic: int, mode: str, rate: int = 44_100) -> np.ndarray:
    time = np.arange(rate) / rate
    bars = []
    for chord in CHORDS[mode] * 2:
        frequencies = [440 * 2 ** ((48 + tonic + degree - 69) / 12) for degree in chord]
        bars.append(
            sum(np.sin(2 * np.pi * k * f * time) / k**2 for f in frequencies for k in (1, 2, 3)) * np.exp(-time)
        )
    mixed = np.concatenate(bars)
    return (mixed / np.abs(mixed).max()).astype(np.float32)


@pytest.mark.parametrize("bpm", [75, 96, 120, 138])
def test_a_click_track_has_its_tempo(bpm: float) -> None:
    tempo = track_tempo(clicks(np.arange(0, 20, 60 / bpm), 20, 44_100))
    assert tempo is not None
    assert tempo.bpm == pytest.approx(bpm, rel=0.04)
    assert tempo.confidence > 3.5


@pytest.mark.parametrize(("before", "music", "after"), [(0, 6.5, 3.5), (6, 8, 0), (2, 9, 2), (0, 12, 0)])
@pytest.mark.parametrize(("floor", "offset"), [(0.0, 0.0), (1e-4, 0.0), (0.0, 0.02)])
def test_silence_around_the_music_does_not_change_its_tempo(
    before: float, music: float, after: float, floor: float, offset: float
) -> None:
    silences = [np.random.default_rng(0).normal(offset, floor, round(s * 44_100)) for s in (before, after)]
    heard = np.concatenate([silences[0], clicks(np.arange(0, music, 0.25), music, 44_100), silences[1]])
    clip = DecodedClip(Audio(heard[np.newaxis].astype(np.float32), 44_100), PROMPT)
    assert TempoAdherence().score(clip).value == 100
    grid = RhythmGrid().score(clip)
    assert grid.value is not None and grid.value < 0.05


def test_the_sounding_part_begins_before_the_first_attack_and_ends_after_the_last_sound() -> None:
    sound = np.zeros(44_100, dtype=np.float32)
    sound[22_050:33_075] = np.sin(np.arange(11_025))
    begin, end = sounding_part(sound, 44_100)
    assert 22_050 - 0.06 * 44_100 <= begin <= 22_050 - 0.04 * 44_100
    assert 33_075 <= end <= 33_075 + 0.01 * 44_100
    assert sounding_part(np.full(100, 1e-9, dtype=np.float32), 44_100) == (0, 100)


def test_two_clips_in_a_row_have_their_own_tempo() -> None:
    # The tracker is reused, and without a reset it repeats its first answer.
    slow, fast = (track_tempo(clicks(np.arange(0, 10, 60 / bpm), 10, 44_100)) for bpm in (80, 125))
    assert slow is not None and fast is not None
    assert (slow.bpm, fast.bpm) == (pytest.approx(80, rel=0.04), pytest.approx(125, rel=0.04))


@pytest.mark.parametrize("tonic", [0, 3, 6, 10])
@pytest.mark.parametrize("mode", ["major", "minor"])
def test_a_cadence_has_its_key(tonic: int, mode: str) -> None:
    heard = estimate_key(chords(tonic, mode))
    assert heard is not None
    assert (heard.key.tonic, heard.key.minor) == (tonic, mode == "minor")


def test_clicks_are_onsets_within_a_hop() -> None:
    times = 0.5 + np.cumsum(np.random.default_rng(4).uniform(0.08, 0.4, 60))
    heard = detect_onsets(clicks(times, times[-1] + 1, 22_050)).times
    assert len(heard) == len(times)
    errors = heard - times
    assert np.abs(errors - np.median(errors)).max() < 0.006


def test_steady_clicks_read_little_and_scattered_ones_chance() -> None:
    steady, scattered = (
        DecodedClip(Audio(clicks(times, 20, 44_100), 44_100), PROMPT)
        for times in (np.arange(0.2, 19.5, 0.25), 0.2 + np.cumsum(np.random.default_rng(0).uniform(0.1, 0.4, 70)))
    )
    for metric, nothing in ((RhythmicInconsistency(), 0.4), (RhythmGrid(), 0.05)):
        score = metric.score(steady)
        assert score.value is not None and score.value < nothing
        assert score.details["onsets"] >= 75
        disorder = metric.score(scattered)
        assert disorder.value is None or disorder.value > 0.8 * disorder.details["chance"]


def test_what_is_known_stands_beside_what_is_heard() -> None:
    generator = np.random.default_rng(5)
    sixteenths = np.arange(148)
    times = 0.5 + 0.125 * sixteenths[(sixteenths % 2 == 0) | (generator.random(148) < 0.3)]
    jittered = times + generator.normal(0, 0.01, len(times))
    notes = Notes(tuple(Note(t, 0.1, 38, drum=True) for t in jittered), quarter=0.5, key="D minor")
    clip = DecodedClip(Audio(clicks(jittered, 20, 44_100), 44_100), PROMPT, notes)
    score = RhythmicInconsistency().score(clip)
    assert score.details["known"] == pytest.approx(100 * 0.02 * np.sqrt(2 / np.pi), rel=0.2)
    assert score.value == pytest.approx(score.details["known"], abs=0.2)
    assert TempoAdherence().score(clip).details["known"] == 100


def test_what_is_heard_is_heard_once() -> None:
    clip = DecodedClip(Audio(clicks(np.arange(0, 10, 0.5), 10, 44_100), 44_100), PROMPT)
    assert onsets_of(clip) is onsets_of(clip)
    assert tempo_of(clip) is tempo_of(clip)


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 8])
@pytest.mark.parametrize("rate", [1, 1000, 8000, 44_100, 192_000, 655_350])
@pytest.mark.parametrize("frames", ["none", "one", "a tenth of a second", "two seconds"])
def test_any_valid_audio_gets_scores_or_reasons(channels: int, rate: int, frames: str) -> None:
    count = {"none": 0, "one": 1, "a tenth of a second": rate // 10, "two seconds": 2 * rate}[frames]
    sounds = {
        "silence": np.zeros(count),
        "noise": np.random.default_rng(0).normal(0, 0.3, count),
        "sine": np.sin(2 * np.pi * 440 * np.arange(count) / rate),
        "offset": np.full(count, 0.5),
        "faint": np.random.default_rng(0).normal(0, 1e-20, count),
        "huge": np.random.default_rng(0).normal(0, 1e37, count),
    }
    for name, sound in sounds.items():
        clip = DecodedClip(Audio(np.tile(sound, (channels, 1)), rate), PROMPT)
        for metric in METRICS:
            score = metric.score(clip)
            json.dumps([score.value, score.reason, dict(score.details)], allow_nan=False)
            if name in ("silence", "faint", "huge"):
                assert score.reason


def test_channels_that_cancel_are_heard() -> None:
    tone = np.sin(np.arange(60_000) * 0.06)
    cancelled, alone = (DecodedClip(Audio(np.stack(pair), 22_050), PROMPT) for pair in ([tone, -tone], [tone, tone]))
    for metric in METRICS:
        assert metric.score(cancelled) == metric.score(alone), metric


@pytest.mark.slow
def test_white_noise_is_never_good() -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, (2, 20 * 44_100))
    clip = DecodedClip(Audio(noise.astype(np.float32), 44_100), PROMPT)
    for metric in (HarmonicAccuracy(), RhythmicInconsistency(), RhythmGrid()):
        score = metric.score(clip)
        if score.value is not None:
            sign = 1 if metric.direction == "higher" else -1
            assert sign * score.value <= sign * score.details["chance"] + 0.1 * score.details["chance"], metric


def test_essentia_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    quiet_essentia().RhythmExtractor2013()(np.zeros(100_000, dtype=np.float32))
    assert capfd.readouterr() == ("", "")
