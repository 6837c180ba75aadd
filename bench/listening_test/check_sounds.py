"""Sounds that check listeners and equipment: beeps to count, and tones that need headphones."""

from __future__ import annotations

import numpy as np

from bench.contracts.audio import Audio, Samples

RATE = 44_100
BEEP, BEEP_EVERY, BEEP_HERTZ = 0.15, 0.6, 660.0
TONE, TONE_PAUSE, TONE_HERTZ, TONE_RAMP = 1.0, 0.5, 200.0, 0.1
_LEVEL = 0.1
_QUIETER = 10 ** (-6 / 20)


def beeps(count: int) -> Audio:
    """Return ``count`` beeps of 660 Hz in both channels; the same length for up to five beeps."""
    samples = np.zeros(round((0.3 + BEEP_EVERY * 5) * RATE), dtype=np.float32)
    one = _tone(BEEP_HERTZ, BEEP, 0.01)
    for number in range(count):
        start = round((0.2 + BEEP_EVERY * number) * RATE)
        samples[start : start + len(one)] = one
    return Audio(np.stack([samples, samples]), RATE)


def headphone_tones(quietest: int) -> Audio:
    """Return three tones of 200 Hz, of which one is 6 dB quieter and another has its sides in antiphase.

    On loudspeakers the antiphase tone cancels itself and seems the quietest; on headphones it does not.

    Args:
        quietest: position of the quieter tone, 0 to 2; the antiphase tone is next, cyclically.

    Source: Woods, Siegel, Traer, McDermott. Headphone screening to facilitate web-based auditory experiments.
    Attention, Perception & Psychophysics 79, 2017.
    """
    tone = _tone(TONE_HERTZ, TONE, TONE_RAMP)
    pause = np.zeros((2, round(TONE_PAUSE * RATE)), dtype=np.float32)
    kinds = {0: (_QUIETER, _QUIETER), 1: (1.0, -1.0), 2: (1.0, 1.0)}
    parts: list[Samples] = []
    for place in range(3):
        left, right = kinds[(place - quietest) % 3]
        parts += [np.stack([tone * np.float32(left), tone * np.float32(right)]), pause]
    return Audio(np.concatenate(parts[:-1], axis=1), RATE)


def headphone_order(seed: int) -> list[int]:
    """Return the positions of the quietest tone in six trials: each twice, in random order."""
    order = np.random.default_rng([seed, 0x4EAD]).permutation([0, 0, 1, 1, 2, 2])
    return [int(place) for place in order]


def _tone(hertz: float, seconds: float, ramp: float) -> Samples:
    frames, rising = round(seconds * RATE), round(ramp * RATE)
    tone = _LEVEL * np.sin(2 * np.pi * hertz * np.arange(frames) / RATE)
    edge = 0.5 - 0.5 * np.cos(np.pi * np.arange(rising) / rising)
    tone[:rising] *= edge
    tone[-rising:] *= edge[::-1]
    samples: Samples = tone.astype(np.float32)
    return samples
