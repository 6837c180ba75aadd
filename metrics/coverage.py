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
from collections.abc import Mapping
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
from metrics.pairwise import Windows, check_windows, distance_blocks


def squared_radii(reference: Windows, recordings: npt.NDArray[np.int64], k: int = 5) -> Array:
    """Squared distance of each window to its k-th nearest neighbour in another recording, shape (windows,).

    Infinite where other recordings have fewer than k windows.
    """
    nearest = np.full((len(reference), k), np.inf)
    for row, column, squared in distance_blocks(reference, reference):
        rows, columns = slice(row, row + len(squared)), slice(column, column + squared.shape[1])
        squared[recordings[rows, np.newaxis] == recordings[columns]] = np.inf
        candidates = np.hstack([nearest[rows], squared])
        nearest[rows] = np.partition(candidates, k - 1, axis=1)[:, :k]
    radii: Array = nearest.max(axis=1)
    return radii


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


@dataclass(frozen=True, eq=False)
class _Union(Contributions):
    """Percent of the reference that any unit reaches; ``reached`` has shape (units, windows of the reference)."""

    reached: npt.NDArray[np.float32]

    def values(self, chosen: Chosen) -> Array:
        result: Array = 100 * (chosen.astype(np.float32) @ self.reached > 0).mean(axis=1)
        return result


class Density(_Neighbourhoods):
    """Mean number of the reference's balls that a window lies in, over k; about 1 for music like the reference."""

    grows_with_clips = False

    def _measure(self, windows: Grouped, reference: Windows, squared: Array) -> Contributions:
        balls = np.zeros(len(windows.vectors))
        for row, column, block in distance_blocks(windows.vectors, reference):
            inside = block < squared[column : column + block.shape[1]]
            balls[row : row + len(block)] += inside.sum(axis=1)
        return _Ratio(np.add.reduceat(balls, windows.starts) / self.k, windows.counts.astype(np.float64))


class Coverage(_Neighbourhoods):
    """Percent of the reference's balls that hold a window of the model's; it falls when a model repeats itself.

    It grows with the number of windows: compare at equal numbers of clips over the same prompts.
    """

    unit = "%"

    def _measure(self, windows: Grouped, reference: Windows, squared: Array) -> Contributions:
        units = np.repeat(np.arange(len(windows.starts)), windows.counts)
        reached = np.zeros((len(windows.starts), len(reference)), dtype=np.float32)
        for row, column, block in distance_blocks(windows.vectors, reference):
            inside = block < squared[column : column + block.shape[1]]
            here = units[row : row + len(block)]
            first = np.flatnonzero(np.r_[True, here[1:] != here[:-1]])
            part = reached[here[first], column : column + block.shape[1]]
            reached[here[first], column : column + block.shape[1]] = np.maximum(
                part, np.logical_or.reduceat(inside, first, axis=0)
            )
        return _Union(reached)
