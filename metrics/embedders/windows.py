"""Fixed windows: where audio is cut depends on its length alone, so one file always has one embedding."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from bench.contracts.audio import Audio, Samples
from bench.contracts.embedder import Embedder, Vectors
from bench.errors import DataError
from metrics.embedders.front_ends import own
from metrics.embedders.loudness import levelled
from metrics.embedders.preparation import blocks_of, stored

REMAINDER = 0.01
"""A last window with a smaller share of audio is left out: resampling alone can leave one sample over."""


def shares(duration: float, window: float) -> Vectors:
    """Compute how much of each window is audio, shape (windows ≥ 1,), in (0, 1]; all but the last are 1.

    Args:
        duration: length of the audio, > 0.
        window: length of a window, which is also the hop, in the same unit.
    """
    whole, rest = divmod(duration, window)
    tail = [rest / window] if rest > REMAINDER * window or not whole else []
    return np.array([1.0] * int(whole) + tail, dtype=np.float32)


def cut(samples: Samples, length: int, count: int) -> Samples:
    """Return the first ``count`` windows of ``length`` frames of mono audio, shape (count, length), padded with zeros
    at the end."""
    padded = np.zeros(count * length, dtype=np.float32)
    used = min(len(samples), len(padded))
    padded[:used] = samples[:used]
    return padded.reshape(count, length)


def network_input(audio: Audio, rate: int) -> Samples:
    """Return the input of a network at ``rate`` Hz: mono at −14 LUFS, exactly round(duration · rate) frames.

    Raises:
        Undefined: as `metrics.embedders.loudness.levelled`.
    """
    return cut(levelled(audio.mono(rate), rate), round(audio.duration * rate), 1).ravel()


def finite(vectors: Vectors, embedder: str) -> Vectors:
    """Return the same vectors as contiguous float32.

    Args:
        vectors: any shape.
        embedder: its name, for the message.

    Raises:
        DataError: one is not finite, which indicates broken weights.
    """
    if not np.isfinite(vectors).all():
        raise DataError(f"{embedder} gave an embedding that is not finite; are its weights the published ones?")
    return np.ascontiguousarray(vectors, dtype=np.float32)


class WaveformEmbedder(Embedder):
    """An embedder whose network takes windows of a mono waveform.

    Class attributes, which may be instance attributes:
        rate: sample rate in Hz that the network takes.
        window: length of a window and of the hop, in seconds.
        batch_size: windows in one call of the network.
    """

    rate: int
    window: ClassVar[float] = 10.0
    batch_size: int = 4
    own_front_end = own(window)

    @abstractmethod
    def _vectors(self, windows: Samples) -> Vectors:
        """Compute the vectors, shape (windows, dimension), of windows of shape (windows, frames)."""

    def embed(self, audio: Audio) -> Vectors:
        published = self.published_front_end
        if published:
            blocks = blocks_of(audio, self.rate, published)
        else:
            frames = round(self.window * self.rate)
            blocks = [cut(network_input(audio, self.rate), frames, len(self.weights(audio)))]
        batches = [block[i : i + self.batch_size] for block in blocks for i in range(0, len(block), self.batch_size)]
        vectors = np.concatenate([self._vectors(np.array(batch)) for batch in batches])
        return finite(stored(vectors, published) if published else vectors, type(self).__name__)

    def weights(self, audio: Audio) -> Vectors:
        published = self.published_front_end
        if published:  # its windows all count equally
            count = sum(map(len, blocks_of(audio, self.rate, published)))
            return np.ones(1 if published.pooling != "none" else count, dtype=np.float32)
        return shares(audio.duration, self.window)
