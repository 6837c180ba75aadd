"""Whether a clip holds music at all: silence, noise and a single tone do not, whatever tags a tagger gives them."""

from __future__ import annotations

import numpy as np

from bench.contracts.audio import Samples
from bench.contracts.metric import DecodedClip
from metrics.notes.pitch_classes import MIN_CLASSES, MIN_SOUNDING, heard_classes, sounding_of
from metrics.notes.signal import sounding

RATE = 16_000

MIN_STROKES = 1.0
"""Strokes per second from which a clip without pitches has a rhythm; a tone every two seconds has none."""

FRAME = 0.05
"""Seconds over which the level is measured."""

RISE = 6.0
"""dB by which the level rises within two frames at a stroke. The level of steady noise of any color varies by less."""


def why_no_music(clip: DecodedClip) -> str | None:
    """Return why the clip holds neither pitches of three classes nor a rhythm of strokes, in words, or None for music.

    Raises:
        MissingError: the transcriber's weights are missing or are not those of this version.
    """
    heard = sounding(clip, RATE)
    if heard is None:
        return "silence"
    samples, _ = heard
    duration = len(samples) / RATE
    if strokes(samples) >= MIN_STROKES * duration:
        return None
    classes = sounding_of(clip)
    if classes.sum() < MIN_SOUNDING * duration:
        return "no music: neither pitches nor strokes"
    if heard_classes(classes) < MIN_CLASSES:
        return f"no music: fewer than {MIN_CLASSES} pitch classes and no strokes"
    return None


def strokes(samples: Samples, rate: int = RATE) -> int:
    """Count how often the level rises suddenly; 0 for silence and for audio shorter than 0.15 s.

    The differences of neighboring samples are taken first, since slow waves (brown noise, wind) have no steady level.

    Args:
        samples: mono, shape (frames,).
        rate: in Hz.
    """
    size = round(FRAME * rate)
    changes = np.diff(samples)
    count = len(changes) // size
    power = np.square(changes[: count * size].reshape(count, size), dtype=np.float64).mean(axis=1)
    if count < 3 or not power.max() > 0:
        return 0
    level = 10 * np.log10(power + 1e-4 * power.max())
    rises = level[2:] - level[:-2] >= RISE
    return int(np.count_nonzero(rises[1:] & ~rises[:-1]) + rises[0])
