"""The pitches that the note metrics count, and where they come from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.contracts.metric import DecodedClip
from bench.errors import DataError
from metrics.notes import transcription

Pitches = npt.NDArray[np.int64]


def pitches_of(clip: DecodedClip) -> tuple[Pitches, str]:
    """Return the MIDI pitches, shape (notes,), and their source: ``symbolic`` for known notes, else the transcriber.

    Raises:
        MissingError: the transcriber's weights are missing or are not those of this version.
    """
    if clip.notes is not None and clip.notes.origin == "symbolic":
        return clip.notes.pitches, "symbolic"
    return transcription.transcription_of(clip).pitches, transcription.VERSION


def known_pitches(clip: DecodedClip) -> Pitches | None:
    """Return the pitches that the audio was rendered from, shape (notes,); None where they are unknown or there are
    none."""
    if clip.notes is None or clip.notes.origin != "known" or not len(clip.notes.pitches):
        return None
    return clip.notes.pitches


def validated_pitches(pitches: Iterable[Any]) -> Pitches:
    """Return MIDI pitches as an integer array, shape (notes,).

    Raises:
        DataError: no pitches, another shape than (notes,), or a value that is not a whole number from 0 to 127.
    """
    try:
        array = np.asarray(pitches if isinstance(pitches, np.ndarray) else list(pitches))
    except (TypeError, ValueError):
        raise DataError("pitches: expected a flat sequence of MIDI numbers") from None
    if array.ndim != 1 or not len(array):
        raise DataError(f"pitches: shape {array.shape}, expected (notes,) with at least one note")
    if array.dtype.kind not in "iuf":
        raise DataError(f"pitches: {array.dtype} values, expected MIDI numbers")
    bad = ~((array >= 0) & (array <= 127) & (array == np.floor(array)))
    if bad.any():
        at = int(bad.argmax())
        raise DataError(f"pitches: {array[at]} at index {at}, expected a whole MIDI number from 0 to 127")
    return array.astype(np.int64)
