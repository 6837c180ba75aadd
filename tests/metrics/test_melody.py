from re import findall

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import Audio, DecodedClip, Prompt
from bench.contracts.notes import Note, Notes
from bench.errors import DataError
from metrics.melody import MelodicComplexity, PitchVariety, melodic_complexity, pitch_variety

relaxed = settings(deadline=None)
pitches = st.lists(st.integers(0, 127), min_size=1, max_size=200)


def symbolic(pitches: list[int]) -> DecodedClip:
    events = tuple(Note(0.1 * i, 0.1, pitch) for i, pitch in enumerate(pitches))
    audio = Audio(np.zeros((1, 8000), dtype=np.float32), 8000)
    return DecodedClip(audio, Prompt("p", "a tune", "piano"), Notes(events, origin="symbolic"))


@relaxed
@given(pitches)
def test_complexity_counts_distinct_pitches(played: list[int]) -> None:
    assert melodic_complexity(played) == len(set(played))
    assert melodic_complexity(np.array(played)) == melodic_complexity(sorted(played))


@relaxed
@given(pitches)
def test_variety_counts_pitches_with_two_percent_of_the_notes(played: list[int]) -> None:
    assert pitch_variety(played) == sum(50 * played.count(pitch) >= len(played) for pitch in set(played))
    assert pitch_variety(played) <= min(50, melodic_complexity(played))


@pytest.mark.parametrize(("notes", "plain"), [(50, 10), (100, 12), (200, 15)])
def test_octave_errors_inflate_the_count_and_hardly_the_variety(notes: int, plain: int) -> None:
    generator = np.random.default_rng(notes)
    counts, varieties = [], []
    for _ in range(200):
        played = generator.choice([60, 62, 64, 65, 67, 69, 71, 72], notes)
        wrong = generator.random(notes) < 0.05
        heard = np.where(wrong, played + generator.choice([-12, 12], notes), played)
        counts.append(melodic_complexity(heard))
        varieties.append(pitch_variety(heard))
    assert np.mean(counts) == pytest.approx(plain, abs=1.5)
    if notes >= 100:  # below, a single note is 2 % of all
        assert np.mean(varieties) == pytest.approx(8.25, abs=0.5)


@pytest.mark.parametrize("count", [melodic_complexity, pitch_variety])
@pytest.mark.parametrize("wrong", [[], [float("nan")], [200], [-3]])
def test_impossible_pitches_are_refused(count: object, wrong: list[int]) -> None:
    with pytest.raises(DataError, match="pitches"):
        count(wrong)  # type: ignore[operator]


@pytest.mark.parametrize("metric", [MelodicComplexity(), PitchVariety()])
def test_a_count_is_never_ranked_and_undefined_below_twenty_notes(metric: MelodicComplexity) -> None:
    assert metric.direction == "none"
    for notes in (0, 19):
        score = metric.score(symbolic([60] * notes))
        assert (score.value, findall(r"\d+", score.reason or "")) == (None, [str(notes), "20"])
    assert metric.score(symbolic([60, 64, 67, 60] * 5)).value == 3
