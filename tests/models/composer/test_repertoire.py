"""Two halves of the composer: nothing in common that could be recognised, and each still the composer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import UsageError
from bench.contracts.identity import portable
from bench.contracts.notes import Note, Notes
from bench.contracts.parameters import bind
from bench.contracts.plugins import find
from bench.contracts.prompt import Prompt
from models.composer import Composer
from models.composer.repertoire import Repertoire
from models.composer.score import compose
from models.composer.styles import style_named
from models.composer.writing.prompt_parser import STYLES
from models.training.composed import commissions
from models.training.config import DataConfig

HALVES = Repertoire("training"), Repertoire("reference")


def played(genre: str, seed: int, half: Repertoire) -> Notes:
    return compose(Prompt("p", f"Lively {genre} music", genre), seed, 10.0, half)


@pytest.mark.parametrize("genre", STYLES)
def test_halves_share_no_instrument_progression_or_rhythm(genre: str) -> None:
    pieces = [[played(genre, seed, half) for seed in range(25)] for half in HALVES]
    programs = [{(note.program, note.drum) for notes in own for note in notes.events} for own in pieces]
    assert all(programs) and not programs[0] & programs[1]
    style = style_named(genre)
    one, other = (half.of(style) for half in HALVES)
    assert {*one.manner.cells, *other.manner.cells} == set(style.manner.cells)
    assert not {*one.manner.cells} & {*other.manner.cells}
    for mode, letters in style.progressions.items():
        for letter, choices in letters.items():
            first, second = set(one.progressions[mode][letter]), set(other.progressions[mode][letter])
            assert first | second == set(choices)
            assert not first & second or len(choices) == 1


@given(program=st.integers(0, 118), pitch=st.integers(0, 127), drum=st.booleans())
def test_casting_changes_who_plays_and_nothing_else(program: int, pitch: int, drum: bool) -> None:
    note = Note(1.0, 0.5, pitch, 90, program, drum)
    one, other = (half.cast(Notes((note,), quarter=0.5)).events[0] for half in HALVES)
    assert one._replace(program=program) == other._replace(program=program) == note
    again = HALVES[0].cast(Notes((one,), quarter=0.5)).events[0]
    assert again == one  # who was cast stays
    if not drum:
        assert one.program != other.program


def test_tempo_and_key_are_those_asked_for() -> None:
    prompt = Prompt("p", "Jazz at 132 bpm in C minor", "jazz", None, 132.0, "C minor")
    for half in HALVES:
        notes = compose(prompt, 0, 10.0, half)
        assert notes.quarter == pytest.approx(60 / 132) and notes.key == "C minor"


def test_the_whole_composer_is_who_it_was() -> None:
    """The parameter came later: leaving it out gives the same identity and the same notes."""
    plugin = find("model", "composer")
    given_ = {n: portable(v) for n, v in bind(plugin, Composer, {}).items() if v is not None}
    assert given_ == {}
    prompt = Prompt("p", "Calm pop", "pop")
    assert compose(prompt, 3, 5.0) == compose(prompt, 3, 5.0, None)
    with pytest.raises(UsageError):
        Composer("references")


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_seeds_of_composed_data_do_not_depend_on_the_half(seed: int) -> None:
    one, other = (
        list(commissions(DataConfig(path="composer", clips=4, seed=seed, repertoire=half)))
        for half in (None, "training")
    )
    assert one == other
