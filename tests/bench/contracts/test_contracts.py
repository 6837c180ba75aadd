"""The values that everything is passed around in refuse what they cannot mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bench
from bench import DataError, DecodedClip, Note, Notes, Prompt, PromptSuite, Score


def test_every_public_name_can_be_imported() -> None:
    for name in bench.__all__:
        assert getattr(bench, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = bench.nothing


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": "../x"}, "id"),
        ({"id": ""}, "id"),
        ({"text": " "}, "text"),
        ({"genre": ""}, "genre"),
        ({"level": 0}, "level"),
        ({"bpm": -1}, "bpm"),
        ({"bpm": float("nan")}, "bpm"),
        ({"key": "H major"}, "key"),
        ({"key": "c minor"}, "key"),
    ],
)
def test_impossible_prompt_names_the_field(change: dict[str, object], field: str) -> None:
    values = {"id": "a-1", "text": "a tune", "genre": "pop", **change}
    with pytest.raises(DataError, match=field):
        Prompt(**values)  # type: ignore[arg-type]


def test_suite_refuses_repeated_ids_and_emptiness() -> None:
    prompt = Prompt("a", "a tune", "pop")
    assert PromptSuite("mine", 2, (prompt,)).ref == "mine@2"
    with pytest.raises(DataError, match=r"'mine'.*'a'"):
        PromptSuite("mine", 1, (prompt, prompt))
    with pytest.raises(DataError, match="no prompts"):
        PromptSuite("mine", 1, ())


def test_score_is_a_number_or_a_reason() -> None:
    assert Score.of(3).value == 3.0
    assert Score.undefined("silent").reason == "silent"
    with pytest.raises(DataError, match="a reason"):
        Score(None)
    with pytest.raises(DataError, match="a reason"):
        Score(1.0, "but why")
    with pytest.raises(DataError, match=r"value .*nan"):
        Score.of(float("nan"))
    with pytest.raises(DataError, match=r"chance .*inf"):
        Score.of(1, chance=float("inf"))


_notes = st.builds(
    Note,
    st.floats(0, 1000),
    st.floats(1e-3, 100),
    st.integers(0, 127),
    st.integers(1, 127),
    st.integers(0, 127),
    st.booleans(),
)


@given(st.lists(_notes, max_size=20), st.sampled_from(["known", "symbolic"]), st.none() | st.floats(0.1, 2))
def test_notes_survive_json(events: list[Note], origin: str, quarter: float | None) -> None:
    notes = Notes(tuple(events), origin, quarter, "C major")  # type: ignore[arg-type]
    assert Notes.from_json(notes.to_json()) == notes
    assert list(notes.onsets) == sorted(note.onset for note in events)
    assert len(notes.pitches) == sum(not note.drum for note in events)


def test_impossible_note_is_refused() -> None:
    for note in (Note(-1, 1, 60), Note(0, 0, 60), Note(0, 1, 128), Note(0, 1, 60, 0)):
        with pytest.raises(DataError, match="invalid note"):
            Notes((note,))


def test_decoded_clip_computes_shared_things_once() -> None:
    calls = []
    clip = DecodedClip(bench.Audio([[0.0, 1.0]], 8000), Prompt("a", "b", "c"))  # type: ignore[arg-type]
    for _ in range(3):
        assert clip.share("x", lambda: calls.append(1) or 7) == 7  # type: ignore[func-returns-value]
    assert len(calls) == 1
    assert clip.mono(4000) is clip.mono(4000)
