"""A part of a file behind other first bytes, which a decoder reads as a file of its own."""

from __future__ import annotations

import io
import os
from typing import BinaryIO


class SplicedFile(io.RawIOBase):
    """The bytes of ``head``, then those of a file from ``start`` up to ``end``. Nothing is copied.

    Several may share one file, since each looks for its place before it reads.

    Args:
        file: open for reading; it stays open when this one is closed.
        head: what comes first.
        start: offset in the file of what follows.
        end: offset behind the last byte; None for the end of the file.
    """

    def __init__(self, file: BinaryIO, head: bytes = b"", start: int = 0, end: int | None = None) -> None:
        self._file, self._head, self._start = file, head, start
        self._length = len(head) + max((file.seek(0, os.SEEK_END) if end is None else end) - start, 0)
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._length}[whence]
        self._place = max(origin + offset, 0)
        return self._place

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        wanted = min(len(buffer), self._length - self._place)
        if wanted <= 0:
            return 0
        # A short read would be the end of the file to libsndfile.
        part = self._head[self._place : self._place + wanted]
        if len(part) < wanted:
            self._file.seek(self._start + max(self._place - len(self._head), 0))
            part += self._file.read(wanted - len(part))
        buffer[: len(part)] = part
        self._place += len(part)
        return len(part)
