"""The vectors of one embedder in a file beside a run, which workers map into memory in place of being sent them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bench.contracts.embedder import Vectors
from bench.errors import DataError

PATTERN = "vectors-*.part"
"""Such files are left behind only by a driver that was killed; the next one removes them."""


class Rows(NamedTuple):
    """Where the vectors of one clip lie in a file of float32: the place of the first number, and the shape."""

    first: int
    windows: int
    dimension: int

    @property
    def end(self) -> int:
        """The place after the last number."""
        return self.first + self.windows * self.dimension


@dataclass(frozen=True)
class VectorFile:
    """Vectors in a file, in the order in which they were written.

    Attributes:
        path: of the file.
        rows: by content hash, where the vectors lie, or the reason why there are none.
    """

    path: Path
    rows: Mapping[str, Rows | str]


def read_vectors(path: Path, rows: Sequence[Rows]) -> Vectors:
    """Return the vectors of one clip or more, shape (windows, dimension), one clip after the other.

    They are read from the disk when they are looked at, where they lie so in the file.

    Args:
        path: of a `VectorFile`.
        rows: one or more of its rows.

    Raises:
        DataError: the clips have different dimensions.
    """
    dimensions = sorted({own.dimension for own in rows})
    if len(dimensions) > 1:
        raise DataError(f"the clips have embeddings of {dimensions[0]} and of {dimensions[-1]} dimensions")
    flat = np.asarray(np.memmap(path, dtype="<f4", mode="r"))
    vectors: Vectors
    if all(one.end == following.first for one, following in pairwise(rows)):
        vectors = flat[rows[0].first : rows[-1].end]
    else:
        vectors = np.concatenate([flat[own.first : own.end] for own in rows])
    return vectors.reshape(-1, dimensions[0])


@contextmanager
def written(path: Path, vectors: Iterable[tuple[str, Vectors | str]]) -> Iterator[VectorFile]:
    """Write vectors to a file, one clip in memory at a time; the file is gone afterwards.

    Args:
        path: the file, which must match `PATTERN`.
        vectors: by content hash, the vectors or the reason why there are none.

    Raises:
        OSError: the disk does not take it.
    """
    rows: dict[str, Rows | str] = {}
    first = 0
    try:
        with path.open("wb") as file:
            for content, found in vectors:
                rows[content] = found if isinstance(found, str) else Rows(first, *found.shape)
                if not isinstance(found, str):
                    first += found.size
                    file.write(np.ascontiguousarray(found, dtype="<f4").data)
        yield VectorFile(path.resolve(), rows)
    finally:
        path.unlink(missing_ok=True)
