"""Études for one instrument at one tempo, to test onset detectors with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from bench.contracts.audio import Audio
from bench.contracts.notes import Note, Notes

BEGIN = 0.1  # seconds of silence before the first note
_SCALE = (0, 2, 4, 5, 7, 9, 11, 12, 14, 16)
_KICK, _SNARE, _HAT = 36, 38, 42


class Instrument(NamedTuple):
    """A General MIDI program (a kit for drums), how its notes begin, and the lowest of its notes that are played."""

    program: int
    attack: str
    lowest: int = 60
    drum: bool = False


INSTRUMENTS: Mapping[str, Instrument] = {
    "drums": Instrument(0, "struck", drum=True),
    "piano": Instrument(0, "struck"),
    "guitar": Instrument(24, "plucked", 52),
    "bass": Instrument(33, "plucked", 36),
    "trumpet": Instrument(56, "blown"),
    "clarinet": Instrument(71, "blown"),
    "flute": Instrument(73, "blown", 72),
    "violin": Instrument(40, "bowed"),
    "strings": Instrument(48, "bowed", 52),
    "choir": Instrument(52, "sung", 52),
}


def etude(instrument: Instrument, bpm: float, division: int, duration: float, seed: int = 0) -> Notes:
    """Compose even notes that move along a scale; drums play hats, with kick and snare on the beats.

    Args:
        instrument: who plays.
        bpm: quarter notes per minute.
        division: notes per quarter.
        duration: seconds, > 0.1; no note begins in the last 0.2 s.
        seed: decides pitches and velocities.
    """
    chance = np.random.default_rng(seed)
    step = 60 / bpm / division
    count = max(0, int((duration - BEGIN - 0.2) / step) + 1)
    place = len(_SCALE) // 2
    events = []
    for number in range(count):
        begin, velocity = BEGIN + number * step, int(chance.integers(75, 105))
        place = int(np.clip(place + chance.integers(-2, 3), 0, len(_SCALE) - 1))
        if not instrument.drum:
            pitch = instrument.lowest + _SCALE[place]
            events.append(Note(begin, step, pitch, velocity, instrument.program))
            continue
        events.append(Note(begin, 0.1, _HAT, velocity, instrument.program, True))
        beat, rest = divmod(number, division)
        if not rest:
            events.append(Note(begin, 0.1, _SNARE if beat % 2 else _KICK, 105, instrument.program, True))
    return Notes(tuple(events), quarter=60 / bpm)


def play_etude(instrument: Instrument, bpm: float, division: int = 2, duration: float = 10.0) -> Audio:
    """Render an étude; see `models.composer.render.render`.

    Args:
        instrument: who plays.
        bpm: quarter notes per minute.
        division: notes per quarter.
        duration: seconds, > 0.1.
    """
    from models.composer.render import render

    return render(etude(instrument, bpm, division, duration), duration)
