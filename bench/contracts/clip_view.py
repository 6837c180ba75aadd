"""The part of every clip that is embedded, so that models of different length or bandwidth are comparable."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from bench import interrupts
from bench.contracts.audio import Audio
from bench.contracts.identity import only_set
from bench.errors import DataError
from bench.hashing import canonical_json

_SAME_LENGTH = 0.05  # seconds: a frame of padding does not make a clip longer


@dataclass(frozen=True)
class View:
    """The part of a clip that is embedded.

    Attributes:
        seconds: length from the beginning in seconds; None for all.
        band: upper limit of frequencies in Hz; None for all.
    """

    seconds: float | None = None
    band: float | None = None

    @interrupts.held()
    def of(self, audio: Audio) -> Audio:
        """Return the part of the audio, at its own rate."""
        import soxr

        if self.seconds is not None:
            audio = audio.cropped(self.seconds)
        if self.band is None or audio.rate <= 2 * self.band or not audio.frames:
            return audio
        # Down and up again: the resampler's filter is a better low-pass than a custom one.
        narrow = soxr.resample(audio.samples.T, audio.rate, 2 * self.band)
        wide = soxr.resample(narrow, 2 * self.band, audio.rate)[: audio.frames]
        return Audio(wide.T, audio.rate)

    @property
    def key(self) -> str:
        """The key stored with results: canonical JSON of the fields that are set, ``{}`` for whole clips."""
        return canonical_json(only_set({"seconds": _number(self.seconds), "band": _number(self.band)}))

    @classmethod
    def of_key(cls, key: str) -> View:
        """Parse a `key`.

        Raises:
            DataError: it is not a key.
        """
        try:
            stored = json.loads(key)
            if isinstance(stored, dict) and set(stored) <= {"seconds", "band"}:
                numbers = {name: float(value) for name, value in stored.items() if not isinstance(value, bool | str)}
                if len(numbers) == len(stored) and all(0 < value < math.inf for value in numbers.values()):
                    return cls(**numbers)
        except (TypeError, ValueError, OverflowError, RecursionError):
            pass
        raise DataError(f"{key!r:.80} does not describe a part of a clip")

    @property
    def text(self) -> str:
        """The view in words."""
        length = "whole clips" if self.seconds is None else f"the first {self.seconds:g} s"
        return length if self.band is None else f"{length}, up to {self.band:g} Hz"


def view_text(key: str) -> str:
    """Return a stored `View.key` in words; empty if nothing is embedded.

    Raises:
        DataError: it is not a key.
    """
    return View.of_key(key).text if key else ""


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def common_view(durations: Iterable[Sequence[float]], band: float | None = None) -> View:
    """Return the longest beginning that every model has: the shortest of the models' median clip lengths.

    A single short clip does not shorten all others; it is used as it is.

    Args:
        durations: lengths of clips in seconds, for each model.
        band: highest frequency to keep in Hz, if limited.
    """
    models = [lengths for lengths in durations if lengths]
    if not models:
        return View(None, band)
    shortest = min(median(lengths) for lengths in models)
    longest = max(max(lengths) for lengths in models)
    return View(None if longest - shortest < _SAME_LENGTH else round(shortest, 3), band)
