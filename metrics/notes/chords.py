"""Chords over time, from how long each pitch class sounds.

Templates of chords are compared with what sounds in steps of 0.2 s, and the best sequence of chords is found by the
Viterbi algorithm, as in T. Fujishima: Realtime chord recognition of musical sound. ICMC 1999, and J. P. Bello, J.
Pickens: A robust mid-level representation for harmonic content in music signals. ISMIR 2005; with a transcriber's
posteriors in place of a chromagram.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.contracts.metric import DecodedClip
from bench.contracts.notes import Notes
from metrics.notes.key import TONICS
from metrics.notes.note_creation import LOWEST_PITCH
from metrics.notes.pitch_classes import Classes, class_frames
from metrics.notes.transcription import VERSION as TRANSCRIBER
from metrics.notes.transcription import Posterior, posteriors_of

VERSION = f"chord-templates@1 on {TRANSCRIBER}"

STEP = 0.2
"""Seconds."""

QUALITIES = {"": (0, 4, 7), "m": (0, 3, 7), "7": (0, 4, 7, 10), "maj7": (0, 4, 7, 11), "m7": (0, 3, 7, 10)}
"""Semitones above the root. Sevenths are distinguished from triads so that jazz is not read as other triads."""

BASS_BELOW = 52
"""MIDI pitch below which sounding pitches count as the bass."""

BASS_WEIGHT = 0.2
"""Added to the cosine if the bass plays the chord's root."""

SHARPNESS = 10.0
"""Log-odds of a cosine of 1 against 0."""

STAYING = 6.0
"""Log-odds of a chord continuing against its changing to one particular other chord."""

CLEAR = 0.75
"""Share of what sounds during a chord that belongs to it, from which it is clear."""

_TONES = np.array(
    [[float((pc - root) % 12 in tones) for pc in range(12)] for tones in QUALITIES.values() for root in range(12)]
)
NAMES = tuple(f"{root}{quality}" for quality in QUALITIES for root in TONICS)

NOTHING = np.zeros((0, 12))

Steps = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Chords:
    """The chords of a clip, one after another.

    Attributes:
        names: such as ``F#m7``.
        tones: the pitch classes of each, 1 where they belong, shape (chords, 12).
        seconds: how long each pitch class sounds during each, shape (chords, 12).
        steps: how many steps of 0.2 s with sound each has, shape (chords,).
    """

    names: tuple[str, ...]
    tones: Classes
    seconds: Classes
    steps: Steps

    @property
    def clear(self) -> npt.NDArray[np.bool_]:
        """Whether three quarters of what sounds belong to the chord, shape (chords,)."""
        own, total = (self.seconds * self.tones).sum(axis=1), self.seconds.sum(axis=1)
        clear: npt.NDArray[np.bool_] = (total > 0) & (own >= CLEAR * total)
        return clear


def chords_of(clip: DecodedClip) -> Chords:
    """Return the clip's chords, found once, from its own notes where it is a file of notes; silence has none.

    Raises:
        MissingError: the transcriber's weights are missing or are not those of this version.
    """

    def compute() -> Chords:
        if clip.notes is not None and clip.notes.origin == "symbolic":
            return chords_of_notes(clip.notes)
        heard = posteriors_of(clip)
        return find_chords(NOTHING, NOTHING) if heard is None else chords_in(heard.sounding, heard.times)

    return clip.share(VERSION, compute)


def chords_in(posterior: Posterior, times: npt.NDArray[np.float64]) -> Chords:
    """Find the chords in the posterior of sounding notes, shape (frames, 88), whose frames have ``times`` in
    seconds."""
    steps = (times / STEP).astype(np.int64)
    low = np.where(np.arange(posterior.shape[1]) + LOWEST_PITCH < BASS_BELOW, posterior, 0)
    return find_chords(*(_summed(class_frames(part), steps) for part in (posterior, low)))


def chords_of_notes(notes: Notes) -> Chords:
    """Find the chords of known notes, each as loud as any other; drums have none."""
    pitched = [note for note in notes.events if not note.drum]
    count = math.ceil(max((note.onset + note.duration for note in pitched), default=0.0) / STEP)
    sounding, bass = np.zeros((count, 12)), np.zeros((count, 12))
    for onset, duration, pitch, *_ in pitched:
        steps = np.arange(int(onset / STEP), min(count, math.ceil((onset + duration) / STEP)))
        overlap = np.minimum((steps + 1) * STEP, onset + duration) - np.maximum(steps * STEP, onset)
        sounding[steps, pitch % 12] += overlap.clip(0)
        if pitch < BASS_BELOW:
            bass[steps, pitch % 12] += overlap.clip(0)
    return find_chords(sounding, bass)


def find_chords(sounding: Classes, bass: Classes) -> Chords:
    """Find the best sequence of chords.

    Args:
        sounding: seconds that each pitch class sounds in each step, shape (steps, 12) from C up.
        bass: the part of these below MIDI pitch 52.
    """
    if not len(sounding):
        return Chords((), NOTHING, NOTHING, np.zeros(0, dtype=np.int64))
    path = _best_path(_log_odds(sounding, bass))
    numbers = np.concatenate([[0], np.cumsum(path[1:] != path[:-1])])
    played = path[np.flatnonzero(np.diff(numbers, prepend=-1))]
    steps = np.bincount(numbers, weights=sounding.sum(axis=1) > 0).astype(np.int64)
    return Chords(tuple(NAMES[chord] for chord in played), _TONES[played], _summed(sounding, numbers), steps)


def _summed(rows: Classes, group: Steps) -> Classes:
    """Compute the sum of consecutive rows by their group, which ascends from 0, shape (groups, 12)."""
    sums = np.zeros((int(group[-1]) + 1 if len(group) else 0, rows.shape[1]))
    np.add.at(sums, group, rows)
    return sums


def _log_odds(sounding: Classes, bass: Classes) -> Classes:
    """Compute how well each chord fits each step, shape (steps, chords): the cosine of the square roots, and the
    bass."""
    loudness = np.sqrt(sounding)
    norm = np.linalg.norm(loudness, axis=1, keepdims=True)
    fit = loudness @ (_TONES / np.linalg.norm(_TONES, axis=1, keepdims=True)).T / np.where(norm > 0, norm, 1)
    low = bass.sum(axis=1, keepdims=True)
    on_root = (bass / np.where(low > 0, low, 1))[:, np.arange(len(_TONES)) % 12]
    odds: Classes = SHARPNESS * (fit + BASS_WEIGHT * on_root)
    return odds


def _best_path(log_odds: Classes) -> Steps:
    """Find the best path by Viterbi: in each step the chord stays or, at a price, follows the best one before it."""
    count, chords = log_odds.shape
    score, before = log_odds[0], np.zeros((count, chords), dtype=np.int64)
    for step in range(1, count):
        best = int(score.argmax())
        stays = score + STAYING >= score[best]
        before[step] = np.where(stays, np.arange(chords), best)
        score = np.where(stays, score + STAYING, score[best]) + log_odds[step]
    path = np.zeros(count, dtype=np.int64)
    path[-1] = score.argmax()
    for step in range(count - 1, 0, -1):
        path[step - 1] = before[step, path[step]]
    return path
