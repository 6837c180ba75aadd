"""Adherence: does a clip have the tempo and the key that its prompt asks for?"""

from __future__ import annotations

from typing import ClassVar

from bench.contracts.metric import ClipMetric, DecodedClip, Direction, Score
from metrics.notes import key as key_estimation
from metrics.notes import tempo as tempo_tracking
from metrics.notes.key import Key
from metrics.notes.trial import try_key, try_tempo
from metrics.notes.tuning import tuning_of

TOLERANCE = 0.04
"""Relative error up to which a tempo counts as right: Gouyon et al., An experimental comparison of audio
tempo induction algorithms, IEEE TASLP 14(5), 2006."""

CHANCE_KEY = 100 * (1 + 0.5 + 0.3 + 0.2) / 24
"""Mean key adherence, in percent, of keys drawn uniformly from the 24."""


def tempo_matches(bpm: float, asked: float, octaves: bool = False) -> bool:
    """Whether a tempo lies within 4 % of the one asked for; with ``octaves`` also of half or double of it."""
    factors = (1.0, 0.5, 2.0) if octaves else (1.0,)
    return any(abs(bpm - asked * factor) <= TOLERANCE * asked * factor for factor in factors)


def key_score(found: Key, asked: Key) -> float:
    """The MIREX audio key detection score: exact 1, a fifth above .5, relative .3, parallel .2, otherwise 0.

    >>> key_score(Key.named("A minor"), Key.named("C major"))
    0.3
    """
    interval = (found.tonic - asked.tonic) % 12
    if found.minor == asked.minor:
        return {0: 1.0, 7: 0.5}.get(interval, 0.0)
    relative = 3 if asked.minor else 9
    return {relative: 0.3, 0: 0.2}.get(interval, 0.0)


class TempoAdherence(ClipMetric):
    """100 if the clip's tempo lies within 4 % of the prompted one, else 0, so that means are percentages of
    clips.

    Undefined where the prompt states no tempo or the clip has no beat. Details: ``bpm`` as found, ``asked``,
    ``octave_tolerant`` (100 or 0, half and double tempo counting as right), ``confidence`` in [0, 5.32], and
    ``known``.
    """

    version = 1
    unit = "%"
    direction: ClassVar[Direction] = "higher"
    bounds = (0.0, 100.0)
    hit_or_miss = True

    @classmethod
    def require(cls) -> None:
        try_tempo()

    def score(self, clip: DecodedClip) -> Score:
        asked = clip.prompt.bpm
        if asked is None:
            return Score.undefined("the prompt states no tempo")
        notes = clip.notes
        played = None if notes is None or notes.quarter is None else 60 / notes.quarter
        if notes is not None and notes.origin == "symbolic" and played is not None:
            return Score.of(
                100 * tempo_matches(played, asked),
                octave_tolerant=100.0 * tempo_matches(played, asked, octaves=True),
                bpm=played,
                asked=float(asked),
                notes="symbolic",
            )
        tempo = tempo_tracking.tempo_of(clip)
        if tempo is None:
            return Score.undefined("no beat found", asked=float(asked))
        known = {} if played is None else {"known": 100.0 * tempo_matches(played, asked)}
        return Score.of(
            100 * tempo_matches(tempo.bpm, asked),
            octave_tolerant=100.0 * tempo_matches(tempo.bpm, asked, octaves=True),
            bpm=tempo.bpm,
            asked=float(asked),
            confidence=tempo.confidence,
            **known,
        )


class KeyAdherence(ClipMetric):
    """The MIREX-weighted score, in percent, of the clip's key against the prompted one.

    100 for the key itself, 50 for the one a fifth above, 30 for the relative and 20 for the parallel key,
    else 0. Undefined where the prompt states no key or no key is found. Details: ``key`` as found,
    ``asked``, the estimate's ``strength`` in [0, 1], the clip's ``tuning`` in cents above A = 440 Hz, ``chance`` of a
    random key, and ``known``.
    """

    version = 2
    unit = "%"
    direction: ClassVar[Direction] = "higher"
    bounds = (0.0, 100.0)

    @classmethod
    def require(cls) -> None:
        try_key()

    def score(self, clip: DecodedClip) -> Score:
        if clip.prompt.key is None:
            return Score.undefined("the prompt states no key")
        asked = Key.named(clip.prompt.key)
        notes = clip.notes
        played = None if notes is None or notes.key is None else Key.named(notes.key)
        if notes is not None and notes.origin == "symbolic" and played is not None:
            return Score.of(100 * key_score(played, asked), key=str(played), asked=str(asked), notes="symbolic")
        found = key_estimation.key_of(clip)
        if found is None:
            return Score.undefined("no key found", asked=str(asked))
        known = {} if played is None else {"known": 100 * key_score(played, asked)}
        return Score.of(
            100 * key_score(found.key, asked),
            key=str(found.key),
            asked=str(asked),
            strength=found.strength,
            tuning=tuning_of(clip),
            chance=CHANCE_KEY,
            **known,
        )
