"""Long audio in overlapping windows, so that a network reads or makes it piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Window(NamedTuple):
    """Frames ``begin`` to ``end`` are computed, of which ``kept_from`` to ``kept_to`` are kept."""

    begin: int
    end: int
    kept_from: int
    kept_to: int


def windows(frames: int, size: int, context: int) -> Iterator[Window]:
    """Yield windows whose kept parts follow each other from frame 0 to the last without a gap.

    Audio that fits into one window is one. Otherwise each has exactly ``size`` frames, and its kept part lies at least
    ``context`` frames from an edge that is not the edge of the audio.

    Args:
        frames: length of the audio, ≥ 1.
        size: longest window, > 2 · context.
        context: ≥ 0.
    """
    if frames <= size:
        yield Window(0, frames, 0, frames)
        return
    done = 0
    while done < frames:
        begin = min(max(0, done - context), frames - size)
        end = begin + size
        until = frames if end == frames else end - context
        yield Window(begin, end, done, until)
        done = until
