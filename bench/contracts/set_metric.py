"""The contract of set metrics: a set of clips against reference music."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bench.contracts.embedder import EmbedderRef
from bench.contracts.metric import Direction, Estimate
from bench.contracts.notice import Notice
from bench.contracts.reference import EmbeddingSet, PlannedReference, Reference, gather, labels_of

__all__ = [
    "Difference",
    "EmbeddingSet",
    "PlannedReference",
    "Reference",
    "SetMetric",
    "gather",
    "labels_of",
]


@dataclass(frozen=True)
class Difference:
    """B − A of two sets against one reference.

    ``low`` and ``high`` are the 95 % jackknife interval, ``p`` the permutation test's; ``null`` is the null hypothesis
    of p. Values are None if unknown; ``reason`` says why.
    """

    estimate: float | None
    low: float | None
    high: float | None
    p: float | None
    null: str
    reason: str | None = None
    warnings: tuple[Notice, ...] = ()


class SetMetric(ABC):
    """Base class of set metrics: one number for a set of clips against a reference set, with its interval.

    Parameters are keyword arguments of ``__init__``, with defaults, as for clip metrics.

    Class attributes: ``version``, ``unit``, ``direction``, ``examples``, ``cannot_tell``, ``family`` as for
        `bench.ClipMetric`.
        embedders: the embedder it uses; an instance attribute if that is a parameter.
        needs_reference: whether it needs a reference.
    """

    version: ClassVar[int] = 1
    unit: ClassVar[str] = ""
    direction: ClassVar[Direction] = "lower"
    needs_reference: ClassVar[bool] = True
    examples: ClassVar[Mapping[str, str]] = {}
    cannot_tell: ClassVar[str] = ""
    family: str | tuple[str, ...] = ""
    embedders: tuple[EmbedderRef, ...]

    @abstractmethod
    def evaluate(self, evaluated: EmbeddingSet, reference: Reference | None) -> Estimate:
        """Compare a set of clips with a reference; the interval is conditional on the reference.

        With too few prompts or windows, it returns an `Estimate` with a reason. ``Estimate.n`` counts clips.

        Args:
            evaluated: embeddings of a model's clips, grouped by prompt.
            reference: None only where the metric needs none.

        Raises:
            UsageError: the embedders differ, or the reference lacks required data.
            DataError: embeddings are not finite.
        """

    def difference(self, a: EmbeddingSet, b: EmbeddingSet, reference: Reference | None, seed: int) -> Difference:
        """Return B − A, paired by group, with the jackknife interval and a permutation test that swaps whole groups.

        Args:
            a, b: embeddings of two models' clips, grouped by prompt.
            reference: as in `evaluate`.
            seed: of random permutations.
        """
        del a, b, reference, seed
        return Difference(None, None, None, None, "", "this metric has no test for differences")
