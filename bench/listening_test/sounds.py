"""The sounds of a page, equal in everything except the music, so that only listening can distinguish models.

All sounds of an item have equal loudness, sample rate, bitrate and size in bytes, and two channels.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping

import numpy as np

from bench import interrupts
from bench.contracts.audio import Audio, Samples
from bench.report.audio_encoding import playable
from bench.report.loudness import gain, measure, target

RATE = 44_100
"""Sample rate of all sounds in Hz; a different rate would reveal a model."""

FADE_IN, FADE_OUT = 0.01, 0.1
"""Seconds."""

ANCHOR = 3500.0
"""Cutoff in Hz of the low anchor of ITU-R BS.1534-3 (§5.1)."""

PIECE, NOISE = 0.25, -6.0
"""For degraded copies: length in seconds of the shuffled pieces, and the noise in dB relative to the music."""


def prepared(clips: Mapping[str, Audio], seconds: float, matched: bool) -> dict[str, Audio]:
    """Make the clips of one item alike in loudness, rate, channels and length.

    Args:
        clips: original clips by model.
        seconds: maximum length.
        matched: whether to cut all to the shortest and band-limit them to the lowest sample rate.

    Returns:
        By model, two channels at `RATE`, all of the same length: faded in and out, and padded with silence.
    """
    longest = min([seconds, *(clip.duration for clip in clips.values())] if matched else [seconds])
    lowest = min(clip.rate for clip in clips.values())
    sounds = {}
    for name, clip in clips.items():
        stereo = playable(clip.cropped(longest))
        if matched and stereo.rate > lowest:
            stereo = _resampled(stereo, lowest)
        sounds[name] = _faded(_resampled(stereo, RATE))
    levels = {name: measure(sound.samples, RATE) for name, sound in sounds.items()}
    wanted = target(list(levels.values()))
    frames = max(sound.frames for sound in sounds.values())
    found = {}
    for name, sound in sounds.items():
        samples = np.zeros((2, frames), dtype=np.float32)
        samples[:, : sound.frames] = sound.samples * np.float32(10 ** (gain(levels[name], wanted) / 20))
        found[name] = Audio(samples, RATE)
    return found


def spoiled(clip: Audio, seed: int) -> Audio:
    """Degrade the harmony, rhythm and sound of a clip audibly; its length and rate stay.

    It is shuffled in pieces of `PIECE` seconds, low-passed at `ANCHOR` Hz, and gets white noise below it at `NOISE` dB.

    Args:
        clip: at any rate.
        seed: of the order and the noise.
    """
    rng = np.random.default_rng([seed, 0x5B01])
    piece = max(1, round(PIECE * clip.rate))
    starts = range(0, clip.frames, piece)
    order = rng.permutation(len(starts))
    samples = np.concatenate([clip.samples[:, starts[place] : starts[place] + piece] for place in order], axis=1)
    band = _resampled(Audio(samples, clip.rate), round(2 * ANCHOR))
    power = math.sqrt(float(np.mean(np.square(band.samples, dtype=np.float64)))) * 10 ** (NOISE / 20)
    noise = np.float32(power) * rng.standard_normal(band.frames, dtype=np.float32)
    found = np.zeros_like(clip.samples)
    whole = _resampled(Audio(band.samples + noise, band.rate), clip.rate).samples[:, : clip.frames]
    found[:, : whole.shape[1]] = whole
    return Audio(found, clip.rate)


@interrupts.held()
def as_mp3(sound: Audio) -> bytes:
    """Encode a sound at a constant bitrate, without tags, so that equal lengths give equal sizes."""
    import soundfile

    file = io.BytesIO()
    soundfile.write(
        file, sound.samples.T, sound.rate, format="MP3", subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT", compression_level=0.3,
    )  # fmt: skip
    return file.getvalue()


def _resampled(sound: Audio, rate: int) -> Audio:
    if sound.rate == rate:
        return sound
    import soxr

    samples: Samples = soxr.resample(sound.samples.T, sound.rate, rate).T
    return Audio(samples, rate)


def _faded(sound: Audio) -> Audio:
    samples = sound.samples.copy()
    start, end = (min(sound.frames // 2, round(seconds * sound.rate)) for seconds in (FADE_IN, FADE_OUT))
    samples[:, :start] *= _ramp(start)
    samples[:, sound.frames - end :] *= _ramp(end)[::-1]
    return Audio(samples, sound.rate)


def _ramp(frames: int) -> Samples:
    """Return half a period of a cosine from 0 to 1."""
    ramp: Samples = (0.5 - 0.5 * np.cos(np.pi * np.arange(frames) / max(1, frames))).astype(np.float32)
    return ramp
