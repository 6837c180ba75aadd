"""Density and coverage: whether clips lie where the reference does, and how much of it they cover.

Each window of the reference has a ball around it that just reaches its k-th nearest neighbor. Density is how many
balls a clip's window lies in, relative to how many are expected of music like the reference: a model that repeats the
most typical music has more. Coverage is the share of balls that any window lies in: a model that repeats itself covers
few. Both are averages of the published definition over many ways to assign the prompts to reference and clips, as
`metrics.neighborhoods` says; two sets of one distribution give 1 and 100·(1 − 2⁻ᵏ) %, on the same prompts or others.

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
from bench.contracts.notice import Notice
from bench.contracts.set_metric import EmbeddingSet, Reference
from bench.errors import UsageError
from metrics.grouped import Array, Chosen, Contributions, Grouped, GroupedMetric
from metrics.kernel import embeddings_of, genre_counts, genre_notice, of_genres, shared_genres
from metrics.neighborhoods import Neighborhoods, neighborhoods
from metrics.pairwise import check_windows

_BYTES = 1024
"""Bits that are converted to numbers at a time."""


class _Neighborhoods(GroupedMetric):
    """What density and coverage share: the balls around the reference's windows.

    Args:
        embedder: name of the embedder.
        embedder_params: its parameters.
        k: nearest neighbors in the reference that the ball around each of its windows reaches, 1 or more.
    """

    version = 2
    direction: ClassVar[Direction] = "higher"
    grows_with_clips = False

    def __init__(
        self, embedder: str = "musicnn-msd", embedder_params: Mapping[str, Any] | None = None, k: int = 5
    ) -> None:
        super().__init__(embedder, embedder_params)
        if k < 1:
            raise UsageError(f"k is {k}, must be 1 or more neighbors")
        self.k = k

    def considered(self, evaluated: EmbeddingSet, reference: Reference | None) -> EmbeddingSet:
        shared = _shared(evaluated, reference)
        return evaluated.part(of_genres(evaluated, shared)) if shared else evaluated

    def cautions(self, evaluated: EmbeddingSet, reference: Reference | None) -> tuple[Notice, ...]:
        return () if reference is None else genre_notice(evaluated, reference)

    def contributions(self, windows: Grouped, reference: Reference | None) -> Contributions:
        own = embeddings_of(reference)
        assert reference is not None
        check_windows(own.vectors, f"reference '{reference.name}'")
        shared = _shared(windows, reference)
        music = own.part(of_genres(own, shared)) if shared else own
        return self.measure(neighborhoods(windows, music, self.k, reference.fingerprint))

    @abstractmethod
    def measure(self, found: Neighborhoods) -> Contributions: ...


def _shared(evaluated: EmbeddingSet | Grouped, reference: Reference | None) -> tuple[str, ...]:
    """Return the genres of both, as `kad` compares them."""
    if reference is None or reference.embeddings is None:
        return ()
    return shared_genres(genre_counts(evaluated), genre_counts(reference.embeddings))


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
    """Percent of the balls that any unit reaches.

    Attributes:
        reached: a bit for each unit and ball, shape (units, bytes); bits that fill up a byte are 0.
        size: number of balls.
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
        """Yield the bits as numbers, some balls at a time, shape (units, balls)."""
        for start in range(0, self.reached.shape[1], _BYTES):
            yield np.unpackbits(self.reached[:, start : start + _BYTES], axis=1).astype(np.float32)


class Density(_Neighborhoods):
    """Mean number of the reference's balls that a window lies in, over the expected number: 1 for music like the
    reference.

    Greater for music that is closer to what is typical, smaller for music that is farther from the reference than the
    reference is from itself.
    """

    cannot_tell = "whether what lies close to the reference is good, or only alike"

    def measure(self, found: Neighborhoods) -> Contributions:
        """Return the sums and counts that the mean over windows is made of."""
        # Of equal distributions, as many clips as neighbors lie in a ball that ends at a neighbor: both are equally
        # likely.
        return _Ratio(found.inside, found.dealt * found.neighbors / found.chances)


class Coverage(_Neighborhoods):
    """Percent of the reference's balls that hold a window of the model's; it falls when a model repeats itself.

    Music like the reference gives 100·(1 − 2⁻ᵏ), 96.9 for k = 5: a ball is missed where the k nearest are all assigned
    to the reference. Clips of one prompt count once: diversity measures whether they differ.
    """

    unit = "%"
    cannot_tell = "whether what lies close to the reference is good, or only varied"

    def measure(self, found: Neighborhoods) -> Contributions:
        """Return which balls each unit reaches."""
        return _Union(found.reached, found.balls)
