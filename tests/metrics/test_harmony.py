import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from re import findall

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import Audio, DecodedClip, Prompt, Score
from bench.contracts.notes import Note, Notes
from bench.errors import DataError, UsageError
from metrics.harmony import (
    SCALES,
    HarmonicAccuracy,
    best_scales,
    chance_accuracy,
    class_counts,
    harmonic_accuracy,
    key_margin,
    scale_share,
)
from metrics.harmony_chance import ACCURACY, CHORDS, SECONDS, chance_accuracy_of_sound, chance_chords_in_key
from metrics.human_music import MIN_RECORDINGS, read_human_music, summarise_music
from metrics.random_music import simulate

PROMPT = Prompt("p", "a tune", "piano")
SILENCE = np.zeros((1, 44_100), dtype=np.float32)
FOR_ELISE = [76, 75, 76, 75, 76, 71, 74, 72, 69]
relaxed = settings(deadline=None)
pitches = st.lists(st.integers(0, 127), min_size=1, max_size=60)


def symbolic(pitches: list[int], **how: object) -> DecodedClip:
    events = tuple(Note(0.25 * i, 0.2, pitch) for i, pitch in enumerate(pitches))
    return DecodedClip(Audio(SILENCE, 44_100), PROMPT, Notes(events, origin="symbolic", **how))  # type: ignore[arg-type]


@pytest.mark.parametrize("tonic", range(12))
@pytest.mark.parametrize("degrees", SCALES.values(), ids=SCALES)
def test_every_scale_on_every_tonic_is_wholly_accurate(tonic: int, degrees: tuple[int, ...]) -> None:
    assert harmonic_accuracy([48 + tonic + degree for degree in degrees]) == 100


def test_for_elise_needs_the_harmonic_minor_scale() -> None:
    assert harmonic_accuracy(FOR_ELISE) == pytest.approx(100 * 8 / 9)
    assert best_scales(class_counts(FOR_ELISE)) == ["E harmonic minor"]


def test_a_scale_and_its_relative_are_both_reported() -> None:
    assert best_scales(class_counts([60, 62, 64, 65, 67, 69, 71])) == ["C major", "A natural minor"]


def test_the_chromatic_scale_has_seven_of_twelve_notes_in_any_scale() -> None:
    assert harmonic_accuracy(range(60, 72)) == pytest.approx(100 * 7 / 12)


@pytest.fixture(scope="module")
def music21_scales() -> list[set[int]]:
    from music21 import scale

    return [
        {pitch.pitchClass for pitch in kind(tonic).getPitches(f"{tonic}4", f"{tonic}5")}
        for tonic in ("C", "C#", "D", "E-", "E", "F", "F#", "G", "G#", "A", "B-", "B")
        for kind in (scale.MajorScale, scale.MinorScale, scale.HarmonicMinorScale)
    ]


@relaxed
@given(played=pitches)
def test_agrees_with_the_scales_of_music21(music21_scales: list[set[int]], played: list[int]) -> None:
    matches = [sum(pitch % 12 in scale for pitch in played) for scale in music21_scales]
    assert harmonic_accuracy(played) == pytest.approx(100 * max(matches) / len(played))


@relaxed
@given(pitches, st.integers(-127, 127), st.randoms(use_true_random=False))
def test_transposition_order_and_octaves_do_not_matter(played: list[int], shift: int, random: object) -> None:
    value = harmonic_accuracy(played)
    assert 100 * 7 / 12 - 1e-9 <= value <= 100
    assert harmonic_accuracy([(pitch + shift) % 12 + 60 for pitch in played]) == pytest.approx(value)
    random.shuffle(played)  # type: ignore[attr-defined]
    assert harmonic_accuracy(played) == value


@pytest.mark.parametrize("wrong", [[], [60, math.nan], [128], [-1], [60.5], [[60, 62]], ["C4"], [math.inf], [None]])
def test_impossible_pitches_are_refused(wrong: list[object]) -> None:
    with pytest.raises(DataError, match="pitches"):
        harmonic_accuracy(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("notes", "chance"), [(8, 87), (20, 77), (50, 71), (100, 67), (200, 64)])
def test_chance_has_the_known_values(notes: int, chance: float) -> None:
    assert chance_accuracy(notes) == pytest.approx(chance, abs=1.0)


def test_chance_is_the_mean_over_random_tunes() -> None:
    generator = np.random.default_rng(7)
    simulated = [harmonic_accuracy(generator.integers(0, 12, 30)) for _ in range(2000)]
    standard_error = np.std(simulated) / math.sqrt(len(simulated))
    assert chance_accuracy(30) == pytest.approx(np.mean(simulated), abs=float(4 * standard_error))


def test_a_clip_is_scored_beside_its_chance_value() -> None:
    score = HarmonicAccuracy().score(symbolic([60, 62, 64, 65, 67, 69, 71, 61] * 5))
    assert score.value == 87.5
    assert score.details["notes"] == "symbolic"
    assert score.details["note_count"] == 40
    chance = score.details["chance"]
    assert chance == chance_accuracy(40)
    assert score.details["corrected"] == pytest.approx(100 * (87.5 - chance) / (100 - chance))
    assert score.details["margin"] == pytest.approx(12.5)  # over G and F major, which lack one of its classes
    assert "known" not in score.details


