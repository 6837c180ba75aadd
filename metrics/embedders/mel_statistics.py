"""An embedder without learned weights: how loud each mel band is, how much it varies, and how fast.

It is for choosing settings by something other than the final judge. It measures timbre and density, and neither
harmony nor genre; as a judge it is poor.
"""

from __future__ import annotations

import numpy as np

from bench.contracts.audio import Audio
from bench.contracts.embedder import Embedder, Vectors
from bench.errors import Undefined

RATE = 16_000
WINDOW = 1024
HOP = 160
BANDS = 64
SILENCE = 1e-10  # power that no band of a silent clip exceeds
RANGE = 1e-6  # power, relative to the loudest, below which all counts as equally quiet: 60 dB
SPAN = 500  # frames of one vector: 5 s


class MelStatistics(Embedder):
    """192 numbers for each 5 s of mono audio at 16 kHz: the mean of each of 64 log-mel bands, its standard deviation,
    and its mean absolute change from one frame (10 ms) to the next.

    The level is removed: the mean over all bands and frames is 0. What is more than 60 dB below the loudest band of the
    clip counts as 60 dB below it: how quiet the pauses of a rendered clip are is not music. A last part below 2.5 s is
    left out, unless it is the only one.
    """

    version = 2
    family = "mel-statistics"
    dimension = 3 * BANDS

    def embed(self, audio: Audio) -> Vectors:
        from bench.mel import mel_filters, mel_spectrogram

        power = mel_spectrogram(audio.mono(RATE), mel_filters(RATE, WINDOW, BANDS), HOP)
        if not np.any(power > SILENCE):
            raise Undefined("the audio is silent")
        spectrogram = np.log(np.maximum(power, RANGE * power.max())) / 2
        spectrogram -= spectrogram.mean()
        parts = [spectrogram[begin : begin + SPAN] for begin in range(0, len(spectrogram), SPAN)]
        whole = [part for part in parts if len(part) >= SPAN // 2] or parts[:1]
        return np.stack([_statistics(part) for part in whole])


def _statistics(spectrogram: Vectors) -> Vectors:
    change = np.abs(np.diff(spectrogram, axis=0)).mean(axis=0) if len(spectrogram) > 1 else np.zeros(BANDS)
    joined = np.concatenate([spectrogram.mean(axis=0), spectrogram.std(axis=0), change])
    statistics: Vectors = joined.astype(np.float32)
    return statistics
