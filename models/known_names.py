"""Names that are there, for messages about one that is not."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate

_SHOWN = 4


class KnownNames:
    """Names in alphabetical order, of which a message shows a few."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = sorted(names)
        lowered = [f"{name.lower()}\0" for name in self._names]
        self._text = "".join(lowered)
        self._starts = [0, *accumulate(map(len, lowered))]

    def __len__(self) -> int:
        return len(self._names)

    def nearest(self, id: str) -> str:
        """The first few, those that contain ``id`` before the others; one search through the text, as it may be asked
        for every prompt of a long suite."""
        likely: list[int] = []
        at = self._text.find(id.lower())
        while at >= 0 and len(likely) < _SHOWN:
            likely.append(bisect_right(self._starts, at) - 1)
            at = self._text.find(id.lower(), self._starts[likely[-1] + 1])
        others = [place for place in range(min(len(self), 2 * _SHOWN)) if place not in likely]
        shown = [self._names[place] for place in (likely + others)[:_SHOWN]]
        return ", ".join(shown) + (", …" if len(self) > _SHOWN else "")
