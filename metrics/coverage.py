"""Density and coverage: whether clips lie where the reference does, and how much of it they reach.

Each window of the reference has a ball around it that just reaches its k-th nearest neighbour. Density is how many
balls a clip's window lies in, in units of k: about 1 for music like the reference, more for a model that repeats what
is most typical. Coverage is the share of balls that any window lies in: a model that repeats itself reaches few.

Neighbours of the same recording do not count. Its windows are alike as no two recordings are, so that a ball would have
the size of one recording's inner variation, and music of the same kind, but of another recording, would miss it.

Naeem et al., "Reliable fidelity and diversity metrics for generative models", ICML 2020, eq. 5 and 6; k = 5 as there.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from bench.contracts.metric import Direction
from bench.contracts.set_metric import Reference
from bench.errors import Undefined, UsageError
from bench.number_format import counted
from metrics.grouped import Array, Chosen, Contributions, Grouped, GroupedMetric
from metrics.kernel import embeddings_of
from metrics.pairwise import Windows, check_windows, distance_blocks, of_one_label, sums_of_rows

_BYTES = 1024
"""Of bits that are numbers at once."""


def squared_radii(reference: Windows, recordings: npt.NDArray[np.int64], k: int = 5) -> Array:
    """Squared distance of each window to its k-th nearest neighbour in another recording, shape (windows,).

    Infinite where other recordings have fewer than k windows.
    """
    nearest = np.full((len(reference), k), np.inf)
    for row, column, squared in distance_blocks(reference, reference):
        rows = slice(row, row + len(squared))
        alike = of_one_label(recordings[rows], recordings[column : column + squared.shape[1]])
        if alike is not None:
            squared[alike] = np.inf
        _keep_nearest(nearest[rows], squared)
    radii: Array = nearest.max(axis=1)
    return radii


def _keep_nearest(nearest: Array, squared: Array) -> None:
    """Replace the k smallest values known of each row, in any order, by those of what is known and what is new."""
    k = nearest.shape[1]
    if np.isinf(nearest).any():
        if squared.shape[1] > k:
            squared = np.partition(squared, k - 1, axis=1)[:, :k]
        nearest[:] = np.partition(np.hstack([nearest, squared]), k - 1, axis=1)[:, :k]
        return
    # Few values are below what is known after the first blocks: only these are sorted in.
    found = np.flatnonzero(squared < nearest.max(axis=1)[:, np.newaxis])
    rows, columns = np.divmod(found, squared.shape[1])
    changed, first, counts = np.unique(rows, return_index=True, return_counts=True)
    new = np.full((len(changed), k + int(counts.max(initial=0))), np.inf)
    new[:, :k] = nearest[changed]
    within = np.arange(len(rows)) - np.repeat(first, counts)
    new[np.repeat(np.arange(len(changed)), counts), k + within] = squared[rows, columns]
    nearest[changed] = np.partition(new, k - 1, axis=1)[:, :k]


class _Neighbourhoods(GroupedMetric):
    """What density and coverage share: the balls around the reference's windows."""

    version = 1
    direction: ClassVar[Direction] = "higher"

    def __init__(
        self, embedder: str = "musicnn-msd", embedder_params: Mapping[str, Any] | None = None, k: int = 5
    ) -> None:
        super().__init__(embedder, embedder_params)
        if k < 1:
            raise UsageError(f"k is {k}, must be 1 or more neighbours")
        self.k = k
        self._known: dict[str, Array] = {}

    def contributions(self, windows: Grouped, reference: Reference | None) -> Contributions:
        own = embeddings_of(reference)
        assert reference is not None
        if reference.fingerprint not in self._known:
            check_windows(own.vectors, f"reference '{reference.name}'")
            radii = squared_radii(own.vectors, own.recordings, self.k)
            if not np.isfinite(radii).all():
                recordings = counted(len(np.unique(own.recordings)), "recording")
                raise Undefined(
                    f"the reference has {recordings} of {counted(own.windows, 'window')}, "
                    f"needs {self.k} neighbours in other recordings for each"
                )
            if not radii.any():
                raise Undefined("the windows of the reference all have the same embedding")
            self._known[reference.fingerprint] = radii
        return self._measure(windows, own.vectors, self._known[reference.fingerprint])

    @abstractmethod
    def _measure(self, windows: Grouped, reference: Windows, squared: Array) -> Contributions: ...


