"""The contract of set metrics: a set of clips against reference music."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from bench.embedder import EmbedderRef, Vectors
from bench.errors import DataError
from bench.metric import Direction, Estimate


@dataclass(frozen=True, eq=False)
class EmbeddingSet:
    """Embeddings of many recordings, one row a window.

    Attributes:
        vectors: float32, shape (windows, dimension); anything that slices to such an array will do (a memory map).
        recordings: int, shape (windows,): which recording or clip a window is from.
        groups: int, shape (windows,): what is dependent and resampled together: the prompt of a clip, or the recording.
        embedder: fingerprint of the embedder's identity.

    Raises:
        DataError: shapes that do not match.
    """

    vectors: Vectors
    recordings: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]
    embedder: str

    def __post_init__(self) -> None:
        windows = self.vectors.shape[0]
        if len(self.vectors.shape) != 2 or self.recordings.shape != (windows,) or self.groups.shape != (windows,):
            raise DataError(
                f"embeddings of shape {self.vectors.shape} with {self.recordings.shape} recordings and "
                f"{self.groups.shape} groups: one of each a window is needed"
            )

    @property
    def windows(self) -> int:
        return int(self.vectors.shape[0])

    @property
    def dimension(self) -> int:
        return int(self.vectors.shape[1])

    def part(self, keep: npt.NDArray[np.bool_]) -> EmbeddingSet:
        """Only the windows where ``keep``, shape (windows,), is true."""
        return EmbeddingSet(self.vectors[keep], self.recordings[keep], self.groups[keep], self.embedder)


@dataclass(frozen=True, eq=False)
class Reference:
    """Music to be close to: its embeddings, or only their Gaussian.

    Attributes:
        name: as tables show it.
        embedder: fingerprint of the embedder's identity.
        fingerprint: identity of the reference, a part of the key of every score against it.
        windows: how many windows mean and covariance are of.
        mean: float64, shape (dimension,).
        covariance: float64, shape (dimension, dimension), ddof = 1.
        embeddings: the windows themselves, grouped by recording, or None where only the Gaussian was kept.
        genres: genre of each recording by its number, where known.
        warnings: what every score against it must say, as in `bench.metric.Estimate`.
        about: licence, provenance, hashes of the recordings.
    """

    name: str
    embedder: str
    fingerprint: str
    windows: int
    mean: npt.NDArray[np.float64]
    covariance: npt.NDArray[np.float64]
    embeddings: EmbeddingSet | None = None
    genres: Mapping[int, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """B − A of two sets against one reference.

    ``low`` and ``high`` are the 95 % jackknife interval, ``p`` the permutation test's; ``null`` says in a sentence what
    p is the probability under. None where it cannot be said; ``reason`` says why.
    """

    estimate: float | None
    low: float | None
    high: float | None
    p: float | None
    null: str
    reason: str | None = None
    warnings: tuple[str, ...] = ()


class SetMetric(ABC):
    """One number for a set of clips against a reference set, with its interval.

    Parameters are keyword arguments of ``__init__``, with defaults, as for clip metrics.

    Class attributes: ``version``, ``unit`` and ``direction`` as for `bench.ClipMetric`.
        embedders: the one embedder it is defined on; an instance attribute where that is a parameter.
        needs_reference: whether it compares with a reference at all.
    """

    version: ClassVar[int] = 1
    unit: ClassVar[str] = ""
    direction: ClassVar[Direction] = "lower"
    needs_reference: ClassVar[bool] = True
    embedders: tuple[EmbedderRef, ...]

    @abstractmethod
    def evaluate(self, evaluated: EmbeddingSet, reference: Reference | None) -> Estimate:
        """Compare a set of clips with a reference; the interval is conditional on the reference.

        Too few prompts or windows is an `Estimate` with a reason. ``Estimate.n`` counts clips.

        Raises:
            UsageError: the two are of different embedders, or the reference lacks what is needed.
            DataError: embeddings that are not finite.
        """

    def difference(self, a: EmbeddingSet, b: EmbeddingSet, reference: Reference | None, seed: int) -> Difference:
        """B − A, paired by group, with the jackknife interval and a permutation test that swaps whole groups."""
        del a, b, reference, seed
        return Difference(None, None, None, None, "", "this metric has no test for differences")


def gather(parts: Sequence[tuple[int, int, Vectors]], embedder: str, dimension: int) -> EmbeddingSet:
    """Join (recording, group, vectors) of many clips into one set."""
    if not parts:
        empty = np.zeros(0, dtype=np.int64)
        return EmbeddingSet(np.zeros((0, dimension), dtype=np.float32), empty, empty, embedder)
    recordings = np.concatenate([np.full(len(vectors), recording, dtype=np.int64) for recording, _, vectors in parts])
    groups = np.concatenate([np.full(len(vectors), group, dtype=np.int64) for _, group, vectors in parts])
    return EmbeddingSet(np.concatenate([vectors for *_, vectors in parts]), recordings, groups, embedder)
