"""MPEG audio (MP3): count the frames of a file, instead of relying on a header or the first bit rate.

Without a header, a decoder that does not count takes the length of a variable-bit-rate file from its first frame.
The headers are those that Xing and Fraunhofer's encoder write into a first frame without sound.
"""

from __future__ import annotations

import math
import os
import struct
from typing import BinaryIO, NamedTuple

from bench.decoding.spliced_file import SplicedFile
from bench.errors import DataError
from bench.file_kind import id3_size

TOLERANCE = 2
"""Frames by which a header's count may be off: an encoder's padding, or its own frame."""

_BIT_RATES = {  # kbit/s, by version 1 or not, and by layer
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44_100, 48_000, 32_000)  # Hz, of version 1
_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN")
_NEAR, _JUNK = 1 << 10, 1 << 16  # bytes between frames that are looked through for the next, first and at most


class _Frame(NamedTuple):
    """The header of a frame: bytes and samples that it takes, its sample rate in Hz and its number of channels."""

    size: int
    samples: int
    rate: int
    channels: int
    first: bytes


class _Count(NamedTuple):
    """What was counted: the first frame with sound and where it begins, how many there are, whether the last is cut."""

    first: _Frame
    start: int
    frames: int
    cut: bool


def whole_mpeg(file: BinaryIO, seconds: float) -> BinaryIO:
    """Return an MPEG audio file with a header that says how many frames there are.

    Args:
        file: the file.
        seconds: needed length; further frames are not counted.

    Raises:
        DataError: it has no frames, ends within one or before its header says, or changes its rate or channels.
    """
    length = file.seek(0, os.SEEK_END)
    begin = _first_frame(file)
    if begin is None:
        file.seek(0)
        if file.read(3) == b"ID3":  # of another format, as far as is known
            return file
        raise DataError("cannot be decoded as audio (no MPEG audio frames with a known bit rate)")
    place, frame = begin
    file.seek(place)
    stated = _stated(file.read(frame.size))
    counted = _counted(file, place if stated is None else place + frame.size, length, seconds)
    if counted is None:
        return file
    if counted.cut and (stated is None or counted.frames < stated - TOLERANCE):
        raise DataError("truncated, the file ends before the audio does")
    if stated is not None and counted.frames <= stated + TOLERANCE:
        return file
    return SplicedFile(file, _header(counted), counted.start)  # type: ignore[return-value]


def _first_frame(file: BinaryIO) -> tuple[int, _Frame] | None:
    """Return where the first frame is that another follows, behind tags."""
    place = 0
    while True:
        file.seek(place)
        head = file.read(10)
        if head.startswith(b"fLaC"):  # behind a tag that belongs to MP3
            return None
        if not (size := id3_size(head)):
            return _next_frame(file, place)
        place += size


def _next_frame(file: BinaryIO, place: int) -> tuple[int, _Frame] | None:
    """Return the nearest frame from ``place`` on that another frame, or the end, follows."""
    return _next_within(file, place, _NEAR) or _next_within(file, place, _JUNK)


def _next_within(file: BinaryIO, place: int, most: int) -> tuple[int, _Frame] | None:
    file.seek(place)
    content = file.read(most)
    at = content.find(b"\xff")
    while at >= 0:
        frame = _frame(content[at : at + 4])
        if frame is not None:
            file.seek(place + at + frame.size)
            behind = file.read(4)
            if len(behind) < 4 or _frame(behind) is not None or behind[:3] in (b"TAG", b"ID3", b"APE"):
                return place + at, frame
        at = content.find(b"\xff", at + 1)
    return None


def _counted(file: BinaryIO, place: int, length: int, seconds: float) -> _Count | None:
    """Count the frames from ``place`` on, as far as they are needed; None where there are none."""
    first: _Frame | None = None
    start, frames, wanted, cut = place, 0, math.inf, False
    while place < length and frames < wanted:
        file.seek(place)
        head = file.read(16)
        frame = _frame(head)
        if frame is None:
            if (size := id3_size(head)) or head.startswith(_TAGS):
                place += size or _tag_size(head, length - place)
                continue
            found = _next_frame(file, place + 1)
            if found is None:
                break
            place, frame = found
        if first is None:
            first, start = frame, place
            wanted = math.ceil(seconds * frame.rate / frame.samples) + TOLERANCE if seconds < math.inf else math.inf
        if (frame.rate, frame.channels) != (first.rate, first.channels):
            raise DataError(
                f"changes from {first.channels} channels at {first.rate} Hz to {frame.channels} at {frame.rate} Hz "
                "midway; encode it again"
            )
        place += frame.size
        cut = place > length
        frames += not cut
    return None if first is None else _Count(first, start, frames, cut)


def _tag_size(head: bytes, left: int) -> int:
    """Return bytes of a tag at the end of a file."""
    if head.startswith(b"TAG"):
        return 128
    return 32 + int.from_bytes(head[12:16], "little") if head.startswith(b"APETAGEX") else left


def _frame(head: bytes) -> _Frame | None:
    """Read a frame's header; None if it is none, or of a bit rate that it does not tell."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    rate_code, bit_code = head[2] >> 2 & 3, head[2] >> 4
    if version == 1 or layer == 4 or rate_code == 3 or not 1 <= bit_code <= 14:
        return None
    one = version == 3
    rate = _RATES[rate_code] // {3: 1, 2: 2, 0: 4}[version]
    bits = 1000 * _BIT_RATES[one, layer][bit_code - 1]
    padding = head[2] >> 1 & 1
    samples = 384 if layer == 1 else 1152 if layer == 2 or one else 576
    size = (12 * bits // rate + padding) * 4 if layer == 1 else samples // 8 * bits // rate + padding
    return _Frame(size, samples, rate, 1 if head[3] >> 6 == 3 else 2, head[:4])


def _side_bytes(frame: _Frame) -> int:
    """Return bytes between a frame's header and its sound, with the header, where Xing's begins."""
    if frame.samples == 1152:
        return 4 + (17 if frame.channels == 1 else 32)
    return 4 + (9 if frame.channels == 1 else 17)


def _stated(content: bytes) -> int | None:
    """Return how many frames the header in a first frame counts; None where there is none.

    One of Fraunhofer's, which libsndfile does not heed, or of Xing's without a count counts none.
    """
    frame = _frame(content[:4])
    if frame is None:
        return None
    if content[36:40] == b"VBRI":
        return 0
    xing = content[_side_bytes(frame) :]
    if xing[:4] not in (b"Xing", b"Info"):
        return None
    return int.from_bytes(xing[8:12], "big") if len(xing) >= 12 and xing[7] & 1 else 0


def _header(counted: _Count) -> bytes:
    """Return a first frame without sound, with Xing's header of the frames that follow."""
    first = counted.first.first
    # The same version, rate and channels, without a checksum, at the highest bit rate: room enough.
    head = bytes((first[0], first[1] | 1, first[2] & 0x0C | 0xE0, first[3]))
    frame = _frame(head)
    assert frame is not None
    xing = b"Xing" + struct.pack(">II", 1, counted.frames)
    content = head + bytes(_side_bytes(frame) - 4) + xing
    return content + bytes(frame.size - len(content))
