"""How a front end prepares audio for a network: channels, resampling, level, rounding and windows, by its settings."""

from __future__ import annotations

import io
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.contracts.audio import Audio, Samples, content_hash, mix
from bench.contracts.embedder import Vectors
from bench.contracts.front_end import FrontEnd, Rounding
from bench.errors import Undefined
from bench.hashing import fingerprint
from metrics.embedders.loudness import levelled
from metrics.embedders.resampling import resample
from metrics.notes.signal import OVERLOAD, SILENCE

Prepared = npt.NDArray[np.floating[Any]]

SHORTEST = 0.4
"""Shortest audio in seconds that a front end takes; some networks have no output for less."""

_UNPADDED = 0.15
"""Share of a window up to which stable-audio-metrics leaves audio that is shorter as it is (``cover``)."""


def prepare(audio: Audio, rate: int, front_end: FrontEnd) -> Prepared:
    """Prepare audio as a published front end does before it cuts windows: mono at ``rate`` Hz, shape (frames,).

    Where the front end keeps two channels, the shape is (2, frames). float64 after a WAV file, as the tools have it,
    and otherwise float32.

    Args:
        audio: any rate and number of channels.
        rate: that the network takes, in Hz.
        front_end: how to prepare it.

    Raises:
        Undefined: shorter than 0.4 s, not audio (a peak above 10⁶), or silent where it is scaled by its level.
        MissingError: the library of its resampler is not installed.
    """
    if audio.peak > OVERLOAD:
        raise Undefined(f"a peak of {audio.peak:.2g} times full scale is not audio")
    if audio.duration < SHORTEST:
        raise Undefined(f"{audio.duration:.2f} s of audio, needs {SHORTEST} s")
    channels: Prepared = _channels(audio.samples, front_end)
    if front_end.center:
        channels = channels - channels.mean(axis=1, keepdims=True, dtype=np.float32)
    if front_end.level == "source-peak":
        loudest = audio.peak if front_end.channels == "stereo" else None  # of all channels, also those left out
        channels = _at_peak(channels, front_end, loudest)
    channels = np.stack([resample(channel, audio.rate, rate, front_end.resampler) for channel in channels])
    if front_end.channels == "joined":
        channels = channels.reshape(1, -1)
    if front_end.level == "peak":
        channels = _at_peak(channels, front_end)
    if front_end.level == "loudness":
        channels = np.stack([levelled(channel, rate, front_end.target or 0.0) for channel in channels])
    for rounding in front_end.rounding:
        channels = np.stack([_rounded(channel, rate, rounding) for channel in channels])
    missing = max(0, round(front_end.shortest * rate) - channels.shape[1])
    channels = np.pad(channels, ((0, 0), (0, missing)))
    return channels if front_end.channels == "stereo" else channels[0]


def blocks_of(audio: Audio, rate: int, front_end: FrontEnd) -> list[Samples]:
    """Return the windows that a front end gives a network of waveforms, in blocks of equal length.

    Shape (windows ≥ 1, frames) each, or (windows, 2, frames); only the last may be shorter. Windows may overlap in
    memory, so that an hour of audio needs no more than itself.

    Raises:
        Undefined, MissingError: as `prepare`.
    """
    samples = prepare(audio, rate, front_end).astype(np.float32, copy=False)
    if front_end.window is None or front_end.hop is None:
        return [samples[np.newaxis]]
    length, hop = round(front_end.window * rate), round(front_end.hop * rate)
    if front_end.selection == "random":
        return [_one_window(samples, length, content_hash(audio), front_end.padding)[np.newaxis]]
    frames = samples.shape[-1]
    if front_end.padding == "shorter":
        whole = max(0, (frames - length) // hop + 1)
        rest = [samples[np.newaxis, ..., start:] for start in range(whole * hop, frames, hop)]
        return [*([_cut(samples, length, hop, whole)] if whole else []), *rest]
    if front_end.padding == "cover" and frames <= _UNPADDED * length:
        return [samples[np.newaxis]]
    count = _window_count(frames, length, hop, front_end)
    missing = max(0, (count - 1) * hop + length - frames)
    return [_cut(np.pad(samples, [*([(0, 0)] * (samples.ndim - 1)), (0, missing)]), length, hop, count)]


def stored(vectors: Vectors, front_end: FrontEnd) -> Vectors:
    """Return the vectors as the tool stores them, shape (windows, dimension), or (1, dimension) where it pools them."""
    if front_end.pooling != "none":
        mean = vectors.mean(axis=0, keepdims=True, dtype=np.float64)
        if front_end.pooling == "mean-softmax":
            mean = np.exp(mean - mean.max())
            mean /= mean.sum()
        vectors = mean.astype(np.float32)
    return vectors.astype(np.float16).astype(np.float32) if front_end.precision == 16 else vectors


def _channels(samples: Samples, front_end: FrontEnd) -> Samples:
    """Return the channels that are resampled, shape (channels, frames)."""
    if front_end.channels == "stereo":
        return samples[[0, min(1, len(samples) - 1)]]
    if front_end.channels == "joined":
        return samples
    if front_end.channels == "first":
        return samples[:1]
    mixed: Samples = mix(samples) if front_end.channels == "mean-or-loudest" else samples.mean(axis=0, dtype=np.float32)
    return mixed[np.newaxis]


def _at_peak(samples: Prepared, front_end: FrontEnd, peak: float | None = None) -> Prepared:
    peak = float(np.abs(samples).max()) if peak is None else peak
    if peak < SILENCE:
        raise Undefined("silent")
    return samples * np.float32(10.0 ** ((front_end.target or 0.0) / 20.0) / peak)


def _rounded(samples: Prepared, rate: int, rounding: Rounding) -> Prepared:
    if rounding == "scaled":
        whole = (np.clip(samples, -1.0, 1.0) * 32767.0).astype(np.int16)
        return (whole / 32767.0).astype(np.float32)
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype="PCM_16", format="WAV")
    file.seek(0)
    read: npt.NDArray[np.float64] = soundfile.read(file, dtype="int16")[0] / 32768.0
    return read


def _window_count(frames: int, length: int, hop: int, front_end: FrontEnd) -> int:
    """Return how many windows of so many frames begin in audio, at least 1."""
    if front_end.padding == "zeros":
        return (frames - 1) // hop + 1
    if front_end.padding == "drop":
        return max(0, frames - length) // hop + 1
    return math.ceil(max(0, frames - length) / hop) + 1  # to the first that reaches the end


def _cut(samples: Samples, length: int, hop: int, count: int) -> Samples:
    windows = np.lib.stride_tricks.sliding_window_view(samples, length, axis=-1)
    return np.moveaxis(windows, -2, 0)[: (count - 1) * hop + 1 : hop]


def _one_window(samples: Samples, length: int, sound: str, padding: str) -> Samples:
    """Return one window at a place that is drawn with a seed that names the sound.

    Cut or filled as in laion-clap (``rand_trunc``, ``repeatpad``), or with ``cycle`` as in msclap, which never takes
    the last place.
    """
    spare = samples.shape[-1] - length
    if spare > 0:
        rng = np.random.default_rng(int(fingerprint(["front-end", "window", sound]), 16))
        start = int(rng.integers(0, spare if padding == "cycle" else spare + 1))
        return samples[..., start : start + length]
    times = -(-length // samples.shape[-1]) if padding == "cycle" else length // samples.shape[-1]
    repeated = np.concatenate([samples] * times, axis=-1)[..., :length]
    return np.pad(repeated, [*([(0, 0)] * (samples.ndim - 1)), (0, length - repeated.shape[-1])])
