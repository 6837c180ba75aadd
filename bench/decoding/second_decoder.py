"""FFmpeg, through PyAV: decode formats that libsndfile does not support, such as AAC, ALAC, WMA and WebM."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt

from bench.errors import DataError, MissingError
from bench.file_kind import FileKind, mpeg4_name

if TYPE_CHECKING:
    from av.container import InputContainer

Block = npt.NDArray[np.float32]

_LOOKED_THROUGH = 1 << 20  # bytes at either end to search for descriptions of tracks
_LOST = 0.05
"""Seconds by which the audio may be shorter than its container says: what an encoder adds at either end."""


def name_of(file: BinaryIO, kind: FileKind) -> str:
    """Return the description of a file's content for messages."""
    if kind.demuxer != "mov":
        return kind.name
    file.seek(0)
    start = file.read(_LOOKED_THROUGH)
    file.seek(max(file.seek(0, os.SEEK_END) - _LOOKED_THROUGH, 0))
    return mpeg4_name(start + file.read(_LOOKED_THROUGH))


class SecondDecoder:
    """An open file that FFmpeg decodes.

    Args:
        file: open for reading; it stays open.
        kind: its format; only that one is tried, so that no playlist or other file is opened.

    Raises:
        MissingError: PyAV is not installed.
        DataError: it cannot be decoded, or does not hold exactly one audio track.
    """

    def __init__(self, file: BinaryIO, kind: FileKind) -> None:
        self._held = name_of(file, kind)
        self._bare = kind.demuxer == "aac"
        try:
            import av
        except ImportError:
            raise MissingError(
                f"holds {self._held}, which needs another decoder: pip install 'tunebench[formats]'"
            ) from None
        self._errors = av.FFmpegError
        file.seek(0)
        try:
            self._container: InputContainer = av.open(file, format=kind.demuxer, metadata_errors="replace")
        except (av.FFmpegError, ValueError) as error:
            raise self._undecodable(error) from None
        tracks = self._container.streams.audio
        if len(tracks) != 1:
            self.close()
            raise DataError(f"contains {self._held} with {len(tracks) or 'no'} audio tracks; one is needed")
        self._track = tracks[0]
        if self._track.codec_context is None:
            self.close()
            raise DataError(f"holds {self._held} of a codec that cannot be decoded")
        self.rate = int(self._track.rate or 0)
        self.channels = int(self._track.channels or 0)

    @property
    def stated(self) -> float | None:
        """Duration in seconds stated by the container; None if not stated."""
        if self._bare:  # frames without a container, whose length FFmpeg guesses
            return None
        if self._track.duration and self._track.time_base:
            return float(self._track.duration * self._track.time_base)
        return self._container.duration / 1e6 if self._container.duration else None

    def blocks(self) -> Iterator[Block]:
        """Decode from the beginning, float32 of shape (channels, frames).

        Raises:
            DataError: it is damaged, or changes its rate or channels midway.
        """
        import av

        resampler = av.AudioResampler(format="fltp", layout=self._track.layout, rate=self.rate)
        try:
            for frame in self._container.decode(self._track):
                if (frame.sample_rate, frame.layout.nb_channels) != (self.rate, self.channels):
                    raise DataError("changes its sample rate or channels midway; encode it again")
                for converted in resampler.resample(frame):
                    yield converted.to_ndarray()
            for converted in resampler.resample(None):
                yield converted.to_ndarray()
        except self._errors as error:
            raise self._undecodable(error) from None

    def lacks(self, frames: int) -> bool:
        """Return whether the file ended before the audio that its container states, if ``frames`` were decoded."""
        return self.stated is not None and frames / self.rate < self.stated - _LOST

    def close(self) -> None:
        self._container.close()

    def _undecodable(self, error: Exception) -> DataError:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return DataError(f"cannot be decoded as {self._held} ({said})")
