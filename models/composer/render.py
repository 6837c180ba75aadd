"""Notes → audio: a soundfont synthesizer, a stage, a room, and a limiter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from bench.contracts.audio import Audio
from bench.contracts.notes import Note, Notes
from bench.errors import UsageError
from models.composer.room import reverberate
from models.composer.soundfont import CHANNELS, RATE, is_close, seat, synthesizer, trim

TAIL = 1.0  # seconds after the last note where no duration is given
FADE = 0.03  # seconds at the end, so that a clip cut in mid-sound does not click

_MASTER = 10 ** (6 / 20)
_ROOM_CLOSE = 10 ** (-20 / 20)  # of what is miked close
_ROOM_OPEN = 10 ** (-9 / 20)  # of everything else
_KNEE, _CEILING = 0.6, 0.98  # the limiter is exact below the first and never reaches the second

Sound = npt.NDArray[np.float32]


def render(notes: Notes, duration: float | None = None) -> Audio:
    """Play notes on a General MIDI soundfont.

    The gain is the same for every clip, so that quiet music stays quiet and a longer clip begins like a
    shorter one; a memoryless soft limiter keeps the peak below 0.98. The same notes give the same samples.

    Args:
        notes: any General MIDI programs and drums; a drum note's program selects its kit (32: jazz).
        duration: length in seconds, > 0; None means 1 s after the last note has ended.

    Returns:
        Stereo audio at 44100 Hz of exactly ``round(duration * 44100)`` frames. Its notes are those that were
        played: notes that start in the last 30 ms, where the sound fades out, or later are left out.

    Raises:
        UsageError: the duration is not positive.
        MissingError: tinysoundfont or its soundfont is not installed.
    """
    if duration is None:
        duration = max((note.onset + note.duration for note in notes.events), default=0.0) + TAIL
    if duration <= 0:
        raise UsageError(f"duration is {duration} s, must be positive")
    frames = round(duration * RATE)
    played = tuple(note for note in notes.events if note.onset < duration - FADE)
    close, open_ = (_play([n for n in played if is_close(n.program, n.drum) is near], frames) for near in (True, False))
    room = reverberate(_ROOM_CLOSE * close.mean(axis=0) + _ROOM_OPEN * open_.mean(axis=0))
    mixed = _limited(np.float32(_MASTER) * (close + open_ + room))
    fade = min(frames, round(FADE * RATE))
    mixed[:, frames - fade :] *= np.cos(np.linspace(0, np.pi / 2, fade, dtype=np.float32)) ** 2
    return Audio(mixed, RATE, replace(notes, events=played))


def _play(notes: Sequence[Note], frames: int) -> Sound:
    """Play the dry sum of the notes, shape (2, frames), with as many synthesizers as the channels need."""
    players = sorted({(note.program, note.drum) for note in notes})
    mixed = np.zeros((2, frames), dtype=np.float32)
    for first in range(0, len(players), CHANNELS):
        channels = {player: channel for channel, player in enumerate(players[first : first + CHANNELS])}
        mixed += _synthesize([note for note in notes if (note.program, note.drum) in channels], channels, frames)
    return mixed


def _synthesize(notes: Sequence[Note], channels: dict[tuple[int, bool], int], frames: int) -> Sound:
    synth = synthesizer()
    for (program, drum), channel in channels.items():
        synth.program_change(channel, program, drum)
        # The synthesizer's gain is the cube of the controller's value, its panning goes by power.
        synth.control_change(channel, 7, round(127 * 10 ** (trim(program, drum) / 60)))
        synth.control_change(channel, 10, round(63.5 + 63.5 * seat(program, drum)))
    buffer = memoryview(bytearray(frames * 8))  # interleaved stereo float32
    position = 0
    for frame, starts, channel, pitch, velocity in _events(notes, channels):
        if frame >= frames:
            break
        if frame > position:
            synth.generate(frame - position, buffer[position * 8 : frame * 8])
            position = frame
        if starts:
            synth.noteon(channel, pitch, velocity)
        else:
            synth.noteoff(channel, pitch)
    synth.generate(frames - position, buffer[position * 8 :])
    return np.frombuffer(buffer, dtype=np.float32).reshape(-1, 2).T


def _events(notes: Sequence[Note], channels: dict[tuple[int, bool], int]) -> list[tuple[int, bool, int, int, int]]:
    """Return sorted (frame, starts, channel, pitch, velocity): at one frame, notes end before others start."""
    events = []
    for note in notes:
        channel = channels[note.program, note.drum]
        start = round(note.onset * RATE)
        end = max(start + 1, round((note.onset + note.duration) * RATE))
        events.append((start, True, channel, note.pitch, note.velocity))
        events.append((end, False, channel, note.pitch, 0))
    return sorted(events)


def _limited(samples: Sound) -> Sound:
    """Limit the peak: unchanged below the knee; above it, tanh keeps samples under the ceiling."""
    room = _CEILING - _KNEE
    over = np.maximum(np.abs(samples) - _KNEE, 0) / np.float32(room)
    return np.where(over > 0, np.sign(samples) * (_KNEE + room * np.tanh(over)), samples).astype(np.float32)
