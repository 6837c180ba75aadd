"""Decode audio files completely, or raise with the problem."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import numpy.typing as npt

from bench.decoding.flac import whole_flac
from bench.decoding.mpeg import whole_mpeg
from bench.decoding.ogg import links_of
from bench.decoding.second_decoder import SecondDecoder
from bench.decoding.wav import SLACK, placeholder, whole_wav
from bench.errors import DataError, MissingError
from bench.file_kind import FLAC, HEAD, MPEG, OGG, WAV, FileKind, kind_of
from bench.regular_file import open_regular

if TYPE_CHECKING:
    import soundfile

Samples = npt.NDArray[np.float32]

MAX_RATE = 655_350  # FLAC's limit, in Hz
MAX_CHANNELS = 8  # FLAC's limit
MAX_SAMPLES = 2**30
"""Maximum number of samples of a file, over all channels: three hours in stereo at 48 kHz, 4 GB. A small file
of silence could decode to more than fits in memory."""

_BLOCK = 1 << 18  # frames
_UNKNOWN = 2**62  # frames or more: reported by libsndfile for a file encoded as a stream
_CUT = re.compile(r"^ *(?:SSND|data|Data Size|Riff size|riff) +: (\d+) \(should be (\d+)\)", re.MULTILINE)


def decode(path: Path, seconds: float = math.inf, file: BinaryIO | None = None) -> tuple[Samples, int]:
    """Decode a file, or its beginning.

    Args:
        path: the file.
        seconds: length to decode; the rest is not checked.
        file: the same file, if already open.

    Returns:
        float32 samples of shape (channels, frames), and the rate in Hz.

    Raises:
        DataError: missing, empty, truncated, damaged or not audio, or more than `MAX_SAMPLES`; the message names the
            file.
        MissingError: it needs the second decoder, which is not installed.
    """
    import soundfile

    try:
        with open_regular(path) if file is None else nullcontext(file) as opened:
            return _decoded(opened, seconds)
    except (DataError, MissingError) as error:
        raise type(error)(f"{path}: {error}") from None
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except ValueError:
        raise DataError(f"{path}: cannot be opened, not a valid file name") from None
    except MemoryError:
        raise DataError(f"{path}: does not fit into memory") from None
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        said = (isinstance(error, OSError) and error.strerror) or str(error).rstrip(".").split(": ")[-1]
        raise DataError(f"{path}: cannot be decoded as audio ({said})") from error


def _decoded(file: BinaryIO, seconds: float) -> tuple[Samples, int]:
    if not file.seek(0, os.SEEK_END):
        raise DataError("the file is empty")
    file.seek(0)
    kind = kind_of(file.read(HEAD))
    if kind.remedy:
        raise DataError(f"contains {kind.name}, not audio; {kind.remedy}")
    if kind.demuxer:
        return _by_second_decoder(file, kind, seconds)
    return _by_libsndfile(_sources(file, kind, seconds), seconds)


def _sources(file: BinaryIO, kind: FileKind, seconds: float) -> Sequence[BinaryIO]:
    """Return the file in one or more consecutive parts that libsndfile decodes completely."""
    if kind is WAV:
        return [whole_wav(file)]
    if kind is FLAC:
        return [whole_flac(file, seconds)]
    if kind is MPEG:
        return [whole_mpeg(file, seconds)]
    return links_of(file, seconds) if kind is OGG else [file]


def _by_libsndfile(sources: Sequence[BinaryIO], seconds: float) -> tuple[Samples, int]:
    """Return the first samples of consecutive files.

    Raises:
        DataError: there are none, too few, or too many, or the files differ in rate or channels.
    """
    import soundfile

    with ExitStack() as stack:
        sounds = []
        for source in sources:
            source.seek(0)
            sounds.append(stack.enter_context(soundfile.SoundFile(source)))
        rate, channels = sounds[0].samplerate, sounds[0].channels
        _check_form(rate, channels)
        if any((sound.samplerate, sound.channels) != (rate, channels) for sound in sounds):
            raise DataError(f"the {len(sounds)} streams in it differ in sample rate or channels; split the file")
        promised = sum(sound.frames for sound in sounds)
        # Crop as in `Audio.cropped`.
        wanted = round(seconds * rate) if seconds * rate < promised else promised
        if wanted >= _UNKNOWN:
            raise DataError("its header does not say how long it is; encode it again")
        _check_length(wanted, rate, channels)
        # Unused pages need no memory, so that a wrong header is harmless.
        samples = np.empty((channels, wanted), dtype=np.float32)
        read = 0
        for block in _blocks(sounds, wanted):
            samples[:, read : read + block.shape[1]] = block
            read += block.shape[1]
        # An MP3's header may count the encoder's padding; a decoder's block of 1152 frames either way is no loss.
        if read < wanted - 2 * 1152 or (wanted >= promised and any(_is_cut(sound) for sound in sounds)):
            raise DataError("truncated, the file ends before the audio does")
    if not read:
        raise DataError("contains no audio frames")
    return samples[:, :read], rate


def _blocks(sounds: Sequence[soundfile.SoundFile], wanted: int) -> Iterator[Samples]:
    for sound in sounds:
        while wanted:
            block = sound.read(min(_BLOCK, wanted), dtype="float32", always_2d=True)
            if not len(block):
                break
            wanted -= len(block)
            yield block.T


def _by_second_decoder(file: BinaryIO, kind: FileKind, seconds: float) -> tuple[Samples, int]:
    with closing(SecondDecoder(file, kind)) as sound:
        _check_form(sound.rate, sound.channels)
        wanted = None if seconds == math.inf else round(seconds * sound.rate)
        if sound.stated and wanted is None:
            _check_length(int(sound.stated * sound.rate), sound.rate, sound.channels)
        blocks: list[Samples] = []
        read = 0
        for block in sound.blocks():
            blocks.append(block)
            read += block.shape[1]
            _check_length(read if wanted is None else min(read, wanted), sound.rate, sound.channels)
            if wanted is not None and read >= wanted:
                break
        if (wanted is None or read < wanted) and sound.lacks(read):
            raise DataError("truncated, the file ends before the audio does")
    if not read:
        raise DataError("contains no audio frames")
    return np.concatenate(blocks, axis=1)[:, :wanted], sound.rate


def _check_form(rate: int, channels: int) -> None:
    if not (1 <= rate <= MAX_RATE and 1 <= channels <= MAX_CHANNELS):
        raise DataError(f"{channels} channels at {rate} Hz; up to {MAX_CHANNELS} at 1 to {MAX_RATE} Hz are supported")


def _check_length(frames: int, rate: int, channels: int) -> None:
    most = MAX_SAMPLES // channels
    if frames > most:
        raise DataError(f"longer than {most / rate / 3600:.1f} h, more than is supported")


def _is_cut(sound: soundfile.SoundFile) -> bool:
    """Return whether libsndfile's log says that the file is cut, as it reads a cut file without an error."""
    if sound.format in ("WAV", "WAVEX"):
        return False  # checked by `whole_wav`
    return any(
        int(there) + SLACK < int(stated) and not placeholder(int(stated))
        for stated, there in _CUT.findall(sound.extra_info)
    )
