"""Controls with known answers: the composer's scores, spoiled by a known dose, and noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bench.contracts.audio import Audio
from bench.contracts.model import GenerationRequest, MusicModel
from bench.contracts.notes import Notes
from bench.errors import UsageError
from models.composer import Composer
from models.composer.chance import named_generator
from models.composer.soundfont import RATE

_NOISE_RMS = 0.1  # -20 dB below full scale


def off_key(notes: Notes, share: float, chance: np.random.Generator) -> Notes:
    """Move a share of the pitched notes to uniformly drawn pitch classes, as close as possible to the original pitch.

    Every note draws its rank and its new pitch class whatever the share is, so the notes moved at a smaller share
    are among those moved at a larger one, and to the same pitches. A twelfth of the draws keep the pitch class.

    Args:
        notes: any notes; drums stay.
        share: of the pitched notes, in [0, 1], rounded to whole notes.
        chance: generator of ranks and pitch classes.
    """
    pitched = [place for place, note in enumerate(notes.events) if not note.drum]
    ranks = chance.permutation(len(pitched))
    classes = chance.integers(12, size=len(pitched))
    events = list(notes.events)
    for place, rank, pitch_class in zip(pitched, ranks.tolist(), classes.tolist(), strict=True):
        if rank < round(share * len(pitched)):
            pitch = events[place].pitch
            up = (pitch_class - pitch) % 12
            moved = pitch + (up if up <= 6 else up - 12)
            events[place] = events[place]._replace(pitch=moved + (12 if moved < 0 else -12 if moved > 127 else 0))
    return replace(notes, events=tuple(events))


def loose(notes: Notes, sd: float, chance: np.random.Generator) -> Notes:
    """Move every onset by a normal deviate; durations stay, and no note starts before 0.

    Every note draws its deviate whatever the spread is, so a larger spread scales the same deviations.

    Args:
        notes: notes whose quarter is known.
        sd: standard deviation in quarter notes, ≥ 0.
        chance: generator of the deviates.
    """
    shifts = chance.standard_normal(len(notes.events)) * sd * (notes.quarter or 0.5)
    return replace(
        notes,
        events=tuple(
            note._replace(onset=max(0.0, note.onset + shift))
            for note, shift in zip(notes.events, shifts.tolist(), strict=True)
        ),
    )


class OffKeyComposer(Composer):
    """The composer with wrong notes: harmony suffers in proportion, rhythm and sound do not.

    Args:
        share: of the pitched notes that are moved to random pitch classes, in (0, 0.4]. Beyond that, another key
            begins to fit by chance, and the dose is no longer monotone. 1 is what chance sounds like.

    Raises:
        UsageError: the share is out of range.
    """

    def __init__(self, share: float = 0.3) -> None:
        super().__init__()
        if not (0 < share <= 0.4 or share == 1):
            raise UsageError(f"composer-offkey: share is {share}, must be in (0, 0.4], or 1")
        self.share = share

    def _notes(self, request: GenerationRequest) -> Notes:
        return off_key(super()._notes(request), self.share, _spoiling("offkey", request))


class LooseComposer(Composer):
    """The composer played out of time: rhythm suffers in proportion, harmony does not.

    Args:
        sd: standard deviation of the onsets in quarter notes, in (0, 0.08]. Beyond that, the distance to the grid
            saturates.

    Raises:
        UsageError: the deviation is out of range.
    """

    def __init__(self, sd: float = 0.06) -> None:
        super().__init__()
        if not 0 < sd <= 0.08:
            raise UsageError(f"composer-loose: sd is {sd}, must be in (0, 0.08] quarter notes")
        self.sd = sd

    def _notes(self, request: GenerationRequest) -> Notes:
        return loose(super()._notes(request), self.sd, _spoiling("loose", request))


class Noise(MusicModel):
    """White Gaussian noise in stereo at -20 dB rms, in which every metric of music should find no music.

    The seed and the prompt's text decide the samples; a longer clip begins like a shorter one.
    """

    version = 1
    sample_rate = RATE

    def generate(self, requests: Sequence[GenerationRequest]) -> Sequence[Audio]:
        return [self._noise(request) for request in requests]

    def _noise(self, request: GenerationRequest) -> Audio:
        chance = named_generator(f"noise:{request.prompt.text}:{request.seed}")
        # Drawn frame by frame, so that the length does not change the beginning.
        samples = chance.standard_normal((round(request.duration * RATE), 2), dtype=np.float32)
        return Audio(np.clip(_NOISE_RMS * samples, -0.99, 0.99).T, RATE)


def _spoiling(kind: str, request: GenerationRequest) -> np.random.Generator:
    return named_generator(f"composer-{kind}:{request.prompt.text}:{request.seed}")
