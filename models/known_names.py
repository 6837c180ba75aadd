"""Names that exist, for messages about one that does not."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import islice

_SHOWN = 4
_LOOKED_THROUGH = 100  # names to search for one that contains the text; in longer lists only prefixes are found


class KnownNames:
    """Names in alphabetical order, of which a message shows a few.

    It may be called for every prompt of a long suite, so its time must not grow with the number of names.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = sorted(names, key=lambda name: (name.lower(), name))
        self._lowered = [name.lower() for name in self._names]

    def __len__(self) -> int:
        return len(self._names)

    def nearest(self, id: str) -> str:
        """Return the first few: those that begin with ``id`` before those that contain it, and these before the
        others."""
        sought = id.lower()
        first = bisect_left(self._lowered, sought)
        likely = [
            place for place in range(first, min(first + _SHOWN, len(self))) if self._lowered[place].startswith(sought)
        ]
        if len(self) <= _LOOKED_THROUGH:
            holding = (place for place, name in enumerate(self._lowered) if sought in name and place not in likely)
            likely += tuple(islice(holding, _SHOWN - len(likely)))
        others = [place for place in range(min(len(self), 2 * _SHOWN)) if place not in likely]
        shown = [self._names[place] for place in (likely + others)[:_SHOWN]]
        return ", ".join(shown) + (", …" if len(self) > _SHOWN else "")
