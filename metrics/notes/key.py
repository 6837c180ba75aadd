"""Musical key, by one named estimator.

Á. Faraldo, S. Jordà, P. Herrera: A Multi-Profile Method for Key Estimation in EDM. AES Conference on
Semantic Audio, 2017, whose ``bgate`` profiles are the default of essentia's KeyExtractor.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.contracts.audio import Samples
from bench.contracts.metric import DecodedClip
from bench.errors import DataError
from metrics.notes.essentia import quiet_essentia
from metrics.notes.tuning import in_tune

VERSION = "essentia-key-bgate@2"

RATE = 44_100

SHORTEST = 2.0
"""Seconds of audio that hold more than one chord at any usual tempo."""

TONICS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_NAME = re.compile(r"([A-G])([#b]?) (major|minor)")
_NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


@dataclass(frozen=True)
class Key:
    """A key: the pitch class of its tonic (0 = C … 11 = B) and whether it is minor."""

    tonic: int
    minor: bool

    @classmethod
    def named(cls, name: str) -> Key:
        """Read ``F# minor`` or ``Bb major``.

        Raises:
            DataError: another form.

        >>> str(Key.named("D# minor"))
        'Eb minor'
        """
        match = _NAME.fullmatch(name)
        if match is None:
            raise DataError(f"key is {name!r}, write it like 'F# minor' or 'Bb major'")
        letter, accidental, mode = match.groups()
        return cls((_NATURALS[letter] + {"": 0, "#": 1, "b": -1}[accidental]) % 12, mode == "minor")

    def __str__(self) -> str:
        return f"{TONICS[self.tonic]} {'minor' if self.minor else 'major'}"


@dataclass(frozen=True)
class EstimatedKey:
    """The key that was found and the correlation with its profile, in [0, 1]."""

    key: Key
    strength: float


def key_of(clip: DecodedClip) -> EstimatedKey | None:
    """Return the clip's key at A = 440 Hz, estimated once, or None where no pitches are found.

    Raises:
        MissingError: essentia is not installed.
    """

    def compute() -> EstimatedKey | None:
        samples = in_tune(clip, RATE)
        return None if samples is None or len(samples) < SHORTEST * RATE else estimate_key(samples)

    return clip.share(VERSION, compute)


def estimate_key(samples: Samples) -> EstimatedKey | None:
    """Estimate the key of mono audio at 44,100 Hz, float32 of shape (frames,).

    Returns:
        None where no key correlates with what sounds.

    Raises:
        MissingError: essentia is not installed.
    """
    tonic, mode, strength = quiet_essentia().KeyExtractor(sampleRate=RATE, profileType="bgate")(samples)
    if not strength > 0:
        return None
    return EstimatedKey(Key.named(f"{tonic} {mode}"), float(strength))
