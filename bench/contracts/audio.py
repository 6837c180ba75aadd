"""Audio in memory, and the one way it is read from and written to files."""

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
"""Share of the channels' power, −20 dB, below which their mean is what is left of channels that cancel each other."""

Samples = npt.NDArray[np.float32]

LENGTH_PRECISION = 0.01
"""Seconds: how exactly a duration that was asked for is kept."""
_FULL_SCALE = 2**23  # of 24-bit samples


@dataclass(frozen=True, eq=False)
class Audio:
    """Sound.

    Attributes:
        samples: float32, shape (channels, frames), full scale is ±1; values may exceed it.
        rate: sample rate in Hz, an integer in [1, 655350].
        notes: the notes that were played, when whoever made the audio knows them; otherwise None.

    Raises:
        DataError: another shape or rate, or a sample that is complex or not finite.
    """

    samples: Samples
    rate: int
    notes: Notes | None = None

    def __post_init__(self) -> None:
        if np.iscomplexobj(self.samples):
            raise DataError("audio holds complex samples, must be real; take the real part of an inverse transform")
        samples = np.ascontiguousarray(self.samples, dtype=np.float32)
        if samples.ndim == 1:
            samples = samples[np.newaxis]
        if samples.ndim != 2 or not 1 <= samples.shape[0] <= MAX_CHANNELS:
            raise DataError(
                f"audio has shape {samples.shape}, must be (channels, frames) with 1 to {MAX_CHANNELS} channels"
            )
        if not isinstance(self.rate, int | np.integer) or not 1 <= self.rate <= MAX_RATE:
            raise DataError(f"sample rate is {self.rate!r}, must be a whole number of Hz from 1 to {MAX_RATE}")
        object.__setattr__(self, "rate", int(self.rate))
        if not np.isfinite(samples).all():
            raise DataError(
                f"audio holds {int((~np.isfinite(samples)).sum())} samples that are not finite (NaN or infinity)"
            )
        samples.flags.writeable = False
        object.__setattr__(self, "samples", samples)

    @property
    def channels(self) -> int:
        return int(self.samples.shape[0])

    @property
    def frames(self) -> int:
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
        """Return mean of the channels, shape (frames,), resampled (soxr, high quality) to ``rate`` Hz if given.

        Where the channels cancel each other (stereo in antiphase), it is the loudest of them instead.
        """
        mixed = mix(self.samples)
        if rate is None or rate == self.rate or not len(mixed):
            return mixed
        import soxr

        resampled: Samples = soxr.resample(mixed, self.rate, rate)
        return resampled

    def cropped(self, duration: float) -> Audio:
        """Return the first ``duration`` seconds; audio that is shorter is returned as it is.

        Notes that start later are dropped.
        """
        frames = round(duration * self.rate)
        if frames >= self.frames:
            return self
        notes = self.notes and replace(self.notes, events=tuple(n for n in self.notes.events if n.onset < duration))
        return Audio(self.samples[:, :frames], self.rate, notes)


def mix(samples: Samples) -> Samples:
    """Return one channel of several: their mean, or the loudest of them where they cancel each other there.

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
    """SHA-256 over the sample rate, the shape and the little-endian float32 samples; names the sound, not the file."""
    digest = hashlib.sha256(f"{audio.rate}:{audio.channels}:{audio.frames}:".encode())
    digest.update(audio.samples.astype("<f4", copy=False).reshape(-1).data)
    return digest.hexdigest()


@interrupts.held()
def read_audio(path: StrPath, seconds: float = math.inf, file: BinaryIO | None = None) -> Audio:
    """Decode a file whole: wav, flac, ogg, opus, mp3, aiff, and with the extra ``formats`` m4a, aac, webm and wma.

    What it holds is told by its content, not by its name.

    Args:
        path: the file.
        seconds: how much is needed, from the beginning; no more is decoded, and what follows is not looked at.
        file: the same file, if it is open already.

    Raises:
        DataError: missing, empty, truncated, damaged or not audio, more than `bench.decoding.decode.MAX_SAMPLES`, with
            samples that are not finite, or of a rate or number of channels that `Audio` does not have; the message
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
    """Return the audio as a 24-bit FLAC file gives it back, bit for bit, and the gain that was applied.

    The gain is 1 unless the peak exceeds full scale; then the audio is scaled to fit.
    """
    gain = min(1.0, 1.0 / audio.peak) if audio.peak > 1 else 1.0
    # Adding 0 makes 0 of −0, which a file cannot hold.
    steps = np.rint(audio.samples * np.float32(gain) * np.float32(_FULL_SCALE)) + np.float32(0)
    return Audio(np.clip(steps, -_FULL_SCALE, _FULL_SCALE - 1) / np.float32(_FULL_SCALE), audio.rate, audio.notes), gain


@interrupts.held()
def write_flac(path: Path, audio: Audio, comment: str = "") -> float:
    """Write 24-bit FLAC so that a reader sees either the whole file or none, and return the gain that was applied.

    The samples become those of `as_stored`. The file is written under a temporary name, flushed to disk, and renamed.

    Args:
        path: of the file; its folder is made.
        audio: what is written.
        comment: a text to keep in the file, which `read_comment` returns.
    """
    import soundfile

    stored, gain = as_stored(audio)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Encoded in memory first: a full disk is then an ordinary OSError of write() and not a codec's riddle.
    encoded = io.BytesIO()
    with soundfile.SoundFile(encoded, "w", stored.rate, stored.channels, "PCM_24", format="FLAC") as file:
        if comment:
            file.comment = comment
        file.write(stored.samples.T)
    with replacing(path) as temporary:
        temporary.write_bytes(encoded.getbuffer())
    return gain


def read_comment(path: Path) -> str:
    """Return the text that was kept in an audio file, read without decoding it; empty where there is none.

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
