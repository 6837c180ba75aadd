"""Adherence: does a clip have the tempo and the key that its prompt asks for?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from bench.contracts.metric import ClipMetric, DecodedClip, Direction, Score
from metrics.notes import key as key_estimation
from metrics.notes import tempo as tempo_tracking
from metrics.notes.key import Key
from metrics.notes.trial import try_key, try_tempo
from metrics.notes.tuning import tuning_of
from metrics.score_tempo import score_tempo

TOLERANCE = 0.04
"""Relative error up to which a tempo counts as right: Gouyon et al., An experimental comparison of audio
tempo induction algorithms, IEEE TASLP 14(5), 2006."""

CHANCE_KEY = 100 * (1 + 0.5 + 0.3 + 0.2) / 24
"""Mean key adherence, in percent, of keys drawn uniformly from the 24."""


EXACT = (1.0,)
OCTAVES = (1.0, 1 / 2, 2.0)
ACCURACY_2 = (1.0, 1 / 2, 2.0, 1 / 3, 3.0)
"""Multiples of the prompted tempo that count as right, the last two beside it: Gouyon et al. call it accuracy 2."""

GUESSES = (40.0, 208.0)
"""Range of tempos in bpm that a random guess is drawn from, uniformly in the logarithm: what the tracker searches."""


def tempo_matches(bpm: float, asked: float, multiples: Sequence[float] = EXACT) -> bool:
    """Return whether a tempo lies within 4 % of one of the multiples of the one asked for.

    Args:
        bpm: the tempo found, > 0.
        asked: bpm that the prompt asks for, > 0.
        multiples: factors on ``asked`` that count as right.
    """
    return any(abs(bpm - asked * multiple) <= TOLERANCE * asked * multiple for multiple in multiples)


def chance_of_tempo(asked: float, multiples: Sequence[float] = EXACT) -> float:
    """Compute the probability that a random guess matches, in [0, 1]: tempos uniform in their logarithm over 40–208
    bpm.

    Args:
        asked: bpm, > 0.
        multiples: factors on ``asked`` that count as right; their tolerances must not overlap.

    >>> round(chance_of_tempo(100), 4), round(chance_of_tempo(100, OCTAVES), 4)
    (0.0486, 0.1457)
    """
    slowest, fastest = GUESSES
    right = 0.0
    for multiple in multiples:
        low, high = (min(max(asked * multiple * (1 + side * TOLERANCE), slowest), fastest) for side in (-1, 1))
        right += math.log(high / low)
    return right / math.log(fastest / slowest)


def key_score(found: Key, asked: Key) -> float:
    """Return the MIREX audio key detection score: exact 1, a fifth above .5, relative .3, parallel .2, otherwise 0.

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

    A MIDI or MusicXML file has the tempo that it states, unless its notes contradict it. Undefined where the prompt
    states no tempo or the clip has no beat. Details: ``bpm`` as found, ``asked``, ``octaves`` (100 or 0, half and
    double tempo counting as right) and ``accuracy_2`` (a third and three times, too), each with the chance of a random
    guess (``chance``, ``chance_octaves``, ``chance_accuracy_2``, in percent), the tracker's ``confidence`` in
    [0, 5.32], ``tempo_reason`` (why a file's tempo is not used), and ``known``.
    """

    version = 2
    family = "rhythm"
    unit = "%"
    direction: ClassVar[Direction] = "higher"
    bounds = (0.0, 100.0)
    hit_or_miss = True
    cannot_tell = (
        "a wrong tempo from a tempo tracker that is off by a factor of two; prompts without a tempo have no value"
    )

    @classmethod
    def require(cls) -> None:
        try_tempo()

    def score(self, clip: DecodedClip) -> Score:
        asked = clip.prompt.bpm
        if asked is None:
            return Score.undefined("the prompt states no tempo")
        details: dict[str, Any] = {"asked": float(asked)}
        if (stated := score_tempo(clip)) is not None:
            details["notes"] = "symbolic"
            if stated.reason:
                details["tempo_reason"] = stated.reason
            if stated.quarter is not None:
                return _tempo_score(60 / stated.quarter, asked, details)
        tempo = tempo_tracking.tempo_of(clip)
        if tempo is None:
            return Score.undefined("no beat found", **details)
        details["confidence"] = tempo.confidence
        if stated is None and clip.notes is not None and clip.notes.quarter is not None:
            details["known"] = 100.0 * tempo_matches(60 / clip.notes.quarter, asked)
        return _tempo_score(tempo.bpm, asked, details)


def _tempo_score(bpm: float, asked: float, details: dict[str, Any]) -> Score:
    return Score.of(
        100 * tempo_matches(bpm, asked),
        bpm=bpm,
        octaves=100.0 * tempo_matches(bpm, asked, OCTAVES),
        accuracy_2=100.0 * tempo_matches(bpm, asked, ACCURACY_2),
        chance=100 * chance_of_tempo(asked),
        chance_octaves=100 * chance_of_tempo(asked, OCTAVES),
        chance_accuracy_2=100 * chance_of_tempo(asked, ACCURACY_2),
        **details,
    )


class KeyAdherence(ClipMetric):
    """The MIREX-weighted score, in percent, of the clip's key against the prompted one.

    100 for the key itself, 50 for the one a fifth above, 30 for the relative and 20 for the parallel key,
    else 0. Undefined where the prompt states no key or no key is found. Details: ``key`` as found,
    ``asked``, the estimate's ``strength`` in [0, 1], the clip's ``tuning`` in cents above A = 440 Hz, ``chance`` of a
    random key, and ``known``.
    """

    version = 2
    family = "chroma"
    unit = "%"
    direction: ClassVar[Direction] = "higher"
    bounds = (0.0, 100.0)
    cannot_tell = "modulations, modes other than major and minor, or whether the music is tonal at all"

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
