"""Known ways to spoil music, each with a known dose: pure functions from sound to sound."""

from __future__ import annotations

import hashlib

import numpy as np

from bench.contracts.audio import Audio, Samples
from bench.errors import UsageError

_FADE = 0.02  # seconds over which two pieces of sound are cross-faded, so that no seam clicks
_QUARTER = 0.5  # seconds, where the tempo is unknown


def quieter(audio: Audio, decibels: float) -> Audio:
    """Return the same sound, ``decibels`` ≥ 0 dB softer."""
    return Audio(audio.samples * np.float32(10 ** (-decibels / 20)), audio.rate)


def clipped(audio: Audio, decibels: float) -> Audio:
    """Clip whatever exceeds a level ``decibels`` ≥ 0 dB below the peak; the power stays as it was."""
    limit = audio.peak * 10 ** (-decibels / 20)
    cut = np.clip(audio.samples, -limit, limit)
    before, after = (float(np.square(sound, dtype=np.float64).mean()) for sound in (audio.samples, cut))
    return Audio(cut * np.float32((before / after) ** 0.5 if after else 1.0), audio.rate)


def dulled(audio: Audio, octaves: float) -> Audio:
    """Remove everything above 16 kHz / 2^octaves, octaves > 0: Butterworth of order 8, forward and back, no delay.

    A cutoff at or above half the sample rate changes nothing.
    """
    from scipy.signal import butter, sosfiltfilt

    cutoff = 16_000 / 2**octaves
    if cutoff >= audio.rate / 2:
        return Audio(audio.samples, audio.rate)
    sections = butter(8, cutoff, fs=audio.rate, output="sos")
    return Audio(sosfiltfilt(sections, audio.samples, axis=1).astype(np.float32), audio.rate)


def noisy(audio: Audio, level: float, chance: np.random.Generator) -> Audio:
    """Add white noise at ``level`` dB relative to the power of the whole clip; the same noise at every level.

    Args:
        audio: the music.
        level: in dB, relative to the power of the whole clip.
        chance: generator of the noise.
    """
    noise = chance.standard_normal(audio.samples.shape, dtype=np.float32)
    rms = float(np.square(audio.samples, dtype=np.float64).mean()) ** 0.5
    return Audio(audio.samples + noise * np.float32(rms * 10 ** (level / 20)), audio.rate)


def looped(audio: Audio, quarters: float) -> Audio:
    """Repeat the first ``quarters`` > 0 quarter notes to the clip's end (0.5 s each where no tempo is known)."""
    quarter = (audio.notes.quarter if audio.notes else None) or _QUARTER
    length = round(quarters * quarter * audio.rate)
    fade = min(round(_FADE * audio.rate), length)
    if length + fade >= audio.frames:
        return Audio(audio.samples, audio.rate)
    out = np.array(audio.samples)
    # What sounds on after the loop's end fades out over the beginning of the next round.
    head, tail = audio.samples[:, :length], audio.samples[:, length : length + fade]
    once = np.concatenate([_crossed(tail, head[:, :fade]), head[:, fade:]], axis=1)
    for start in range(length, audio.frames, length):
        out[:, start : start + length] = once[:, : audio.frames - start]
    return Audio(out, audio.rate)


def replaced(audio: Audio, other: Audio, share: float) -> Audio:
    """Replace the last ``share`` of the clip, in [0, 1], by ``other``; both of one rate and shape.

    Args:
        audio: the clip whose end is replaced.
        other: what replaces it, of the same rate and shape.
        share: of the clip's length, in [0, 1].

    Raises:
        UsageError: rates or shapes differ.
    """
    if (audio.rate, audio.samples.shape) != (other.rate, other.samples.shape):
        raise UsageError("only clips of one rate, length and number of channels can be spliced")
    start = round((1 - share) * audio.frames)
    fade = min(round(_FADE * audio.rate), audio.frames - start) if start else 0
    seam = slice(start, start + fade)
    crossed = _crossed(audio.samples[:, seam], other.samples[:, seam])
    return Audio(np.concatenate([audio.samples[:, :start], crossed, other.samples[:, start + fade :]], 1), audio.rate)


def _crossed(going: Samples, coming: Samples) -> Samples:
    """Cross-fade two sounds at constant power over the whole length."""
    phase = np.linspace(0, np.pi / 2, going.shape[1], dtype=np.float32)
    mixed: Samples = going * np.cos(phase) + coming * np.sin(phase)
    return mixed


def chance_of(spoiler: str, prompt: str, seed: int) -> np.random.Generator:
    """Return the generator for one kind of damage to one clip: the same at every dose.

    Args:
        spoiler: name of the kind of damage.
        prompt: id of the clip's prompt.
        seed: of the clip.
    """
    name = f"dose-response:{spoiler}:{prompt}:{seed}"
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest(), "big"))
