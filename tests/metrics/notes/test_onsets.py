"""Onsets against librosa's spectral flux and peak picking, and against times that are known."""

from __future__ import annotations

from collections.abc import Iterator

import mir_eval
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import Audio, DecodedClip, Prompt
from bench.cli.onset_table import onset_table
from bench.contracts.model import GenerationRequest
from bench.mel import mel_filters, mel_spectrogram
from bench.text_table import Layout
from metrics.notes.onsets import (
    AROUND,
    LOWEST,
    PAUSE,
    RATE,
    SHARP,
    SOFT,
    THRESHOLD,
    Setting,
    detect_onsets,
    find_onsets,
    onsets_of,
    pick_peaks,
    spectral_flux,
)
from metrics.onset_accuracy import matched_errors, merge_close_onsets, onset_accuracy
from models.composer import Composer
from models.composer.etude import INSTRUMENTS, play_etude
from prompts import quick

SECOND = np.arange(RATE) / RATE
PROMPT = Prompt("p", "a tune", "jazz")


def librosas_flux(samples: np.ndarray, setting: Setting) -> np.ndarray:
    from librosa import power_to_db
    from librosa.onset import onset_strength

    power = mel_spectrogram(samples, mel_filters(RATE, setting.window, setting.bands, LOWEST), setting.hop).T
    level = power_to_db(power)
    strength = onset_strength(S=level, sr=RATE, lag=setting.lag, max_size=setting.width, center=False)
    return np.asarray(strength)


def sounds() -> Iterator[tuple[str, np.ndarray]]:
    """Noise, clicks, tones and silence, also shorter than a window or a hop."""
    rng = np.random.default_rng(0)
    for length in (1, 100, 129, 2047, 2049, 20_000):
        yield f"{length} of noise", rng.standard_normal(length)
        yield f"{length} of silence", np.zeros(length)
        click = np.zeros(length)
        click[length // 2] = 1
        yield f"a click in {length}", click
    clicks = np.zeros(3 * RATE)
    clicks[rng.integers(0, len(clicks), 25)] = rng.uniform(0.1, 1, 25)
    yield "clicks", clicks
    yield "a square wave", np.sign(np.sin(2 * np.pi * 30 * SECOND))
    yield "a tone that is switched", np.sin(2 * np.pi * 440 * SECOND) * (np.sin(2 * np.pi * 7 * SECOND) > 0)


@pytest.mark.parametrize("setting", [SHARP, SOFT], ids=["sharp", "soft"])
def test_the_flux_is_the_one_that_librosa_computes(setting: Setting) -> None:
    for name, sound in sounds():
        samples = np.pad(sound, (0, max(0, setting.window - len(sound)))).astype(np.float32)
        np.testing.assert_allclose(
            spectral_flux(samples, setting), librosas_flux(samples, setting), rtol=1e-5, atol=1e-4, err_msg=name
        )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("setting", [SHARP, SOFT], ids=["sharp", "soft"])
def test_peaks_of_any_curve_are_those_that_librosa_picks(seed: int, setting: Setting) -> None:
    from librosa.util import peak_pick

    rng = np.random.default_rng(seed)
    curve = rng.gamma(0.5 + seed, size=(1000, 5, 60)[seed % 3]).astype(np.float32)
    scaled = (curve - curve.min()) / np.ptp(curve)
    pause, around = (setting.frames(seconds) for seconds in (PAUSE, AROUND))
    theirs = peak_pick(
        scaled, pre_max=pause, post_max=pause + 1, pre_avg=around, post_avg=around + 1, wait=pause, delta=THRESHOLD
    )
    assert pick_peaks(curve, pause, around).tolist() == theirs.tolist() != []


def bursts(times: np.ndarray, seconds: float = 2.0) -> np.ndarray:
    samples = np.zeros(round(seconds * RATE), dtype=np.float32)
    burst = np.random.default_rng(1).standard_normal(2000) * np.geomspace(1, 1e-3, 2000)
    for time in times:
        start = round(time * RATE)
        samples[start : start + 2000] += burst.astype(np.float32)
    return samples


def test_bursts_are_heard_when_they_begin() -> None:
    times = np.array([0.3, 0.55, 0.8, 1.3, 1.42])
    heard = detect_onsets(bursts(times))
    assert heard.attacks == "sharp"
    assert heard.times == pytest.approx(times, abs=0.006)


def test_onsets_are_counted_from_the_clips_beginning_whatever_silence_is_around() -> None:
    times = np.array([0.3, 0.55, 0.8, 1.3, 1.42])
    silence = np.zeros(3 * RATE, dtype=np.float32)
    padded = np.concatenate([silence, bursts(times), silence])[np.newaxis]
    heard = onsets_of(DecodedClip(Audio(padded, RATE), PROMPT))
    assert heard.times - 3 == pytest.approx(times, abs=0.006)


def test_silence_and_a_constant_have_no_onsets() -> None:
    silent = onsets_of(DecodedClip(Audio(np.zeros((1, 8000), np.float32), 8000), PROMPT))
    assert (silent.times.size, silent.attacks) == (0, "unclear")
    assert pick_peaks(np.full(50, 3, dtype=np.float32), 5, 17).size == 0


def test_noise_has_no_attack_that_could_be_placed() -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, 5 * RATE).astype(np.float32)
    assert detect_onsets(noise / np.abs(noise).max()).attacks == "unclear"
    assert len(find_onsets(noise, SHARP).times)


