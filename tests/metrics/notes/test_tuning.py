"""Music that is tuned to another A reads as if it were not."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from bench import Audio, DecodedClip, GenerationRequest, Prompt
from metrics.adherence import KeyAdherence
from metrics.harmony import HarmonicAccuracy
from metrics.melody import MelodicComplexity
from metrics.notes.key import key_of
from metrics.notes.transcription import transcription_of
from metrics.notes.tuning import CERTAIN, RATE, detuned, estimate_tuning, in_tune, tuning_of
from models.composer import Composer
from prompts import genres

PROMPTS = [p for p in genres().prompts if p.id in ("classical-3", "jazz-2")]
SECONDS = 8
A432 = 1200 * float(np.log2(432 / 440))


def chord(cents: float, seconds: float = 3.0) -> np.ndarray:
    """C major with four partials, so many cents above A = 440 Hz."""
    time = np.arange(round(seconds * RATE)) / RATE
    roots = 440 * 2 ** ((np.array([-9, -5, -2]) + cents / 100) / 12)
    sound = sum(np.sin(2 * np.pi * k * f * time) / k for f in roots for k in (1, 2, 3, 4))
    return np.asarray(sound, dtype=np.float32)


@cache
def played(place: int, cents: float) -> DecodedClip:
    prompt = PROMPTS[place]
    (audio,) = Composer().generate([GenerationRequest(prompt, 7, SECONDS)])
    samples = audio.mono()
    sound = detuned(samples, audio.rate, cents) if cents else samples
    return DecodedClip(Audio(sound, audio.rate), prompt)


@pytest.mark.parametrize("cents", [-45, A432, -8, 0, 3, 20, 23, 45])
def test_the_deviation_of_a_chord_is_found_to_two_cents(cents: float) -> None:
    found, agreement = estimate_tuning(chord(cents))
    assert found == pytest.approx(cents, abs=2)
    assert agreement > 10 * CERTAIN


def test_corrected_music_is_at_440_again() -> None:
    sharp = detuned(chord(0), RATE, 30)
    assert estimate_tuning(sharp)[0] == pytest.approx(30, abs=2)
    clip = DecodedClip(Audio(sharp, RATE), Prompt("p", "a chord"))
    straight = in_tune(clip, RATE)
    assert straight is not None
    assert estimate_tuning(straight)[0] == pytest.approx(0, abs=2)
    assert len(straight) == pytest.approx(len(sharp) * 2 ** (30 / 1200), rel=1e-3)


def test_noise_and_silence_have_no_tuning() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 10 * RATE).astype(np.float32)
    for samples in (noise, np.zeros(RATE, dtype=np.float32), np.zeros(3, dtype=np.float32)):
        assert tuning_of(DecodedClip(Audio(samples, RATE), Prompt("p", "none"))) == 0
    assert estimate_tuning(np.zeros(0, dtype=np.float32)) == (0, 0)


@pytest.mark.slow(8)
@pytest.mark.parametrize(("place", "cents"), [(0, -45), (1, A432), (1, 45)])
def test_another_tuning_changes_no_metric(place: int, cents: float) -> None:
    plain, other = played(place, 0), played(place, cents)
    assert tuning_of(other) - tuning_of(plain) == pytest.approx(cents, abs=2)
    (was, now) = (HarmonicAccuracy().score(clip) for clip in (plain, other))
    assert now.value == pytest.approx(was.value, abs=0.7)
    assert now.details["scales"] == was.details["scales"]
    (was, now) = (MelodicComplexity().score(clip) for clip in (plain, other))
    assert now.value == pytest.approx(was.value, abs=2)
    assert now.details["note_count"] == pytest.approx(was.details["note_count"], rel=0.1)
    keys = [key_of(clip) for clip in (plain, other)]
    assert keys[0] is not None and keys[1] is not None and keys[0].key == keys[1].key
    assert KeyAdherence().score(other).value == KeyAdherence().score(plain).value


def test_notes_keep_their_times_in_the_clip() -> None:
    plain, slow = (transcription_of(played(0, cents)).notes for cents in (0, -45))
    pace = 2 ** (45 / 1200)
    assert slow[-1].onset == pytest.approx(plain[-1].onset * pace, abs=0.15)
