"""FLAC: count the frames of a file by its last block instead of its header.

An encoder that writes to a pipe cannot fill in the length afterwards, and leaves 0. The format is that of
RFC 9639.
"""

from __future__ import annotations

import math
import os
from functools import cache
from typing import BinaryIO

from bench.decoding.spliced_file import SplicedFile
from bench.errors import DataError

_INFO = 26
"""Bytes up to the end of the length, in the first metadata block."""
_TAIL = 1 << 16
_LONGEST_BLOCK = 1 << 22  # bytes: 65,535 samples of 8 channels take fewer
_ID3V1 = 128
_LONGEST_HEADER, _SHORTEST_BLOCK = 16, 8  # bytes
_SYNC = b"\xff"
_MOST_PLACES, _MOST_HEADERS = 100_000, 8
"""Maximum positions and headers to check, so that crafted files do not take long. A tail of
audio has some hundred positions, and rarely a false header."""


def whole_flac(file: BinaryIO, seconds: float) -> BinaryIO:
    """Return a FLAC file with a header that has the number of samples.

    Args:
        file: the file.
        seconds: needed length.

    Raises:
        DataError: it has less than its header says, or the header lacks the length and the last block is cut.
    """
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(_INFO)
    if len(head) < _INFO or head[:5] not in (b"fLaC\0", b"fLaC\x80"):
        return file
    packed = int.from_bytes(head[18:26], "big")
    stated = packed & (1 << 36) - 1
    there = _samples_to_the_end(file, length, int.from_bytes(head[10:12], "big"))
    if there is None:
        if not stated and seconds == math.inf:
            raise DataError("truncated, its last block is cut")
        return file
    if there < min(stated, seconds * (packed >> 44)):
        raise DataError("truncated, the file ends before the audio does")
    if stated >= there:
        return file
    head = head[:18] + (packed - stated + there).to_bytes(8, "big")
    return SplicedFile(file, head, _INFO)  # type: ignore[return-value]


def _samples_to_the_end(file: BinaryIO, length: int, block: int) -> int | None:
    """Return the number of samples up to the end of the last block; None if it is cut or damaged.

    Args:
        file: the file.
        length: of it, in bytes.
        block: samples of every block except the last, if blocks are numbered.
    """
    file.seek(max(length - _ID3V1, 0))
    end = length - _ID3V1 if file.read(3) == b"TAG" else length
    tail, places, headers = _TAIL, 0, 0
    while True:
        file.seek(max(end - tail, 0))
        content = file.read(min(tail, end))
        place, view = len(content), memoryview(content)
        while (place := content.rfind(_SYNC, 0, place)) >= 0 and places < _MOST_PLACES and headers < _MOST_HEADERS:
            places += 1
            samples = _end_by_header(view[place : place + _LONGEST_HEADER], block)
            if samples is None:
                continue
            headers += 1
            if _crc(view[place:-2], 16, 0x8005) == int.from_bytes(view[-2:], "big"):
                return samples
        if tail >= min(_LONGEST_BLOCK, end) or place >= 0:
            return None
        tail *= 8


def _end_by_header(head: memoryview, block: int) -> int | None:
    """Return the number of samples up to the end of a block by its header; None if ``head`` is not one."""
    if len(head) < _SHORTEST_BLOCK or head[1] & 0xFE != 0xF8:
        return None
    number, taken = _coded_number(head[4:])
    size, used = _block_size(head[2] >> 4, head[4 + taken : 6 + taken])
    end = 4 + taken + used + {12: 1, 13: 2, 14: 2}.get(head[2] & 0x0F, 0)
    if not taken or not size or len(head) <= end or _crc(head[:end], 8, 0x07) != head[end]:
        return None
    return (number if head[1] & 1 else number * block) + size


def _coded_number(content: memoryview) -> tuple[int, int]:
    """Return a number as UTF-8 codes it, with up to 36 bits, and the bytes that it takes; 0 bytes where it is none."""
    first = content[0]
    if first < 0x80:
        return first, 1
    more = next((n for n in range(1, 7) if not first >> 6 - n & 1), 0)
    if not first & 0x40 or not more or len(content) <= more:
        return 0, 0
    number = first & (1 << 6 - more) - 1
    for byte in content[1 : 1 + more]:
        if byte >> 6 != 2:
            return 0, 0
        number = number << 6 | byte & 0x3F
    return number, 1 + more


def _block_size(code: int, behind: memoryview) -> tuple[int, int]:
    """Return samples of a block, and the bytes behind the number that tell them."""
    if code in (6, 7):
        used = code - 5
        return int.from_bytes(behind[:used], "big") + 1, used
    if code == 1:
        return 192, 0
    return (576 << code - 2 if 2 <= code <= 5 else 256 << code - 8 if code >= 8 else 0), 0


def _crc(content: memoryview, bits: int, polynomial: int) -> int:
    table = _crc_table(bits, polynomial)
    mask, found = (1 << bits) - 1, 0
    for byte in content:
        found = (found << 8 & mask) ^ table[found >> bits - 8 ^ byte]
    return found


@cache
def _crc_table(bits: int, polynomial: int) -> list[int]:
    mask, table = (1 << bits) - 1, []
    for byte in range(256):
        value = byte << bits - 8
        for _ in range(8):
            value = (value << 1 & mask) ^ (polynomial if value >> bits - 1 else 0)
        table.append(value)
    return table
