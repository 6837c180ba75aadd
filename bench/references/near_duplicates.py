"""Near-duplicates among recordings, by their fingerprints: the same music in another encoding, or an excerpt.

Two recordings are taken to share a stretch if `WINDOW` numbers (7 s, which 10 s of sound contain) differ in at
most `MOST_APART` of their bits, and to be the same if they agree while both last. `docs/contamination.md` says what
this finds and what it confuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.contracts.sound_fingerprint import STEP, Fingerprint

WINDOW = 56
"""Length of a compared stretch in numbers; a shorter recording is compared as a whole, if it has `FEWEST`."""

FEWEST = 40
"""Minimum length of a recording in numbers: 7.6 s of sound."""

MOST_APART = 0.08
"""Share of the bits of a stretch that may differ: re-encoded, resampled and cut music has .05 at most, and music of one
genre, key and tempo by one composer .12 at least (48 pieces; `docs/contamination.md` has others)."""

MOST_THROUGHOUT = MOST_APART
"""Share of bits that may differ over the common length of the same recording; by chance half do."""

_DISTINCT = 0.25  # of a stretch's numbers; long chords or silence look alike
_PLACES = 20_000  # occurrences of the query's numbers among the known ones, rarest first
_MOST = 200  # alignments of one recording that are checked
_BITS = np.array([bin(byte).count("1") for byte in range(256)], dtype=np.uint8)


@dataclass(frozen=True)
class Duplicate:
    """Two recordings that share a stretch.

    Attributes:
        query, known: their positions among the compared recordings.
        apart: share of the stretch's bits that differ, in [0, `MOST_APART`].
        throughout: share of the bits that differ over their common length.
        query_time, known_time: its start in each, in seconds.
    """

    query: int
    known: int
    apart: float
    throughout: float
    query_time: float
    known_time: float


class Stretch(NamedTuple):
    """A stretch that two fingerprints share: `Duplicate.apart`, ``throughout``, and its start positions in both."""

    apart: float
    throughout: float
    here: int
    there: int


class FingerprintIndex:
    """An index of recordings for finding duplicates.

    Args:
        known: the fingerprints of each recording: one, or several with starts shifted by fractions of a step.
    """

    def __init__(self, known: Sequence[Sequence[Fingerprint]]) -> None:
        prints = [(place, one) for place, own in enumerate(known) for one in own if len(one) >= FEWEST]
        self._prints = [one for _, one in prints]
        self._places = np.array([place for place, _ in prints], dtype=np.int64)
        lengths = np.array([len(one) for one in self._prints], dtype=np.int64)
        values = np.concatenate([np.zeros(0, np.uint32), *self._prints])
        order = np.argsort(values, kind="stable")
        self._values = values[order]
        self._owners = np.repeat(np.arange(len(lengths)), lengths)[order]
        starts = np.cumsum(lengths) - lengths
        self._offsets = (np.arange(len(values)) - np.repeat(starts, lengths))[order]

    def find(self, query: Sequence[Fingerprint]) -> list[tuple[int, Stretch]]:
        """Return the positions of known recordings that share a stretch with a query, each with its best stretch.

        Args:
            query: fingerprints of one recording.
        """
        best: dict[int, Stretch] = {}
        for one in query:
            for owner, shift in self._alignments(one):
                found = stretch(one, self._prints[owner], shift)
                place = int(self._places[owner])
                if found is not None and (place not in best or found.apart < best[place].apart):
                    best[place] = found
        return sorted(best.items())

    def _alignments(self, query: Fingerprint) -> Iterator[tuple[int, int]]:
        """Yield known fingerprints with the query's offset in them; those that share most numbers first."""
        if len(query) < FEWEST or not len(self._values):
            return
        low = np.searchsorted(self._values, query, "left")
        counts = np.searchsorted(self._values, query, "right") - low
        some = np.flatnonzero(counts)
        if not len(some):
            return
        rarest = some[np.argsort(counts[some], kind="stable")]
        some = rarest[: max(1, int(np.searchsorted(np.cumsum(counts[rarest]), _PLACES, "right")))]
        at = np.repeat(low[some] - (np.cumsum(counts[some]) - counts[some]), counts[some]) + np.arange(
            int(counts[some].sum())
        )
        shifts = self._offsets[at] - np.repeat(some, counts[some])
        found, votes = np.unique(np.stack([self._owners[at], shifts]), axis=1, return_counts=True)
        for place in np.argsort(-votes, kind="stable")[:_MOST]:
            yield int(found[0, place]), int(found[1, place])


def stretch(one: Fingerprint, other: Fingerprint, shift: int) -> Stretch | None:
    """Return the stretch in which two fingerprints differ least.

    None if they overlap too little, if no stretch is similar enough, or if similar ones have too few distinct
    numbers for a decision.

    Args:
        one, other: fingerprints.
        shift: position in ``other`` at which ``one`` begins; negative if before.
    """
    begin, end = max(0, -shift), min(len(one), len(other) - shift)
    size = min(WINDOW, len(one), len(other))
    if size < FEWEST or end - begin < size:
        return None
    here, there = one[begin:end], other[begin + shift : end + shift]
    differing = np.concatenate([[0], np.cumsum(bits(here ^ there))])
    apart = (differing[size:] - differing[:-size]) / (32 * size)
    for place in np.argsort(apart, kind="stable")[:size].tolist():
        if apart[place] > MOST_APART:
            break
        distinct = min(len(np.unique(part[place : place + size])) for part in (here, there))
        if distinct >= _DISTINCT * size:
            throughout = float(differing[-1] / (32 * len(here)))
            return Stretch(float(apart[place]), throughout, begin + place, begin + place + shift)
    return None


def bits(numbers: Fingerprint) -> npt.NDArray[np.int64]:
    """Return the number of set bits of each number, shape (numbers,).

    >>> bits(np.array([0, 1, 2**32 - 1], dtype=np.uint32)).tolist()
    [0, 1, 32]
    """
    found: npt.NDArray[np.int64] = _BITS[np.ascontiguousarray(numbers).view(np.uint8)].reshape(-1, 4).sum(1)
    return found


def near_duplicates(
    queries: Iterable[Sequence[Fingerprint]], known: Sequence[Sequence[Fingerprint]]
) -> Iterator[Duplicate]:
    """Yield every pair of a query and a known recording that share a stretch, in the order of the queries.

    Args:
        queries, known: the fingerprints of each recording, as for `FingerprintIndex`.
    """
    index = FingerprintIndex(known)
    for place, query in enumerate(queries):
        for other, found in index.find(query):
            yield Duplicate(place, other, found.apart, found.throughout, found.here * STEP, found.there * STEP)
