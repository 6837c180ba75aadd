"""What the composer reads in a prompt."""

from __future__ import annotations

from typing import Any

import pytest

from bench.contracts.prompt import Prompt
from models.composer.score import compose
from models.composer.writing.prompt_parser import parse_prompt


def _wishes(text: str, genre: str = "pop", **fields: object) -> Any:
    return parse_prompt(Prompt("p", text, genre, **fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("genre", "text", "style"),
    [
        ("jazz", "rock the house", "jazz"),
        ("bebop", "something", "jazz"),
        ("heavy metal", "something", "rock"),
        ("electronic", "a techno track", "dance"),
        ("baroque", "a fugue", "classical"),
        ("other", "a gregorian chant", "choral"),
        ("other", "music for a walk", "pop"),
    ],
)
def test_style_comes_from_genre_then_from_the_text_then_is_pop(genre: str, text: str, style: str) -> None:
    assert _wishes(text, genre).style == style


@pytest.mark.parametrize(
    ("text", "bpm"),
    [
        ("a song at 93 bpm", 93),
        ("a song at 120 beats per minute", 120),
        ("tempo: 72.5", 72.5),
        ("an adagio for strings", 68),
        ("allegro, 2 guitars", 132),
        ("100 guitars", None),
        ("9999 bpm", None),
    ],
)
def test_tempo_is_read_from_numbers_and_terms(text: str, bpm: float | None) -> None:
    assert _wishes(text).bpm == bpm


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("a song in F# minor", "F# minor"),
        ("in B flat major, slow", "Bb major"),
        ("a C-sharp minor nocturne", "C# minor"),
        ("in A minor", "A minor"),
        ("A minor setback set to music", None),
        ("in a minor key", None),
        ("E♭ major fanfare", "Eb major"),
    ],
)
def test_key_is_read_from_words(text: str, key: str) -> None:
    found = _wishes(text).key
    assert (str(found) if found else None) == key


def test_fields_come_before_words() -> None:
    wishes = _wishes("a slow song in C major at 60 bpm", bpm=140.0, key="D minor")
    assert wishes.bpm == 140 and str(wishes.key) == "D minor"


@pytest.mark.parametrize(
    ("text", "mode"),
    [("a sad song", "minor"), ("joyful and bright", "major"), ("dark, tense, yet hopeful", "minor"), ("a song", None)],
)
def test_mood_words_choose_the_mode(text: str, mode: str) -> None:
    assert _wishes(text).mode == mode


def test_energy_orders_moods() -> None:
    texts = ("a calm, gentle lullaby", "a song", "a lively song", "loud, fiery, relentless music")
    energies = [_wishes(text).energy for text in texts]
    assert energies == sorted(set(energies)) and energies[0] >= -2 and energies[-1] <= 2


@pytest.mark.parametrize(
    ("genre", "text", "programs"),
    [
        ("classical", "violin and cello", {40, 42}),
        ("classical", "a string quartet", {40, 41, 42}),
        ("jazz", "an alto saxophone, then the saxophone again, with upright bass", {65, 32}),
        ("rock", "electric guitars and organ", {30, 18}),
        ("choral", "choir with pipe organ and french horns", {52, 19, 60}),
        ("pop", "electric piano and a flute", {4, 73}),
        ("dance", "supersaws, a synth bass and a warm pad", {81, 38, 89}),
        ("jazz", "guitar", {26}),
        ("pop", "guitar", {25}),
    ],
)
def test_instruments_that_are_named_are_heard_within_ten_seconds(genre: str, text: str, programs: set[int]) -> None:
    prompt = Prompt("p", text, genre, bpm=100)
    assert set(_wishes(text, genre).scoring.programs) == programs
    for seed in range(3):
        assert programs <= {note.program for note in compose(prompt, seed, 10).events if not note.drum}


def test_excluded_instruments_are_not_heard() -> None:
    for seed in range(4):
        notes = compose(Prompt("p", "pop without drums and no piano", "pop"), seed, 10).events
        assert not any(note.drum or note.program == 0 for note in notes)


def test_a_solo_pianist_plays_alone() -> None:
    notes = compose(Prompt("p", "melancholic nocturne for solo piano", "classical"), 0, 10).events
    assert {note.program for note in notes} == {0}


def test_waltzes_have_three_beats() -> None:
    assert _wishes("a graceful waltz", "classical").beats == 3
    assert _wishes("a song", "classical").beats == 4


def test_slow_is_slower_than_fast_whatever_the_style() -> None:
    for genre in ("choral", "classical", "dance", "jazz", "pop", "rock"):
        slow, fast = (compose(Prompt("p", f"{pace} music", genre), 0, 1).quarter for pace in ("slow", "fast"))
        assert slow is not None and fast is not None and slow > fast