def test_few_notes_are_a_reason_and_not_a_number() -> None:
    score = HarmonicAccuracy().score(symbolic([60, 64, 67] * 6))
    assert (score.value, findall(r"\d+", score.reason or "")) == (None, ["18", "20"])
    assert HarmonicAccuracy().score(symbolic([60, 64, 67] * 7)).value == 100


def test_two_pitch_classes_fit_a_scale_whichever_they_are() -> None:
    assert all(harmonic_accuracy([60, 60 + interval]) == 100 for interval in range(12))
    score = HarmonicAccuracy().score(symbolic([60, 61] * 20))
    assert (score.value, findall(r"\d+", score.reason or "")) == (None, ["2", "3"])


def test_drums_have_no_pitch() -> None:
    events = tuple(Note(0.1 * i, 0.1, 38, drum=True) for i in range(100))
    clip = DecodedClip(Audio(SILENCE, 44_100), PROMPT, Notes(events, origin="symbolic"))
    assert findall(r"\d+", HarmonicAccuracy().score(clip).reason or "") == ["0", "20"]


@relaxed
@given(st.lists(st.floats(0, 10), min_size=12, max_size=12).filter(any))
def test_the_margin_is_what_the_best_set_of_classes_has_over_the_second(weights: list[float]) -> None:
    sets = {
        frozenset((tonic + degree) % 12 for degree in degrees) for degrees in SCALES.values() for tonic in range(12)
    }
    shares = sorted((sum(weights[pc] for pc in scale) for scale in sets), reverse=True)
    assert len(sets) == 24
    assert key_margin(np.array(weights)) == pytest.approx(100 * (shares[0] - shares[1]) / sum(weights))
    assert scale_share(np.array(weights)) == pytest.approx(100 * shares[0] / sum(weights))


@pytest.mark.parametrize(("chance", "table"), [(chance_accuracy_of_sound, ACCURACY), (chance_chords_in_key, CHORDS)])
def test_chance_of_sound_falls_with_its_amount(chance: Callable[[float], float], table: tuple[float, ...]) -> None:
    assert [chance(seconds) for seconds in (1, *SECONDS, 1000)] == [table[0], *table, table[-1]]
    assert list(table) == sorted(table, reverse=True)


@pytest.mark.simulate
def test_chance_is_what_random_music_reads() -> None:
    for seconds, values in simulate().items():
        expected = chance_accuracy_of_sound(seconds), chance_chords_in_key(seconds)
        assert values.mean(axis=0).tolist() == pytest.approx(expected, abs=1.0)


def human(tmp_path: Path, low: float) -> str:
    """A file of human blues that reads from ``low`` percent up."""
    accuracy = np.linspace(low, 100, MIN_RECORDINGS)
    known = summarise_music(["blues"] * MIN_RECORDINGS, accuracy, np.full((MIN_RECORDINGS, 6), np.nan), "ten blues")
    path = tmp_path / "human.json"
    path.write_text(json.dumps(asdict(known)))
    assert read_human_music(path) == known
    return str(path)


def test_within_a_genres_range_no_clip_is_better_than_another(tmp_path: Path) -> None:
    metric = HarmonicAccuracy(ranges=human(tmp_path, 80))
    low = 80 + 0.05 * 20
    scale = [60, 62, 64, 65, 67, 69, 71]
    blues, nursery, random = ([*scale * 4, *wrong] for wrong in ([61, 63, 66], [], [61, 63, 66] * 6))

    def score(pitches: list[int], genre: str) -> Score:
        notes = symbolic(pitches).notes
        return metric.score(DecodedClip(Audio(SILENCE, 44_100), Prompt("p", "a tune", genre), notes))

    assert score(blues, "Blues").value == score(nursery, "blues").value == pytest.approx(low)
    assert score(blues, "blues").details["accuracy"] == pytest.approx(100 * 28 / 31)
    assert score(blues, "blues").details["in_range"] is True
    below = score(random, "blues")
    assert below.value == below.details["accuracy"] == harmonic_accuracy(random)
    assert (below.details["in_range"], below.details["range"][0]) == (False, pytest.approx(low))
    assert score(blues, "polka").value is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"music": "", "harmony": {"blues": [90]}, "genres": null}',
                                     '{"music": "", "harmony": {"blues": [90, 20]}, "genres": null}',
                                     '{"music": "", "harmony": {}, "genres": {"music": "", "genres": [], "centre": [],'
                                     ' "spread": [], "clips": 1}}'])  # fmt: skip
def test_another_file_is_no_human_music(tmp_path: Path, content: str) -> None:
    (tmp_path / "other.json").write_text(content)
    with pytest.raises(DataError):
        HarmonicAccuracy(ranges=str(tmp_path / "other.json"))
    with pytest.raises(UsageError):
        HarmonicAccuracy(ranges=str(tmp_path / "nowhere.json"))


def test_too_few_recordings_make_no_range() -> None:
    with pytest.raises(DataError):
        summarise_music(["blues"] * 9, np.full(9, 90.0), np.full((9, 6), np.nan), "nine blues")
