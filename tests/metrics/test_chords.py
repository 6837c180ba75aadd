from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import Audio, DecodedClip, GenerationRequest, Prompt, Score
from bench.contracts.notes import Note, Notes
from metrics.chords import ChordsInKey, chords_in_key
from metrics.notes.chords import NAMES, NOTHING, QUALITIES, Chords, find_chords
from metrics.notes.key import TONICS
from models.composer import Composer
from models.composer.controls import Noise, OffKeyComposer
from prompts import genres

STEPS = 10
relaxed = settings(deadline=None, max_examples=30)


def tones(name: str) -> np.ndarray:
    root = next(t for t in sorted(TONICS, key=len, reverse=True) if name.startswith(t))
    sounding = np.zeros(12)
    sounding[[(TONICS.index(root) + step) % 12 for step in QUALITIES[name.removeprefix(root)]]] = 1.0
    return sounding


def played(*names: str, wrong: float = 0.0) -> Chords:
    """Each chord for two seconds, its root in the bass, with a share of what sounds on C#."""
    sounding = np.repeat([tones(name) for name in names], STEPS, axis=0)
    sounding[:, 1] += wrong / (1 - wrong) * sounding.sum(axis=1)
    bass = np.zeros_like(sounding)
    for place, name in enumerate(names):
        bass[place * STEPS : (place + 1) * STEPS, NAMES.index(name) % 12] = 0.5
    return find_chords(sounding, bass)


@pytest.mark.parametrize("name", NAMES)
def test_every_chord_is_found(name: str) -> None:
    chords = played(name)
    assert chords.names == (name,)
    assert chords.steps.tolist() == [STEPS]
    np.testing.assert_array_equal(chords.tones[0], tones(name))


def test_chords_follow_one_another_as_they_were_played() -> None:
    names = ("C", "Am", "F", "G7", "C")
    chords = played(*names)
    assert chords.names == names
    assert chords.steps.tolist() == [STEPS] * len(names)
    np.testing.assert_allclose(chords.seconds, STEPS * chords.tones)


@relaxed
@given(st.lists(st.sampled_from(["C", "Am", "F", "G", "Dm7"]), min_size=1, max_size=6), st.integers(0, 11))
def test_transposition_moves_the_chords_and_changes_no_value(names: list[str], up: int) -> None:
    sounding = np.repeat([tones(name) for name in names], STEPS, axis=0)
    plain = find_chords(sounding, sounding / 2)
    moved = find_chords(np.roll(sounding, up, axis=1), np.roll(sounding, up, axis=1) / 2)
    assert [(NAMES.index(name) % 12 + up) % 12 for name in plain.names] == [NAMES.index(n) % 12 for n in moved.names]
    assert chords_in_key(moved) == pytest.approx(chords_in_key(plain))


def test_only_clear_chords_of_the_key_count() -> None:
    assert chords_in_key(played("C", "F", "G7", "C")) == (100, 100)
    clear, in_key = chords_in_key(played("C", "F", "G", "C", "F#"))
    assert (clear, in_key) == (100, pytest.approx(80))
    assert played("C", wrong=0.24).clear.all()
    assert not played("C", wrong=0.26).clear.any()
    assert chords_in_key(played("C", wrong=0.26)) == (0, 0)


def test_a_moment_without_sound_has_no_share() -> None:
    sounding = np.concatenate([np.tile(tones("C"), (10, 1)), np.zeros((30, 12)), np.tile(tones("C"), (10, 1))])
    chords = find_chords(sounding, np.zeros_like(sounding))
    assert chords.steps.sum() == 20
    assert chords_in_key(chords) == (100, 100)


def test_a_file_of_notes_is_read_as_it_is_written() -> None:
    events = [
        Note(2 * bar, 2, pitch)
        for bar, pitches in enumerate([(48, 60, 64, 67), (53, 60, 65, 69), (43, 62, 65, 71), (48, 60, 64, 67)])
        for pitch in pitches
    ]
    drums = [Note(0.5 * beat, 0.1, 38, drum=True) for beat in range(16)]
    notes = Notes((*events, *drums), origin="symbolic", quarter=0.5)
    clip = DecodedClip(Audio(np.zeros((1, 8000), dtype=np.float32), 8000), Prompt("p", "a cadence"), notes)
    score = ChordsInKey().score(clip)
    assert score.value == 100
    assert score.details["chords"] == ["C", "F", "G7", "C"]
    assert (score.details["bpm"], score.details["changes_per_bar"]) == (120, 0.75)


def test_silence_has_no_chords() -> None:
    assert find_chords(NOTHING, NOTHING).names == ()
    silence = Audio(np.zeros((1, 44_100), dtype=np.float32), 44_100)
    assert ChordsInKey().score(DecodedClip(silence, Prompt("p", "none"))).value is None


@cache
def scores(share: float) -> list[Score]:
    """Dense music of two genres with a share of wrong notes."""
    prompts = [p for p in genres().prompts if p.id in ("pop-5", "rock-2")]
    model = OffKeyComposer(share) if share else Composer()
    audios = model.generate([GenerationRequest(prompt, 11, 8) for prompt in prompts])
    return [ChordsInKey().score(DecodedClip(a, p, a.notes)) for a, p in zip(audios, prompts, strict=True)]


@pytest.mark.slow(8)
def test_wrong_notes_lower_the_share_by_the_dose_down_to_chance() -> None:
    means = [np.mean([score.value for score in scores(share) if score.value is not None]) for share in (0, 0.2, 1)]
    assert means[0] > 85 and means[0] > means[1] + 8 and means[1] > means[2] + 15
    chance = np.mean([score.details["chance"] for score in scores(1)])
    assert means[2] == pytest.approx(chance, abs=15)
    for score in scores(0):
        assert 0.3 < score.details["changes_per_bar"] < 3
        assert score.value == pytest.approx(score.details["clear"] * score.details["in_key"] / 100)


def test_noise_has_no_chords() -> None:
    (noise,) = Noise().generate([GenerationRequest(genres().prompts[0], 0, 5)])
    assert ChordsInKey().score(DecodedClip(noise, Prompt("p", "none"))).value is None
