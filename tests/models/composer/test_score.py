"""The composer's scores hold to the prompt and to the genre."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest

from bench.contracts.notes import Notes
from bench.contracts.prompt import Prompt
from models.composer.score import compose
from models.composer.writing.prompt_parser import STYLES
from prompts import genres

MAJOR, MINOR = {0, 2, 4, 5, 7, 9, 11}, {0, 2, 3, 5, 7, 8, 10, 11}  # minor with the raised seventh as well
LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
KEYS = ("C major", "F# minor", "Bb major", "E minor", "Ab major", "G# minor")


def _scale(key: str) -> set[int]:
    tonic, mode = key.split()
    root = LETTERS[tonic[0]] + tonic.count("#") - tonic.count("b")
    return {(root + step) % 12 for step in (MAJOR if mode == "major" else MINOR)}


def _quarter(notes: Notes) -> float:
    assert notes.quarter is not None
    return notes.quarter


@lru_cache(maxsize=64)
def _notes(genre: str, key: str, seed: int = 0, duration: float = 20, text: str = "music", bpm: float = 100) -> Notes:
    return compose(Prompt("p", f"{genre} {text}", genre, bpm=bpm, key=key), seed, duration)


@pytest.mark.parametrize("genre", STYLES)
def test_notes_fit_the_prompted_key(genre: str) -> None:
    for seed, key in enumerate(KEYS):
        notes = _notes(genre, key, seed)
        inside = np.isin(notes.pitches % 12, list(_scale(key)))
        assert notes.key == key
        assert inside.mean() >= (0.85 if genre in ("jazz", "rock") else 0.9), (key, inside.mean())


@pytest.mark.parametrize("genre", STYLES)
def test_onsets_lie_on_the_grid_of_the_prompted_tempo(genre: str) -> None:
    for bpm in (66.0, 101.5, 120.0, 184.0):
        notes = _notes(genre, "D minor", duration=12, bpm=bpm)
        assert notes.quarter == pytest.approx(60 / bpm, rel=1e-12)
        quarters = notes.onsets / _quarter(notes)
        # Sixteenths; in jazz eighths are swung, so that offbeats lie on triplets and sixteenths on sextuplets.
        slots = 6 if genre == "jazz" else 4
        assert np.abs(quarters * slots - np.round(quarters * slots)).max() < 1e-6


@pytest.mark.parametrize("genre", STYLES)
def test_there_is_enough_music_at_once(genre: str) -> None:
    for seed in range(4):
        notes = _notes(genre, KEYS[seed], seed, 10, bpm=100)
        assert notes.onsets[0] < 0.01
        assert len(notes.pitches) >= 20
        assert len(np.unique(notes.onsets)) >= 16
        gaps = np.diff(np.append(notes.onsets, 10))
        assert gaps.max() < 2.5
    assert len(_notes("choral", "C major", 0, 10, bpm=60).pitches) >= 20


@pytest.mark.parametrize("genre", STYLES)
def test_a_longer_piece_begins_like_a_shorter_one(genre: str) -> None:
    short, long = (_notes(genre, "C major", 1, duration).events for duration in (7, 47))
    assert [note for note in long if note.onset < 7] == list(short)


@pytest.mark.parametrize("genre", STYLES)
def test_seed_and_text_make_another_piece(genre: str) -> None:
    piece = _notes(genre, "C major", 0, 10)
    assert compose(Prompt("p", f"{genre} music", genre, bpm=100, key="C major"), 0, 10) == piece
    assert _notes(genre, "C major", 1, 10).events != piece.events
    assert _notes(genre, "C major", 0, 10, "music indeed").events != piece.events


def test_the_prompt_id_does_not_matter() -> None:
    first, second = (compose(Prompt(id, "calm jazz", "jazz"), 0, 5) for id in ("a", "b"))
    assert first == second


def test_jazz_has_a_bass_note_on_every_beat_and_roots_as_chords_enter() -> None:
    notes = compose(Prompt("p", "jazz with walking bass", "jazz", bpm=140, key="F major"), 3, 20)
    bass = [note for note in notes.events if note.program == 32 and not note.drum]
    beats = [note.onset / _quarter(notes) for note in bass]
    np.testing.assert_allclose(beats, np.arange(len(beats)), atol=1e-6)
    assert len(beats) >= 46
    steps = np.abs(np.diff([note.pitch for note in bass]))
    assert 0 < np.median(steps) <= 4 and steps.max() <= 12


def test_jazz_swings_two_to_one_and_bossa_does_not() -> None:
    def offbeats(text: str) -> np.ndarray:
        notes = compose(Prompt("p", text, "jazz", bpm=120), 0, 20)
        part = notes.onsets / _quarter(notes) % 1
        return part[(part > 0.01) & (part < 0.99)]

    assert np.allclose(offbeats("swinging jazz"), 2 / 3, atol=1e-6)
    assert np.allclose(offbeats("bossa nova jazz") * 4 % 1, 0, atol=1e-6)


def test_jazz_has_a_ride_cymbal() -> None:
    assert sum(note.drum and note.pitch == 51 for note in _notes("jazz", "C major").events) > 40


def test_dance_has_a_kick_on_every_quarter() -> None:
    for seed in range(4):
        notes = compose(Prompt("p", "techno", "dance"), seed, 30)
        kicks = [note.onset / _quarter(notes) for note in notes.events if note.drum and note.pitch == 36]
        np.testing.assert_allclose(kicks, np.arange(len(kicks)), atol=1e-6)
        assert len(kicks) == np.ceil(30 / _quarter(notes) - 1e-9)


@pytest.mark.parametrize("genre", ["pop", "rock"])
def test_bands_have_a_backbeat(genre: str) -> None:
    notes = _notes(genre, "C major", text="energetic music", bpm=110)
    snares = {round(n.onset / _quarter(notes), 6) % 4 for n in notes.events if n.drum and n.pitch in (37, 38)}
    assert {1.0, 3.0} <= snares


@pytest.mark.parametrize("genre", ["classical", "jazz", "pop", "rock", "dance"])
def test_tunes_come_back(genre: str) -> None:
    """The rhythm of two of the first bars returns among the last of eight; the line goes by steps and small leaps."""
    word, program = ("trumpet", 56) if genre == "jazz" else ("flute", 73)
    notes = compose(Prompt("p", f"{genre} with {word}", genre, bpm=120), 2, 16)
    tune = [(n.onset / _quarter(notes), n.pitch) for n in notes.events if n.program == program and not n.drum]
    units = [{round(start - 8 * unit, 4) for start, _ in tune if 8 * unit <= start < 8 * unit + 8} for unit in range(4)]
    assert any(units[0] == unit or units[1] == unit for unit in units[2:]) or units[0] == units[1]
    leaps = np.abs(np.diff([pitch for _, pitch in tune]))
    assert np.mean(leaps <= 4) > 0.6 and leaps.max() <= 16


def test_suite_prompts_get_their_tempo_and_key() -> None:
    for prompt in genres().prompts:
        notes = compose(prompt, 0, 10)
        if prompt.bpm:
            assert 60 / (notes.quarter or 0) == pytest.approx(prompt.bpm)
        if prompt.key:
            assert notes.key == prompt.key
            assert np.isin(notes.pitches % 12, list(_scale(prompt.key))).mean() > 0.85
        assert len(notes.pitches) >= 20
        assert len(np.unique(notes.onsets)) >= (10 if prompt.genre == "choral" else 16)


@pytest.mark.parametrize("genre", STYLES)
def test_nobody_strikes_one_key_twice_at_once(genre: str) -> None:
    last: dict[tuple[int, bool, int], float] = {}
    for note in _notes(genre, "C major", 2).events:
        key = note.program, note.drum, note.pitch
        assert note.onset > last.get(key, 0.0) - 1e-6 or note.onset == 0
        last[key] = note.onset + note.duration
