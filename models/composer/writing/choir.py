"""Four-part writing: the best voicing of every chord, found by dynamic programming over all of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from models.composer.writing.form import Span
from models.composer.writing.theory import Chord, Key, ladder, tonic

# Comfortable choral ranges, lowest and highest MIDI pitch of soprano, alto, tenor and bass.
RANGES = ((60, 79), (55, 72), (48, 67), (41, 60))
SOPRANO, ALTO, TENOR, BASS = range(4)

_FORBIDDEN = 1e6
_PAIRS = tuple((upper, lower) for upper in range(4) for lower in range(upper + 1, 4))

Voices = npt.NDArray[np.int64]


def four_parts(harmony: Sequence[Span], targets: Sequence[int], key: Key) -> Voices:
    """Set chords for soprano, alto, tenor and bass.

    Voices keep their ranges and neither cross nor meet; neighbors among the upper three are at most an octave
    apart. No two voices move in fifths, octaves or unisons one after another, in the same or in opposite directions.
    Leading tones and sevenths are not doubled and resolve by step where the next chord allows; voices move as little
    as they can while the soprano follows its targets. Any two sections in one key that begin and end on the tonic
    join without movement, since the first and the last tonic chord are always the same.

    Args:
        harmony: the chords, at least one.
        targets: for each chord the MIDI pitch that the soprano would like to sing.
        key: the key, for its leading tone.

    Returns:
        MIDI pitches, shape (chords, 4), soprano first.
    """
    leading = (tonic(key) - 1) % 12
    home = 60 + (tonic(key) - 60) % 12 + (12 if (tonic(key) % 12) < 2 else 0)
    choices = []
    for place, span in enumerate(harmony):
        options = _voicings(span.chord, leading)
        if place in (0, len(harmony) - 1) and span.chord.root == tonic(key) == span.chord.bass:
            options = _home(options, home)
        choices.append(options)
    cost = _lonely(choices[0], harmony[0].chord, targets[0])
    origins = []
    for place in range(1, len(harmony)):
        before, after = harmony[place - 1].chord, harmony[place].chord
        total = cost[:, None] + _moves(choices[place - 1], choices[place], before, after, leading)
        origins.append(total.argmin(axis=0))
        cost = total.min(axis=0) + _lonely(choices[place], after, targets[place])
    path = [int(cost.argmin())]
    for origin in reversed(origins):
        path.append(int(origin[path[-1]]))
    return np.array([options[index] for options, index in zip(choices, reversed(path), strict=True)])


def parallels(voices: Voices) -> list[int]:
    """Return places where two voices move from one fifth, octave or unison to the next; voices: shape (moments, 4)."""
    wrong = set()
    for upper, lower in _PAIRS:
        intervals = (voices[:, upper] - voices[:, lower]) % 12
        moved = (np.diff(voices[:, upper]) != 0) & (np.diff(voices[:, lower]) != 0)
        same = (intervals[1:] == intervals[:-1]) & np.isin(intervals[1:], (0, 7))
        wrong |= set(np.flatnonzero(moved & same).tolist())
    return sorted(wrong)


def _voicings(harmony: Chord, leading: int) -> Voices:
    """Return all complete voicings of a chord, shape (voicings, 4)."""
    soprano, alto, tenor = (np.array(ladder(harmony.tones, *RANGES[voice])) for voice in range(3))
    bass = np.array(ladder((harmony.bass,), *RANGES[BASS]))
    grid = np.stack(np.meshgrid(soprano, alto, tenor, bass, indexing="ij"), axis=-1).reshape(-1, 4)
    gaps = grid[:, :-1] - grid[:, 1:]
    fits = (gaps > 0).all(axis=1) & (gaps[:, 0] <= 12) & (gaps[:, 1] <= 12) & (gaps[:, 2] <= 19)
    pitch_classes = grid % 12
    counts = {tone: (pitch_classes == tone).sum(axis=1) for tone in harmony.tones}
    for place, tone in enumerate(harmony.tones):
        if place != 2 or harmony.bass == tone or len(harmony.tones) == 3:
            fits &= counts[tone] > 0
    for tone in harmony.tones:
        if tone in (leading, harmony.seventh):
            fits &= counts[tone] <= 1
    kept: Voices = grid[fits]
    return kept


def _home(options: Voices, soprano: int) -> Voices:
    """Return the one voicing of the tonic chord that sections begin and end with, the soprano on the tonic."""
    wanted = np.array([soprano, soprano - 5, soprano - 9, soprano - 24])
    distance = np.abs(options - wanted).sum(axis=1) + 99 * (options[:, SOPRANO] % 12 != soprano % 12)
    nearest: Voices = options[[int(distance.argmin())]]
    return nearest


def _lonely(options: Voices, harmony: Chord, target: int) -> npt.NDArray[np.float64]:
    """Compute the cost of each voicing by itself: distance from the soprano's target, doubled thirds, wide gaps."""
    cost: npt.NDArray[np.float64] = 0.7 * np.abs(options[:, SOPRANO] - target).astype(np.float64)
    cost += 2.0 * ((options % 12 == harmony.third).sum(axis=1) > 1)
    cost += 0.15 * np.maximum(options[:, ALTO] - options[:, TENOR] - 9, 0)
    cost += 0.2 * np.abs(options[:, BASS] - 50)
    return cost


def _moves(before: Voices, after: Voices, old: Chord, new: Chord, leading: int) -> npt.NDArray[np.float64]:
    """Compute the cost of every move from one voicing to another, shape (before, after)."""
    a, b = before[:, None, :], after[None, :, :]
    motion = b - a
    size = np.abs(motion)
    cost = (size * np.array([0.6, 1.0, 1.0, 0.4])).sum(axis=2)
    cost += 2.0 * (size[..., :3] > 5).sum(axis=2) + 6.0 * (size[..., :3] > 9).sum(axis=2)
    cost += 4.0 * (size == 6).sum(axis=2) + 8.0 * (size[..., BASS] > 12)
    moving = motion != 0
    for upper, lower in _PAIRS:
        interval = (a[..., upper] - a[..., lower]) % 12
        follows = (b[..., upper] - b[..., lower]) % 12
        both = moving[..., upper] & moving[..., lower]
        cost += _FORBIDDEN * (both & (interval == follows) & np.isin(follows, (0, 7)))
    outer = (b[..., SOPRANO] - b[..., BASS]) % 12
    similar = np.sign(motion[..., SOPRANO]) * np.sign(motion[..., BASS]) > 0
    cost += 5.0 * (similar & np.isin(outer, (0, 7)) & (size[..., SOPRANO] > 2))
    for upper in range(3):  # no voice goes beyond where its neighbor just was
        cost += 3.0 * ((b[..., upper + 1] > a[..., upper]) | (b[..., upper] < a[..., upper + 1]))
    if leading in old.tones and (leading + 1) % 12 in new.tones:
        cost += (5.0 * ((a % 12 == leading) & (motion != 1) & (motion != 0))).sum(axis=2)
    if old.seventh is not None:
        falls = np.isin(motion, (-1, -2)) | (motion == 0)
        cost += (4.0 * ((a % 12 == old.seventh) & ~falls)).sum(axis=2)
    result: npt.NDArray[np.float64] = cost
    return result
