"""The General MIDI soundfont: where it lies, how loud its presets are, and where each sits on the stage."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.errors import MissingError

RATE = 44_100  # Hz
CHANNELS = 16  # of one synthesizer

_SYNTHESIZER = "pip install --no-deps tinysoundfont==0.3.7"

# Integrated loudness in LUFS (ITU-R BS.1770-4) of TimGM6mb's 128 presets, each playing the arpeggio
# 60 64 67 72 (basses 36 40 43 48) in half-second notes at velocity 100. They lie up to 18 dB apart, so equal
# velocities are far from equally loud; `trim` makes them so.
_LEVELS = """
    -28.2 -28.4 -27.3 -30.2 -21.1 -26.0 -28.9 -26.0 -26.8 -19.9 -22.2 -16.3 -23.8 -24.9 -13.4 -29.1
    -21.3 -20.1 -24.7 -23.9 -21.3 -24.7 -20.6 -25.0 -19.1 -23.7 -17.6 -23.9 -19.4 -22.4 -19.1 -20.4
    -18.0 -15.4 -19.5 -16.5 -16.7 -21.0 -16.3 -15.2 -18.0 -17.9 -16.7 -18.3 -17.1 -23.1 -12.1 -21.3
    -22.5 -23.2 -29.2 -19.6 -18.4 -23.6 -20.9 -23.5 -15.8 -20.3 -16.7 -21.9 -11.6 -23.3 -20.6 -15.6
    -15.2 -16.6 -19.5 -20.1 -14.7 -19.5 -20.9 -18.8 -20.1 -14.3 -19.2 -22.1 -22.8 -14.4 -12.7 -11.6
    -26.3 -23.8 -16.8 -16.0 -22.9 -15.2 -15.9 -16.1 -15.2 -20.0 -23.4 -18.8 -17.2 -22.9 -19.8 -23.8
    -14.2 -16.0 -16.8 -18.2 -14.3 -24.1 -15.1 -14.2 -23.1 -17.7 -21.2 -16.7 -18.1 -15.5 -18.8 -12.9
    -19.3 -21.4 -20.6 -24.1 -20.0 -29.0 -19.2 -36.0 -31.1 -36.0 -14.0 -18.8 -17.7 -36.0 -35.0 -26.5
    """
_LOUDNESS = tuple(float(level) for level in _LEVELS.split())
_QUIETEST = -29.0  # LUFS; quieter presets (sound effects) are left alone
_DRUM_TRIM = -7.0  # dB; brings a kit to where the trimmed presets are

# Where a player sits, from -1 (left) to 1 (right) as the audience sees a band or an orchestra; players that are not
# listed sit in the middle.
_SEATS = {
    program: place
    for place, programs in {
        -0.45: (40, 46),  # first violins, harp
        -0.5: (25, 28, 30, 60),  # one guitarist, horns
        -0.2: (4, 5, 16, 17, 18, 44, 45, 64, 67),  # keys, soprano and baritone saxophone
        -0.1: (65, 66, 68, 72, 73),
        0.1: (69, 70, 71),
        0.2: (41, 56, 59, 61, 80, 81, 90),  # viola, trumpets, synthesizers
        0.4: (11, 24, 26, 27, 29, 42, 43, 57, 58),  # the other guitarist, cello, low brass, vibraphone
    }.items()
    for program in programs
}

# Programs recorded close and dry in any production: basses and electric guitars.
_CLOSE = frozenset(range(26, 40)) | {87}


def trim(program: int, drum: bool) -> float:
    """Return the gain in dB, ≤ 0, after which all programs are about equally loud at equal velocity."""
    return _DRUM_TRIM if drum else min(0.0, max(-16.0, _QUIETEST - _LOUDNESS[program]))


def seat(program: int, drum: bool) -> float:
    """Return the place between the loudspeakers, -1 (left) to 1 (right); drum kits have their own."""
    return 0.0 if drum else _SEATS.get(program, 0.0)


def is_close(program: int, drum: bool) -> bool:
    """Return whether an instrument is miked close, so that it has little of the room around it."""
    return drum or program in _CLOSE


@lru_cache(maxsize=1)
def _soundfont() -> Path:
    spec = find_spec("pretty_midi")
    path = Path(spec.origin).with_name("TimGM6mb.sf2") if spec and spec.origin else None
    if path is None or not path.is_file():
        raise MissingError("the soundfont TimGM6mb.sf2 comes with pretty_midi and is missing: pip install pretty_midi")
    return path


def synthesizer() -> Any:
    """Create a tinysoundfont synthesizer with the soundfont loaded; a new one each time, as voices have state.

    Raises:
        MissingError: tinysoundfont or the soundfont is not installed.
    """
    try:
        from tinysoundfont import Synth
    except ImportError as error:
        raise MissingError(f"the composer needs its synthesizer: {_SYNTHESIZER}") from error
    synth = Synth(gain=0.0, samplerate=RATE)
    synth.sfload(str(_soundfont()), max_voices=256)
    return synth
