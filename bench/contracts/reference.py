"""Reference music and sets of embeddings, which set metrics compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from bench.contracts.embedder import Vectors
from bench.contracts.notice import Notice
from bench.contracts.prompt import Prompt
from bench.errors import DataError, Undefined
from bench.hashing import fingerprint


@dataclass(frozen=True, eq=False)
class EmbeddingSet:
    """Embeddings of many recordings, one row per window.

    Attributes:
        vectors: float32, shape (windows, dimension); any object that slices to such an array (a memory map).
        recordings: int, shape (windows,): the recording or clip of each window.
        groups: int, shape (windows,): the unit of resampling of each window: the prompt of a clip, or the recording;
            for reference music with known prompts, the prompt.
        embedder: fingerprint of the embedder's identity.
        genres: genre of each group by its number, if known.
        prompts: text of each group's prompt by its number, if known; the same text means the same prompt in two sets.

    Raises:
        DataError: the shapes do not match.
    """

    vectors: Vectors
    recordings: npt.NDArray[np.int64]
    groups: npt.NDArray[np.int64]
    embedder: str
    genres: Mapping[int, str] = field(default_factory=dict)
    prompts: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        windows = self.vectors.shape[0]
        if len(self.vectors.shape) != 2 or self.recordings.shape != (windows,) or self.groups.shape != (windows,):
            raise DataError(
                f"embeddings of shape {self.vectors.shape} with {self.recordings.shape} recordings and "
                f"{self.groups.shape} groups: one of each per window is needed"
            )

    @property
    def windows(self) -> int:
        """Number of windows."""
        return int(self.vectors.shape[0])

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return int(self.vectors.shape[1])

    def part(self, keep: npt.NDArray[np.bool_]) -> EmbeddingSet:
        """Return only the windows where ``keep``, shape (windows,), is true."""
        return replace(self, vectors=self.vectors[keep], recordings=self.recordings[keep], groups=self.groups[keep])


@dataclass(frozen=True, eq=False)
class Reference:
    """Reference music: its embeddings, or only their mean and covariance.

    Attributes:
        name: name in tables.
        embedder: fingerprint of the embedder's identity.
        fingerprint: identity of the reference, part of the key of every score against it.
        windows: number of windows behind mean and covariance.
        mean: float64, shape (dimension,).
        covariance: float64, shape (dimension, dimension), ddof = 1.
        embeddings: the windows themselves, grouped by prompt if known and otherwise by recording, or None
            if only mean and covariance were stored.
        genres: genre of each recording by its number, if known.
        pairs: number of each prompt's recording, by prompt id; empty if it is only a set. A
            prompt whose recording cannot be embedded has the reason instead.
        warnings: warnings of every score against it, as in `bench.Estimate`.
        about: license, provenance, hashes of the recordings.
    """

    name: str
    embedder: str
    fingerprint: str
    windows: int
    mean: npt.NDArray[np.float64]
    covariance: npt.NDArray[np.float64]
    embeddings: EmbeddingSet | None = None
    genres: Mapping[int, str] = field(default_factory=dict)
    warnings: tuple[Notice, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    pairs: Mapping[str, int | str] = field(default_factory=dict)

    def of_prompt(self, id: str) -> Vectors:
        """Return the vectors of the recording of a prompt, shape (windows, dimension).

        Raises:
            Undefined: there is none.
        """
        recording = self.pairs.get(id, "no recording is paired with this prompt")
        if isinstance(recording, str):
            raise Undefined(recording)
        assert self.embeddings is not None
        vectors: Vectors = self.embeddings.vectors[self.embeddings.recordings == recording]
        return vectors

    def of_genre(self, genre: str) -> Reference:
        """Return the part of one genre if recordings are labeled with it; otherwise the whole."""
        if self.embeddings is None or genre not in self.genres.values():
            return self
        chosen = [recording for recording, label in self.genres.items() if label == genre]
        part = self.embeddings.part(np.isin(self.embeddings.recordings, chosen))
        vectors = part.vectors.astype(np.float64)
        return replace(
            self,
            name=f"{self.name}, {genre}",
            fingerprint=fingerprint([self.fingerprint, genre]),
            windows=part.windows,
            mean=vectors.mean(axis=0),
            # One window does not vary.
            covariance=np.cov(vectors.T) if len(vectors) > 1 else np.zeros((part.dimension, part.dimension)),
            embeddings=part,
        )


@dataclass(frozen=True)
class PlannedReference:
    """A reference file to compute scores against.

    Attributes:
        name: name in tables.
        path: the file.
        fingerprint: fingerprint of its content.
        warnings: warnings of every score against it.
        pairs: number of prompts with a recording; 0 if it is only a set.
    """

    name: str
    path: Path
    fingerprint: str
    warnings: tuple[Notice, ...] = ()
    pairs: int = 0

    @classmethod
    def of(cls, reference: Reference, path: Path) -> PlannedReference:
        """Return the plan entry of a reference read from a file."""
        pairs = sum(isinstance(recording, int) for recording in reference.pairs.values())
        return cls(reference.name, path.resolve(), reference.fingerprint, reference.warnings, pairs)


def gather(
    clips: Sequence[tuple[int, int, Vectors]], embedder: str, prompts: Mapping[int, Prompt] | None = None
) -> EmbeddingSet:
    """Join the embeddings of one or more clips into one set.

    Args:
        clips: number of the recording, number of the group, and vectors of shape (windows, dimension).
        embedder: fingerprint of the embedder's identity.
        prompts: prompt of each group by its number, where known.
    """
    recordings = np.concatenate([np.full(len(vectors), recording, dtype=np.int64) for recording, _, vectors in clips])
    groups = np.concatenate([np.full(len(vectors), group, dtype=np.int64) for _, group, vectors in clips])
    vectors = np.concatenate([vectors for *_, vectors in clips])
    return EmbeddingSet(vectors, recordings, groups, embedder, **labels_of(prompts or {}))


class Labels(TypedDict):
    """Known facts about groups, as arguments of `EmbeddingSet`."""

    genres: dict[int, str]
    prompts: dict[int, str]


def labels_of(prompts: Mapping[int, Prompt]) -> Labels:
    """Return genres and texts of groups that are prompts, by their number."""
    genres = {number: prompt.genre for number, prompt in prompts.items() if prompt.genre is not None}
    return {"genres": genres, "prompts": {number: prompt.text for number, prompt in prompts.items()}}