@dataclass(frozen=True, eq=False)
class _Ratio(Contributions):
    """A mean over windows: sums and counts of the units."""

    sums: Array
    counts: Array

    def values(self, chosen: Chosen) -> Array:
        result: Array = (chosen @ self.sums) / (chosen @ self.counts)
        return result

    def left_out(self, chosen: Chosen) -> Array:
        sums, counts = self.sums[chosen], self.counts[chosen]
        result: Array = (sums.sum() - sums) / (counts.sum() - counts)
        return result


@dataclass(frozen=True, eq=False)
class _Union(Contributions):
    """Percent of the reference that any unit reaches.

    Attributes:
        reached: a bit for each unit and window of the reference, shape (units, bytes).
        size: windows of the reference.
    """

    reached: npt.NDArray[np.uint8]
    size: int

    def values(self, chosen: Chosen) -> Array:
        covered = sum((chosen.astype(np.float32) @ part > 0).sum(axis=1) for part in self._parts())
        result: Array = 100 * covered / self.size
        return result

    def left_out(self, chosen: Chosen) -> Array:
        covered, alone = 0, np.zeros(int(chosen.sum()))
        for part in self._parts():
            own = part[chosen]
            units = own.sum(axis=0)
            covered += int(np.count_nonzero(units))
            alone += own @ (units == 1)  # what nobody else reaches
        result: Array = 100 * (covered - alone) / self.size
        return result

    def _parts(self) -> Iterator[npt.NDArray[np.float32]]:
        """The bits as numbers, some windows of the reference at a time, shape (units, windows)."""
        for start in range(0, self.reached.shape[1], _BYTES):
            bits = np.unpackbits(self.reached[:, start : start + _BYTES], axis=1, count=None)
            yield bits[:, : self.size - 8 * start].astype(np.float32)


class Density(_Neighbourhoods):
    """Mean number of the reference's balls that a window lies in, over k; about 1 for music like the reference.

    Nearer to 1.1 where clips are of the prompts that the reference was made of, and less than 1 for other prompts where
    many recordings of the reference are of one prompt: its neighbours are then music of that prompt.
    """

    grows_with_clips = False

    def _measure(self, windows: Grouped, reference: Windows, squared: Array) -> Contributions:
        balls = np.zeros(len(windows.vectors))
        for row, column, block in distance_blocks(windows.vectors, reference):
            inside = block < squared[column : column + block.shape[1]]
            balls[row : row + len(block)] += inside.sum(axis=1, dtype=np.int16)
        return _Ratio(np.add.reduceat(balls, windows.starts) / self.k, windows.counts.astype(np.float64))


class Coverage(_Neighbourhoods):
    """Percent of the reference's balls that hold a window of the model's; it falls when a model repeats itself.

    It grows with the number of windows: compare at equal numbers of clips over the same prompts.
    """

    unit = "%"

    def _measure(self, windows: Grouped, reference: Windows, squared: Array) -> Contributions:
        units = np.repeat(np.arange(len(windows.starts)), windows.counts)
        reached = np.zeros((len(windows.starts), -(-len(reference) // 8)), dtype=np.uint8)
        for row, column, block in distance_blocks(windows.vectors, reference):
            inside = block < squared[column : column + block.shape[1]]
            here = units[row : row + len(block)]
            first = np.flatnonzero(np.r_[True, here[1:] != here[:-1]]).astype(np.int64)
            bits = np.packbits(sums_of_rows(inside.astype(np.int16), first) > 0, axis=1)
            reached[here[first], column // 8 : column // 8 + bits.shape[1]] |= bits
        return _Union(reached, len(reference))
