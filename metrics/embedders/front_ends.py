"""The front ends that published tools have, by name, and how audio is prepared for them.

Each was written from its publisher's code, and reproduces what the network is given, not how the tool compares:

- ``fadtk``: github.com/microsoft/fadtk, ``fad.py`` (``load_audio``) and ``model_loader.py``. Audio is mixed, resampled
  by torchaudio and kept as 16-bit WAV files, without a change of level; VGGish gets at least 1 s; CLAP hears 10 s every
  second, and rounds to 16 bits once more. Vectors are kept as 16-bit floats.
- ``kadtk``: github.com/YoonjinXD/kadtk, ``emb_loader.py`` and ``model_loader.py``: as fadtk, without its least length;
  PANN hears the whole recording at once.
- ``frechet-audio-distance``: github.com/gudgud96/frechet-audio-distance, ``utils.py`` and ``fad.py``. Audio is mixed
  and resampled by resampy. PANN hears the whole recording; CLAP, by laion-clap, one window of 10 s at a random place,
  or a short recording repeated. For PANN the tool joins all vectors to a single list of numbers and compares these in
  one dimension; our distances compare vectors.
- ``audioldm_eval``: github.com/haoheliu/audioldm_eval, ``datasets/load_mel.py`` and ``metrics/fad.py``. The first
  channel less its mean is resampled by torchaudio, and zeros follow up to 32,000 samples; PANN hears the whole
  recording.
- ``stable-audio-metrics``: github.com/Stability-AI/stable-audio-metrics, ``src/clap_score.py``: mixed and resampled as
  librosa does, peak at −1 dB, rounded to 16 bits, and one window of 10 s at a random place. That is what its
  checkpoints without fusion are given; its default checkpoint, with fusion, is a network that is not here.

Where a tool draws a place at random from a generator that nobody seeds, here the seed is the hash of the audio. Audio
shorter than one example of VGGish, which the tools fail on, is followed by zeros.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.contracts.audio import Audio, Samples, content_hash
from bench.contracts.embedder import Vectors
from bench.contracts.front_end import OWN, FrontEnd, Rounding
from bench.errors import Undefined
from bench.hashing import fingerprint
from metrics.embedders.resampling import resample
from metrics.notes.signal import OVERLOAD, SILENCE

Prepared = npt.NDArray[np.floating[Any]]

SHORTEST = 0.4
"""Seconds of audio that a front end takes; some networks have no output for less."""

_OWN = FrontEnd(OWN, "mean-or-loudest", level="loudness", target=-14.0)
_FADTK = FrontEnd(
    "fadtk",
    resampler="torchaudio-kaiser",
    rounding=("wav",),
    precision=16,
    source="https://github.com/microsoft/fadtk",
)
_KADTK = replace(_FADTK, name="kadtk", source="https://github.com/YoonjinXD/kadtk")
_FRECHET = FrontEnd(
    "frechet-audio-distance", resampler="resampy", source="https://github.com/gudgud96/frechet-audio-distance"
)
_AUDIOLDM = FrontEnd(
    "audioldm_eval", "first", True, "torchaudio-hann", source="https://github.com/haoheliu/audioldm_eval"
)
_STABLE_AUDIO = FrontEnd(
    "stable-audio-metrics",
    resampler="librosa",
    level="peak",
    target=-1.0,
    rounding=("scaled",),
    source="https://github.com/Stability-AI/stable-audio-metrics",
)
_AUDIOLDM_SAMPLES = 32_000


def _named(*front_ends: FrontEnd) -> dict[str, FrontEnd]:
    return {front_end.name: front_end for front_end in front_ends}


def own(window: float, padding: bool = True) -> FrontEnd:
    """Our own front end, with windows side by side of so many seconds."""
    return replace(_OWN, window=window, hop=window, padding="zeros" if padding else "drop")


VGGISH: Mapping[str, FrontEnd] = {
    name: replace(front_end, window=0.975, hop=0.96, padding="drop")
    for name, front_end in _named(
        replace(_FADTK, shortest=1.0), _KADTK, _FRECHET, replace(_AUDIOLDM, shortest=_AUDIOLDM_SAMPLES / 16_000)
    ).items()
}
"""Front ends for VGGish."""

_EVERY_SECOND = {"window": 10.0, "hop": 1.0}
_ONE_OF_TEN = {"window": 10.0, "hop": 10.0, "selection": "random", "padding": "repeat"}

CLAP: Mapping[str, FrontEnd] = _named(
    *(replace(each, rounding=("wav", "scaled"), **_EVERY_SECOND) for each in (_FADTK, _KADTK)),  # type: ignore[arg-type]
    *(replace(each, **_ONE_OF_TEN) for each in (_FRECHET, _STABLE_AUDIO)),  # type: ignore[arg-type]
)
"""Front ends for CLAP by laion-clap, for every checkpoint."""


def pann(rate: int) -> Mapping[str, FrontEnd]:
    """Front ends for PANN at so many Hz; all hear a recording as a whole."""
    return _named(_KADTK, _FRECHET, replace(_AUDIOLDM, shortest=_AUDIOLDM_SAMPLES / rate))


def prepare(audio: Audio, rate: int, front_end: FrontEnd) -> Prepared:
    """What a published front end makes of audio before it cuts windows: mono at ``rate`` Hz, shape (frames,).

    float64 after a WAV file, as the tools have it, and otherwise float32.

    Raises:
        Undefined: shorter than 0.4 s, not audio (a peak above 10⁶), or silent where the peak is what it is scaled by.
    """
    if audio.peak > OVERLOAD:
        raise Undefined(f"a peak of {audio.peak:.2g} times full scale is not audio")
    if audio.duration < SHORTEST:
        raise Undefined(f"{audio.duration:.2f} s of audio, needs {SHORTEST} s")
    mono: Samples = audio.samples[0] if front_end.channels == "first" else audio.samples.mean(axis=0, dtype=np.float32)
    if front_end.center:
        mono = mono - mono.mean(dtype=np.float32)
    samples: Prepared = resample(mono, audio.rate, rate, front_end.resampler)
    if front_end.level == "peak":
        peak = float(np.abs(samples).max())
        if peak < SILENCE:
            raise Undefined("silent")
        samples = samples * np.float32(10.0 ** ((front_end.target or 0.0) / 20.0) / peak)
    for rounding in front_end.rounding:
        samples = _rounded(samples, rate, rounding)
    return np.pad(samples, (0, max(0, round(front_end.shortest * rate) - len(samples))))


def windows_of(audio: Audio, rate: int, front_end: FrontEnd) -> Samples:
    """The windows that a published front end gives a network of waveforms, shape (windows ≥ 1, frames).

    They may overlap in memory, so that an hour of audio needs no more than itself.

    Raises:
        Undefined: as `prepare`.
    """
    samples = prepare(audio, rate, front_end).astype(np.float32, copy=False)
    if front_end.window is None or front_end.hop is None:
        return samples[np.newaxis]
    length, hop = round(front_end.window * rate), round(front_end.hop * rate)
    if front_end.selection == "random":
        return _one_window(samples, length, content_hash(audio))[np.newaxis]
    last = (len(samples) - 1) // hop * hop
    padded = np.pad(samples, (0, max(0, last + length - len(samples))))
    windows: Samples = np.lib.stride_tricks.sliding_window_view(padded, length)[: last + 1 : hop]
    return windows


def stored(vectors: Vectors, front_end: FrontEnd) -> Vectors:
    """The vectors as the tool keeps them."""
    return vectors.astype(np.float16).astype(np.float32) if front_end.precision == 16 else vectors


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


def _one_window(samples: Samples, length: int, sound: str) -> Samples:
    """As laion-clap cuts or fills audio (``rand_trunc``, ``repeatpad``), with a seed that names the sound."""
    spare = len(samples) - length
    if spare > 0:
        rng = np.random.default_rng(int(fingerprint(["front-end", "window", sound]), 16))
        start = int(rng.integers(0, spare + 1))
        return samples[start : start + length]
    repeated = np.tile(samples, length // len(samples))
    return np.pad(repeated, (0, length - len(repeated)))
