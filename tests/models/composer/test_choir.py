"""Four-part writing, checked note by note on finished scores."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from bench.contracts.notes import Note
from bench.contracts.prompt import Prompt
from models.composer.score import compose
from models.composer.writing.choir import parallels

# Soprano, alto, tenor, bass: the ranges that harmony textbooks give, MIDI pitches.
RANGES = ((60, 81), (55, 74), (48, 69), (40, 62))


def _slices(events: tuple[Note, ...]) -> np.ndarray:
    """Pitches that sound at each onset of the choir, highest first, shape (moments, 4)."""
    voices = [note for note in events if note.program == 52]
    rows = []
    for moment in sorted({note.onset for note in voices}):
        # A little after the onset, when legato neighbours have ended; a note fills at least 98 % of its time.
        inside = moment + 0.05
        sounding = [n.pitch for n in voices if n.onset <= inside < n.onset + n.duration / 0.98 - 1e-9]
        rows.append(sorted(sounding, reverse=True))
    assert all(len(row) == 4 for row in rows)
    return np.array(rows)


@pytest.mark.parametrize("key", ["C major", "Eb major", "A minor", "F# minor", "B major", "D minor"])
@pytest.mark.parametrize("seed", [0, 1])
def test_choirs_sing_four_parts_in_range_without_parallels(key: str, seed: int) -> None:
    slices = _slices(compose(Prompt("p", "hymn for choir", "choral", bpm=72, key=key), seed, 110).events)
    for voice, (low, high) in enumerate(RANGES):
        assert slices[:, voice].min() >= low and slices[:, voice].max() <= high
    assert (slices[:, 0] - slices[:, 1]).max() <= 12 and (slices[:, 1] - slices[:, 2]).max() <= 12
    for before, after in pairwise(slices):
        for upper, lower in combinations(range(4), 2):
            moved = before[upper] != after[upper] and before[lower] != after[lower]
            intervals = (before[upper] - before[lower]) % 12, (after[upper] - after[lower]) % 12
            assert not (moved and intervals in ((0, 0), (7, 7))), (before, after)


def test_sections_end_on_the_tonic_chord() -> None:
    notes = compose(Prompt("p", "hymn for choir", "choral", bpm=60, key="G major"), 0, 31)
    slices = _slices(notes.events)
    last = [row for row, onset in zip(slices, sorted({n.onset for n in notes.events}), strict=True) if onset < 32][-1]
    assert {pitch % 12 for pitch in last} <= {7, 11, 2} and last[0] % 12 == 7 and last[3] % 12 == 7


def test_parallels_are_found() -> None:
    fifths = np.array([[67, 64, 60, 48], [69, 65, 62, 50]])  # soprano and tenor g-c, a-d
    assert parallels(fifths) == [0]
    contrary = np.array([[67, 64, 60, 48], [67, 65, 59, 50]])
    assert parallels(contrary) == []
    assert parallels(np.array([[67, 64, 60, 48], [67, 64, 60, 48]])) == []
