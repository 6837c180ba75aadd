"""Audio in memory, and reading and writing of audio files."""

from __future__ import annotations

import hashlib
import io
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from bench import interrupts
from bench.atomic_write import replacing
from bench.contracts.notes import Notes
from bench.decoding.decode import MAX_CHANNELS, MAX_RATE, decode
from bench.errors import DataError
from bench.paths import StrPath
from bench.regular_file import check_regular

MIXED_AWAY = 0.01
"""Share of the channels' power, −20 dB, below which their mean counts as the rest of canceled channels."""

Samples = npt.NDArray[np.float32]

LENGTH_PRECISION = 0.01
"""Tolerance of a requested duration in seconds."""
_FULL_SCALE = 2**23  # of 24-bit samples


@dataclass(frozen=True, eq=False)
class Audio:
    """Sound.

    Attributes:
        samples: float32, shape (channels, frames), full scale is ±1; values may exceed it.
        rate: sample rate in Hz, an integer in [1, 655350].
        notes: the notes that were played, if known; otherwise None.

    Raises:
        DataError: another shape or rate, or a sample that is complex or not finite.
    """

    samples: Samples
    rate: int
    notes: Notes | None = None

    def __post_init__(self) -> None:
        if np.iscomplexobj(self.samples):
            raise DataError("audio has complex samples, must be real; take the real part of an inverse transform")
        samples = np.ascontiguousarray(self.samples, dtype=np.float32)
        if samples.ndim == 1:
            samples = samples[np.newaxis]
        if samples.ndim != 2 or not 1 <= samples.shape[0] <= MAX_CHANNELS:
            raise DataError(
                f"audio has shape {samples.shape}, must be (channels, frames) with 1 to {MAX_CHANNELS} channels"
            )
        if not isinstance(self.rate, int | np.integer) or not 1 <= self.rate <= MAX_RATE:
            raise DataError(f"sample rate is {self.rate!r}, must be an integer in Hz from 1 to {MAX_RATE}")
        object.__setattr__(self, "rate", int(self.rate))
        if not np.isfinite(samples).all():
            raise DataError(
                f"audio holds {int((~np.isfinite(samples)).sum())} samples that are not finite (NaN or infinity)"
            )
        samples.flags.writeable = False
        object.__setattr__(self, "samples", samples)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[0])

    @property
    def frames(self) -> int:
        """Samples of each channel."""
        return int(self.samples.shape[1])

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.frames / self.rate

    @property
    def peak(self) -> float:
        """Largest absolute sample; 0 for audio without frames."""
        return float(np.abs(self.samples).max(initial=0.0))

    @interrupts.held()
    def mono(self, rate: int | None = None) -> Samples:
        """Return the mean of the channels, shape (frames,), resampled (soxr, high quality) to ``rate`` Hz if given.

        If the channels cancel each other (stereo in antiphase), it is the loudest of them instead.
        """
        mixed = mix(self.samples)
        if rate is None or rate == self.rate or not len(mixed):
            return mixed
        import soxr

        resampled: Samples = soxr.resample(mixed, self.rate, rate)
        return resampled

    def cropped(self, duration: float) -> Audio:
        """Return the first ``duration`` seconds; shorter audio is returned unchanged.

        Notes that start later are dropped.
        """
        frames = round(duration * self.rate)
        if frames >= self.frames:
            return self
        notes = self.notes and replace(self.notes, events=tuple(n for n in self.notes.events if n.onset < duration))
        return Audio(self.samples[:, :frames], self.rate, notes)


def mix(samples: Samples) -> Samples:
    """Return one channel of several: their mean, or the loudest one if they cancel each other.

    Args:
        samples: shape (channels, frames).
    """
    mean: Samples = samples.mean(axis=0, dtype=np.float32)
    channels, frames = samples.shape
    if channels == 1 or not frames:
        return mean
    powers = [float(np.dot(channel, channel)) for channel in samples]
    if float(np.dot(mean, mean)) >= MIXED_AWAY * sum(powers) / channels:
        return mean
    loudest: Samples = samples[int(np.argmax(powers))]
    return loudest


def content_hash(audio: Audio) -> str:
    """Return SHA-256 of the rate, shape and little-endian float32 samples: it identifies the sound, not the file."""
    digest = hashlib.sha256(f"{audio.rate}:{audio.channels}:{audio.frames}:".encode())
    digest.update(audio.samples.astype("<f4", copy=False).reshape(-1).data)
    return digest.hexdigest()


@interrupts.held()
def read_audio(path: StrPath, seconds: float = math.inf, file: BinaryIO | None = None) -> Audio:
    """Decode a complete file: wav, flac, ogg, opus, mp3, aiff, and with the extra ``formats`` m4a, aac, webm and wma.

    The format is detected from the content, not from the name.

    Args:
        path: the file.
        seconds: length to decode from the beginning; the rest is not checked.
        file: the same file, if already open.

    Raises:
        DataError: missing, empty, truncated, damaged or not audio, more than `bench.decoding.decode.MAX_SAMPLES`, with
            samples that are not finite, or with a rate or number of channels not allowed in `Audio`; the message
            names the file.
        MissingError: it needs a decoder that is not installed.
    """
    path = Path(path)
    samples, rate = decode(path, seconds, file)
    try:
        return Audio(samples, rate)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def as_stored(audio: Audio) -> tuple[Audio, float]:
    """Return the audio as read back from a 24-bit FLAC file, bit for bit, and the gain that was applied.

    The gain is 1 unless the peak exceeds full scale; then the audio is scaled to fit.
    """
    gain = min(1.0, 1.0 / audio.peak) if audio.peak > 1 else 1.0
    # Adding 0 turns −0 into 0, as a file cannot hold −0.
    steps = np.rint(audio.samples * np.float32(gain) * np.float32(_FULL_SCALE)) + np.float32(0)
    return Audio(np.clip(steps, -_FULL_SCALE, _FULL_SCALE - 1) / np.float32(_FULL_SCALE), audio.rate, audio.notes), gain


@interrupts.held()
def write_flac(path: Path, audio: Audio, comment: str = "") -> float:
    """Write 24-bit FLAC atomically, and return the gain that was applied.

    The samples become those of `as_stored`. The file is written under a temporary name, flushed to disk, and renamed.

    Args:
        path: the file; its folder is created.
        audio: the audio to write.
        comment: text to store in the file, see `read_comment`.

    Raises:
        OSError: the file cannot be written.
    """
    import soundfile

    stored, gain = as_stored(audio)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Encode in memory first: a full disk is then an OSError of write(), not an obscure codec error.
    encoded = io.BytesIO()
    with soundfile.SoundFile(encoded, "w", stored.rate, stored.channels, "PCM_24", format="FLAC") as file:
        if comment:
            file.comment = comment
        file.write(stored.samples.T)
    with replacing(path) as temporary:
        temporary.write_bytes(encoded.getbuffer())
    return gain


def read_comment(path: Path) -> str:
    """Return the comment of an audio file without decoding it; empty if there is none.

    Raises:
        DataError: missing, or not audio.
    """
    import soundfile

    try:
        check_regular(path)
        with soundfile.SoundFile(path) as file:
            return str(file.comment)
    except (soundfile.SoundFileError, RuntimeError, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as audio ({str(error).rstrip('.').split(': ')[-1]})") from error
