"""Random excerpts of a folder's music, levelled as AudioLDM is trained: zero mean, a peak of 0.5."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from bench.contracts.audio import read_audio
from bench.errors import DataError
from models.training.mel import log_mel
from models.training.waveform import levelled

Stored = npt.NDArray[np.int16]


class Clips:
    """Mono clips of one rate, kept in memory as 16-bit numbers.

    Args:
        files: audio files, all of one rate.
        rate: that rate, in Hz.

    Raises:
        DataError: no file, or one of another rate.
    """

    def __init__(self, files: list[Path], rate: int) -> None:
        if not files:
            raise DataError("no music to train on")
        self.rate = rate
        self._clips = [self._read(path) for path in files]

    def _read(self, path: Path) -> Stored:
        audio = read_audio(path)
        if audio.rate != self.rate:
            raise DataError(f"{path} has a rate of {audio.rate} Hz, not {self.rate}")
        whole: Stored = np.round(levelled(audio.mono())[0] * 32767).astype(np.int16)
        return whole

    def whole(self, multiple: int) -> Iterator[torch.Tensor]:
        """Yield each clip, shape (frames,), cut to a multiple of so many frames."""
        for clip in self._clips:
            yield torch.from_numpy(clip[: len(clip) // multiple * multiple] / np.float32(32767))

    def waveforms(self, count: int, frames: int, chance: np.random.Generator) -> torch.Tensor:
        """Return excerpts, shape (count, frames), in [-1, 1], each of a clip drawn at random; a shorter clip ends in
        zeros."""
        drawn = []
        for number in chance.integers(len(self._clips), size=count):
            clip = self._clips[number]
            begin = int(chance.integers(max(1, len(clip) - frames + 1)))
            excerpt = np.zeros(frames, dtype=np.float32)
            piece = clip[begin : begin + frames]
            excerpt[: len(piece)] = piece / np.float32(32767)
            drawn.append(torch.from_numpy(excerpt))
        return torch.stack(drawn)


def spectrograms(waveforms: torch.Tensor, rate: int, hop: int, bands: int) -> torch.Tensor:
    """Compute log-mel spectrograms, shape (batch, frames, bands), as `models.training.mel.log_mel` gives them.

    Args:
        waveforms: shape (batch, samples), on the CPU.
        rate, hop, bands: as for `models.training.mel.log_mel`.
    """
    return torch.stack([log_mel(wave.numpy(), rate, hop, bands) for wave in waveforms])