# Recall at least, and timing spread at most in seconds: figures in docs/design/rhythm.md.
@pytest.mark.parametrize(
    ("name", "bpm", "division", "attacks", "recall", "spread"),
    [
        ("drums", 60, 2, "sharp", 1.0, 0.003),
        ("drums", 200, 4, "sharp", 0.75, 0.003),
        ("piano", 140, 2, "sharp", 0.9, 0.005),
        ("guitar", 120, 4, "sharp", 0.95, 0.003),
        ("trumpet", 120, 2, "soft", 0.9, 0.004),
        ("violin", 120, 2, "soft", 0.9, 0.006),
    ],
)
def test_instruments_are_heard_with_the_setting_that_suits_them(
    name: str, bpm: float, division: int, attacks: str, recall: float, spread: float
) -> None:
    accuracy = onset_accuracy(play_etude(INSTRUMENTS[name], bpm, division, 6.0))
    assert accuracy.attacks == attacks
    assert accuracy.recall >= recall
    assert accuracy.precision >= 0.95
    assert accuracy.spread is not None and accuracy.spread <= spread


@pytest.mark.slow(5)
def test_check_metrics_shows_what_is_heard_of_every_instrument() -> None:
    lines = onset_table(quick=True, layout=Layout()).splitlines()
    heading = next(place for place, line in enumerate(lines) if line.startswith("instrument"))
    rows = {line.split()[0]: line.split()[1:] for line in lines[heading + 1 : -1]}
    assert set(rows) == set(INSTRUMENTS)
    assert rows["drums"][:6] == ["struck", "120", "4.0", "sharp", "1.00", "1.00"]
    assert rows["trumpet"][3] == "soft"


def test_bands_are_heard_as_they_play() -> None:
    requests = [GenerationRequest(p, 0, 6.0) for p in quick().prompts if p.level == 5 and p.genre in ("dance", "pop")]
    for audio in Composer().generate(requests):
        assert isinstance(audio, Audio)
        accuracy = onset_accuracy(audio)
        assert accuracy.attacks == "sharp"
        assert accuracy.recall > 0.7 and accuracy.precision > 0.9
        assert accuracy.spread is not None and accuracy.spread < 0.004


times = st.lists(st.floats(0, 10, allow_subnormal=False), max_size=40).map(np.array).map(np.sort)


@settings(deadline=None)
@given(times, times)
def test_as_many_onsets_are_matched_as_can_be(known: np.ndarray, heard: np.ndarray) -> None:
    matched = mir_eval.util.match_events(known, heard, 0.05) if len(known) and len(heard) else []
    errors = matched_errors(known, heard)
    assert len(errors) == pytest.approx(len(matched), abs=_on_the_edge(known, heard))
    assert (np.abs(errors) <= 0.05 + 1e-9).all()


def _on_the_edge(known: np.ndarray, heard: np.ndarray) -> int:
    """Pairs exactly at the tolerance, which rounding decides."""
    return int(np.isclose(np.abs(np.subtract.outer(known, heard)), 0.05, atol=1e-9).sum())


def test_notes_that_are_struck_together_are_one_onset() -> None:
    assert merge_close_onsets(np.array([1.0, 0.0, 0.02, 0.5, 0.531])).tolist() == [0.0, 0.5, 0.531, 1.0]
