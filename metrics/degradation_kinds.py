"""The kinds of damage and the doses of each that metrics are tested with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from bench.contracts.audio import Audio
from metrics.degradations import clipped, dulled, looped, noisy, quieter

Spoil = Callable[[Audio, float, np.random.Generator], Audio]


@dataclass(frozen=True)
class Degradation:
    """A kind of damage and its doses, from small to large.

    ``model`` and ``parameter`` name the composer's control that plays the spoiled notes; ``spoil`` is set for a change
    of the sound. One of the two is set, or neither: then another genre's music replaces that share of the clip.
    ``unit`` and ``labels`` say how doses are written in tables.
    """

    name: str
    about: str
    unit: str
    doses: tuple[float, ...]
    labels: tuple[str, ...]
    spoil: Spoil | None = None
    model: str = ""
    parameter: str = ""


def _sound(change: Callable[[Audio, float], Audio]) -> Spoil:
    """Return a change that draws nothing at random; unlike a lambda, it can be sent to a worker."""
    return partial(_changed, change)


def _changed(change: Callable[[Audio, float], Audio], audio: Audio, dose: float, chance: np.random.Generator) -> Audio:
    del chance
    return change(audio, dose)


def _repeating(audio: Audio, dose: float) -> Audio:
    """Repeat the beginning; a shorter loop is the larger dose."""
    return looped(audio, -dose)


def _percent(doses: tuple[float, ...]) -> tuple[str, ...]:
    return tuple(f"{100 * dose:g}" for dose in doses)


_SHARES, _SPREADS, _PARTS = (0.05, 0.15, 0.4), (0.02, 0.04, 0.08), (0.25, 0.5, 1.0)

DEGRADATIONS: Mapping[str, Degradation] = {
    spoiler.name: spoiler
    for spoiler in (
        Degradation(
            "off-key", "share of the notes moved to random pitch classes", "%", _SHARES, _percent(_SHARES),
            model="composer-offkey", parameter="share",
        ),
        Degradation(
            "jitter", "standard deviation of the onsets", "% of a quarter", _SPREADS, _percent(_SPREADS),
            model="composer-loose", parameter="sd",
        ),
        Degradation(
            "gain", "softer by", "dB", (6, 12, 24), ("6", "12", "24"), _sound(quieter)
        ),
        Degradation(
            "clipping", "cut off so far below the peak", "dB", (6, 12, 24), ("6", "12", "24"), _sound(clipped)
        ),
        Degradation(
            "low-pass", "nothing above", "kHz", (1, 2, 3), ("8", "4", "2"), _sound(dulled)
        ),
        Degradation(
            "noise", "white noise, relative to the music", "dB",
            (-20, -10, 0), ("−20", "−10", "0"), noisy,
        ),
        Degradation(
            "loop", "only the first quarter notes, again and again", "quarters",
            (-8, -4, -1), ("8", "4", "1"), _sound(_repeating),
        ),
        Degradation(
            "genre", "share of the clip that answers another genre's prompt", "%", _PARTS, _percent(_PARTS)
        ),
    )
}  # fmt: skip
"""All kinds of damage by name. Doses rise with the damage, so that ranks mean the same everywhere."""


def fewer(spoiler: Degradation) -> Degradation:
    """Return the same damage at every other dose, the smallest and the largest among them."""
    return replace(spoiler, doses=spoiler.doses[::2], labels=spoiler.labels[::2])
