"""Try the parts that metrics analyze audio with, so that ``require`` says what is missing before any clip is scored."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bench.contracts.audio import Samples
from bench.errors import MissingError
from metrics.notes import key, onsets, tempo, transcription


def try_transcriber() -> None:
    """Try out the transcriber, as `try_out`."""
    try_out(transcription.VERSION, transcription.transcribe, transcription.RATE)


def try_onsets() -> None:
    """Try out the onset detector, as `try_out`."""
    try_out(onsets.VERSION, onsets.detect_onsets, onsets.RATE)


def try_tempo() -> None:
    """Try out the tempo tracker, as `try_out`."""
    try_out(tempo.VERSION, tempo.track_tempo, tempo.RATE)


def try_key() -> None:
    """Try out the key estimator, as `try_out`."""
    try_out(key.VERSION, key.estimate_key, key.RATE)


def try_out(name: str, analyse: Callable[[Samples], object], rate: int) -> None:
    """Let a part analyze a tenth of a second of noise, so that it imports and loads everything it uses on clips.

    Args:
        name: the part, such as ``basic-pitch@1``.
        analyse: takes mono audio, float32 of shape (frames,).
        rate: of that audio in Hz.

    Raises:
        MissingError: a package that the part imports is missing or broken, or its weights are missing.
    """
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, rate // 10).astype(np.float32)
    try:
        analyse(noise)
    except ImportError as error:
        raise MissingError(
            f"{name} needs {error.name or 'a package'}, which cannot be imported ({error}); reinstall tunebench"
        ) from error
