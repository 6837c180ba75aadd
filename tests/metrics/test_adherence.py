import mir_eval
import numpy as np
import pytest

from bench import Audio, DecodedClip, Prompt
from bench.contracts.notes import Note, Notes
from metrics.adherence import (
    ACCURACY_2,
    CHANCE_KEY,
    EXACT,
    GUESSES,
    OCTAVES,
    KeyAdherence,
    TempoAdherence,
    chance_of_tempo,
    key_score,
    tempo_matches,
)
from metrics.notes.key import TONICS, Key

SILENCE = Audio(np.zeros((1, 8000), dtype=np.float32), 8000)
NAMES = [f"{tonic} {mode}" for tonic in TONICS for mode in ("major", "minor")]


def clip(bpm: float | None = None, key: str | None = None, notes: Notes | None = None) -> DecodedClip:
    return DecodedClip(SILENCE, Prompt("p", "a tune", "piano", bpm=bpm, key=key), notes)


@pytest.mark.parametrize("asked", NAMES)
def test_key_scores_are_those_of_mir_eval(asked: str) -> None:
    for heard in NAMES:
        assert key_score(Key.named(heard), Key.named(asked)) == mir_eval.key.weighted_score(asked, heard)


def test_the_chance_of_a_key_is_the_mean_over_all_keys() -> None:
    scores = [key_score(Key.named(heard), Key.named("C major")) for heard in NAMES]
    assert 100 * np.mean(scores) == pytest.approx(CHANCE_KEY)


@pytest.mark.parametrize(
    ("bpm", "right"),
    [
        (120, (True, True, True)),
        (124.7, (True, True, True)),
        (125, (False, False, False)),
        (115.3, (True, True, True)),
        (115, (False, False, False)),
        (60, (False, True, True)),
        (249, (False, True, True)),
        (40, (False, False, True)),
        (350, (False, False, True)),
        (180, (False, False, False)),
        (90, (False, False, False)),
        (160, (False, False, False)),
    ],
)
def test_a_tempo_is_right_within_four_percent(bpm: float, right: tuple[bool, ...]) -> None:
    assert tuple(tempo_matches(bpm, 120, multiples) for multiples in (EXACT, OCTAVES, ACCURACY_2)) == right


@pytest.mark.parametrize("multiples", [EXACT, OCTAVES, ACCURACY_2])
@pytest.mark.parametrize("asked", [45, 68, 120, 205, 300])
def test_the_chance_of_a_tempo_is_the_share_of_random_guesses_that_match(
    asked: float, multiples: tuple[float, ...]
) -> None:
    low, high = np.log(GUESSES)
    guesses = np.exp(np.random.default_rng(0).uniform(low, high, 20_000))
    share = np.mean([tempo_matches(guess, asked, multiples) for guess in guesses])
    assert chance_of_tempo(asked, multiples) == pytest.approx(share, abs=0.008)


def test_a_prompt_that_asks_for_nothing_cannot_be_missed() -> None:
    tempo, key = TempoAdherence().score(clip()), KeyAdherence().score(clip())
    assert tempo.value is key.value is None
    assert "tempo" in (tempo.reason or "") and "key" in (key.reason or "")


def test_silence_has_neither_tempo_nor_key() -> None:
    tempo, key = TempoAdherence().score(clip(bpm=120)), KeyAdherence().score(clip(key="C major"))
    assert tempo.value is key.value is None
    assert "beat" in (tempo.reason or "") and "key" in (key.reason or "")


def test_symbolic_music_is_taken_at_its_word() -> None:
    notes = Notes((Note(0, 1, 60),), origin="symbolic", quarter=0.25, key="A minor")
    tempo = TempoAdherence().score(clip(bpm=120, notes=notes))
    assert (tempo.value, tempo.details["octaves"], tempo.details["bpm"]) == (0, 100, 240)
    assert tempo.details["chance"] == pytest.approx(100 * chance_of_tempo(120))
    key = KeyAdherence().score(clip(key="C major", notes=notes))
    assert (key.value, key.details["key"]) == (30, "A minor")
