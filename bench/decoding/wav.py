"""WAV: check the sizes in the header against the file, as many writers do not update them."""

from __future__ import annotations

import os
import struct
from typing import BinaryIO

from bench.decoding.spliced_file import SplicedFile
from bench.errors import DataError

SLACK = 128
"""Bytes that a size may be too large by: some writers count the header in. At most a millisecond of 16-bit stereo."""

_TAGS = (b"TAG", b"ID3", b"APETAGEX")  # written behind the audio without a chunk of their own
_MOST_CHUNKS = 4096
_PADDING = 1 << 16  # zero bytes that may follow


def placeholder(size: int) -> bool:
    """Return whether a 32-bit size is a placeholder for unknown: nearly a signed or unsigned maximum."""
    return 0x7FFF_E000 <= size <= 0x8000_1000 or size >= 0xFFFF_E000


def whole_wav(file: BinaryIO) -> BinaryIO:
    """Return a RIFF file such that libsndfile reads all its audio, with a size of 0 corrected.

    Raises:
        DataError: the file ends before the audio, or is followed by data that are not chunks.
    """
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    order = "<" if file.read(4) == b"RIFF" else ">"
    place = _data_chunk(file, order, length)
    if place is None:
        return file
    file.seek(place - 4)
    (size,) = struct.unpack(f"{order}I", file.read(4))
    there = length - place
    if size > there:
        if size - there > SLACK and not placeholder(size):
            raise DataError("truncated, the file ends before the audio does")
        return file
    file.seek(place + size + size % 2)
    behind = file.read(8)
    left = there - size
    if left <= SLACK or behind.startswith(_TAGS) or _is_chunk(behind, order, left):
        return file
    if left <= _PADDING and not any(behind + file.read()):
        return file
    if size:
        raise DataError(
            f"its header counts {size} bytes of audio, and {left} more follow that are not a chunk; rewrite its header"
        )
    file.seek(0)
    return _spliced(file, file.read(place - 4) + struct.pack(f"{order}I", min(there, 0xFFFF_FFFF)), place)


def _spliced(file: BinaryIO, head: bytes, start: int) -> BinaryIO:
    return SplicedFile(file, head, start)  # type: ignore[return-value]


def _data_chunk(file: BinaryIO, order: str, length: int) -> int | None:
    """Return where the content of the data chunk begins; None where there is none."""
    place = 12
    for _ in range(_MOST_CHUNKS):
        file.seek(place)
        head = file.read(8)
        if len(head) < 8 or place >= length:
            return None
        if head[:4] == b"data":
            return place + 8
        (size,) = struct.unpack(f"{order}I", head[4:])
        place += 8 + size + size % 2
    return None


def _is_chunk(head: bytes, order: str, left: int) -> bool:
    """Return whether 8 bytes are the name of a chunk and a size that the file has room for."""
    if len(head) < 8 or not all(0x20 <= byte < 0x7F for byte in head[:4]):
        return False
    return bool(struct.unpack(f"{order}I", head[4:])[0] <= left)
