"""Ogg: consecutive streams in a file, and damaged or missing pages. The format is RFC 3533's.

A decoder skips a page with a wrong checksum, and libsndfile stops at the end of the first of several
streams; neither raises an error.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from bench.decoding.spliced_file import SplicedFile
from bench.errors import DataError

_MOST_LINKS = 1000
_PAGE = struct.Struct("<4sBBqIIIB")
_CONTINUED, _BEGINS, _ENDS = 1, 2, 4
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_SKIPPED = 1 << 16


class _Page(NamedTuple):
    """A page: where it begins and ends in the file, in bytes, and what its header says."""

    start: int
    end: int
    flags: int
    position: int
    stream: int
    number: int
    content: bytes


@dataclass
class _Link:
    """Parallel streams, from their first pages to their last."""

    start: int
    open: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0
    rates: dict[int, float] = field(default_factory=dict)
    begun: bool = False

    def take(self, page: _Page) -> None:
        """Follow one page.

        Raises:
            DataError: pages before it are missing.
        """
        if page.flags & _BEGINS:
            self.rates[page.stream] = _position_rate(page.content)
        elif self.open.get(page.stream) != page.number:
            raise DataError("damaged, a page of the Ogg stream is missing")
        else:
            self.begun = True
        self.open[page.stream] = page.number + 1
        if page.position > 0 and (rate := self.rates[page.stream]):
            self.seconds = max(self.seconds, page.position / rate)
        if page.flags & _ENDS:
            del self.open[page.stream]


def links_of(file: BinaryIO, seconds: float) -> list[BinaryIO]:
    """Return the streams of an Ogg file that follow one another, each as a file; the file itself if it is one.

    Args:
        file: the file.
        seconds: needed length; further pages are not checked.

    Raises:
        DataError: a page is damaged or missing, a stream does not end, or there are more than 1,000.
    """
    starts: list[int] = []
    link, before = _Link(0), 0.0
    for page in _pages(file):
        if page.flags & _BEGINS and (link.begun or not starts):
            _check_ended(link)
            before += link.seconds
            link = _Link(page.start)
            starts.append(page.start)
            if len(starts) > _MOST_LINKS:
                raise DataError(f"contains more than {_MOST_LINKS} consecutive streams")
        link.take(page)
        if before + link.seconds >= seconds:
            break
    else:
        _check_ended(link)
    if len(starts) < 2:
        return [file]
    length = file.seek(0, os.SEEK_END)
    ends = [*starts[1:], length]
    return [SplicedFile(file, b"", start, end) for start, end in zip(starts, ends, strict=True)]  # type: ignore[misc]


def _check_ended(link: _Link) -> None:
    if link.open:
        raise DataError("truncated, the file ends before the audio does")


def _pages(file: BinaryIO) -> Iterator[_Page]:
    """Yield the pages of a file, one after another.

    Raises:
        DataError: one does not agree with its checksum, or is cut.
    """
    place = 0
    while True:
        file.seek(place)
        head = file.read(_PAGE.size)
        if not head.startswith(b"OggS"):
            found = _next_page(file, place)
            if found is None:
                return
            place = found
            continue
        table = file.read(head[-1]) if len(head) == _PAGE.size else b""
        content = file.read(sum(table))
        if len(head) < _PAGE.size or len(table) < head[-1] or len(content) < sum(table):
            raise DataError("truncated, the file ends before the audio does")
        _, _, flags, position, stream, number, checksum, _ = _PAGE.unpack(head)
        if checksum != _checksum(head[:22] + bytes(4) + head[26:] + table + content):
            raise DataError("damaged, a page of the Ogg stream has a wrong checksum")
        end = place + len(head) + len(table) + len(content)
        yield _Page(place, end, flags, position, stream, number, content)
        place = end


def _next_page(file: BinaryIO, place: int) -> int | None:
    """Return the position of the next page, skipping other content."""
    while True:
        file.seek(place)
        content = file.read(_SKIPPED)
        found = content.find(b"OggS")
        if found >= 0:
            return place + found
        if len(content) < _SKIPPED:
            return None
        place += len(content) - 3


def _checksum(page: bytes) -> int:
    """Return Ogg's CRC-32: zlib's polynomial with the bits in the other order, from 0 and not inverted."""
    found = zlib.crc32(page.translate(_REVERSED), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int.from_bytes(found.to_bytes(4, "little").translate(_REVERSED), "big")


def _position_rate(content: bytes) -> float:
    """Return the steps per second that a stream's pages count, from its first packet; 0 if unknown."""
    if content.startswith(b"OpusHead"):
        return 48_000
    if content.startswith(b"\x01vorbis") and len(content) >= 16:
        return float(int.from_bytes(content[12:16], "little"))
    return 0.0
