"""The room around the instruments: a synthetic impulse response, and convolution with it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from models.composer.chance import named_generator
from models.composer.soundfont import RATE

_DECAY = 1.3  # seconds to -60 dB at low frequencies
_LENGTH = 1.2  # seconds kept of the response
_BLOCK = 2**18  # frames of one Fourier transform


@lru_cache(maxsize=1)
def _response() -> tuple[npt.NDArray[np.complex128], int]:
    """Compute the spectrum of a stereo response, shape (2, bins), of mean power 1 from 150 Hz to 2 kHz, and its frames.

    Exponentially decaying Gaussian noise, independent left and right, is what the late part of a room's
    response sounds like (Moorer, "About this reverberation business", Computer Music Journal 3(2), 1979).
    The higher of three bands decay faster, as air and walls absorb treble; below 150 Hz there is nothing, so
    that basses stay clear.
    """
    frames = round(_LENGTH * RATE)
    seconds = np.arange(frames) / RATE
    frequencies = np.fft.rfftfreq(frames, 1 / RATE)
    noise = np.fft.rfft(named_generator("composer room").standard_normal((2, frames)))
    response = np.zeros((2, frames))
    for low, high, decay in (
        (150, 2_000, _DECAY),
        (2_000, 6_000, 0.7 * _DECAY),
        (6_000, 12_000, 0.4 * _DECAY),
    ):
        band = np.fft.irfft(noise * ((frequencies >= low) & (frequencies < high)), frames)
        response += band * 10 ** (-3 * seconds / decay)
    response[:, : round(0.012 * RATE)] = 0  # the first echo comes from the nearest wall, about 4 m away and back
    spectrum = np.fft.rfft(response, _BLOCK)
    middle = (np.fft.rfftfreq(_BLOCK, 1 / RATE) >= 150) & (np.fft.rfftfreq(_BLOCK, 1 / RATE) < 2_000)
    power = (np.abs(spectrum[:, middle]) ** 2).mean(axis=1, keepdims=True)
    return spectrum / np.sqrt(power), frames


def reverberate(mono: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Compute the room's response to a mono sound of shape (frames,): shape (2, frames), about as loud as the sound.

    Blocks are at fixed places, so the beginning of a sound is processed the same however long it goes on.
    """
    spectrum, frames = _response()
    hop = _BLOCK - frames + 1
    answer = np.zeros((2, len(mono) + _BLOCK))
    for start in range(0, len(mono), hop):
        block = np.fft.rfft(mono[start : start + hop], _BLOCK)
        answer[:, start : start + _BLOCK] += np.fft.irfft(block * spectrum, _BLOCK)
    return answer[:, : len(mono)].astype(np.float32)
