"""Encode audio for browsers: stereo, at a rate that every browser supports, as 16-bit FLAC or MP3."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
import numpy.typing as npt

from bench import interrupts
from bench.contracts.audio import Audio, Samples
from bench.report.loudness import CEILING

Format = Literal["flac", "mp3"]

RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
"""Rates of MPEG audio in Hz. Higher rates add nothing audible and double the size of a page."""

_FULL_SCALE = 2**15
_LARGEST = int(_FULL_SCALE * 10 ** (CEILING / 20))  # dither must not pass the ceiling either

_M = 0.5**0.5
# (left, right) shares of each channel, in FLAC's order of channels: ITU-R BS.775-3, annex 4, table 2; no LFE.
_L, _R, _C, _LFE, _LS, _RS = (1.0, 0.0), (0.0, 1.0), (_M, _M), (0.0, 0.0), (_M, 0.0), (0.0, _M)
_BACK = (0.5, 0.5)
_FOLD = {
    1: (( 1.0, 1.0),),
    2: (_L, _R),
    3: (_L, _R, _C),
    4: (_L, _R, _LS, _RS),
    5: (_L, _R, _C, _LS, _RS),
    6: (_L, _R, _C, _LFE, _LS, _RS),
    7: (_L, _R, _C, _LFE, _BACK, _LS, _RS),
    8: (_L, _R, _C, _LFE, _LS, _RS, _LS, _RS),
}  # fmt: skip


@interrupts.held()
def playable(audio: Audio) -> Audio:
    """Return the sound as stereo at one of `RATES`: more channels are downmixed, mono is played on both.

    A browser plays mono on both speakers, 3 LU louder than a mono meter reads; so a mono and a stereo clip of the same
    measured loudness are equally loud only if both have two channels (EBU Tech 3343, dual mono).
    """
    rate = next((rate for rate in RATES if rate >= audio.rate), RATES[-1])
    if audio.channels == 2 and rate == audio.rate:
        return audio
    samples: Samples = np.array(_FOLD[audio.channels], dtype=np.float32).T @ audio.samples
    if rate != audio.rate:
        import soxr

        samples = soxr.resample(samples.T, audio.rate, rate).T
        if not samples.shape[1]:  # too few samples for the filter
            samples = np.zeros((2, 1), dtype=np.float32)
    return Audio(samples, rate)


@interrupts.held()
def encoded(audio: Audio, gain: float, kind: Format, seed: int) -> bytes:
    """Return the encoded file of a stereo sound after ``gain`` dB; the same arguments give the same bytes.

    FLAC has 16 bits with triangular dither of ±1 step, drawn from ``seed``; equal channels stay equal. Its
    largest sample is kept within −1 dBFS. MP3 has a variable bitrate, about 170 kbit/s, and may exceed a peak slightly.
    """
    import soundfile

    file = io.BytesIO()
    if kind == "mp3":
        samples = audio.samples * np.float32(10 ** (gain / 20))
        soundfile.write(
            file, samples.T, audio.rate, format="MP3", subtype="MPEG_LAYER_III",
            bitrate_mode="VARIABLE", compression_level=0.2,
        )  # fmt: skip
    else:
        soundfile.write(file, _quantised(audio.samples, gain, seed).T, audio.rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def _quantised(samples: Samples, gain: float, seed: int) -> npt.NDArray[np.int16]:
    """Return 16-bit samples after ``gain`` dB, with triangular dither two steps wide.

    Such dither makes mean and power of the rounding error independent of the sound.

    Lipshitz, Wannamaker, Vanderkooy. Quantization and dither: a theoretical survey. JAES 40(5), 1992.
    """
    frames = samples.shape[1]
    distinct = 1 if np.array_equal(samples[0], samples[1]) else 2
    words = np.random.PCG64(seed).random_raw(-(-distinct * frames // 2)).astype("<u8", copy=False).view("<u2")
    drawn = words[: 2 * distinct * frames].reshape(2, distinct, frames)
    dither = np.subtract(drawn[0], drawn[1], dtype=np.float32)
    dither *= np.float32(2**-16)
    steps = samples * np.float32(_FULL_SCALE * 10 ** (gain / 20))
    steps += dither
    np.rint(steps, out=steps)
    np.clip(steps, -_LARGEST, _LARGEST, out=steps)
    return steps.astype(np.int16)
