"""MAUVE audio divergence (MAD): −ln MAUVE of a model's windows and the reference's, both sorted into one codebook.

0 for equal histograms, at most ln 252 = 5.5. With finite music, equal distributions give more than 0, since two draws
of one distribution have different histograms: the value of music from the reference itself is computed for every value.

Huang et al., "Aligning text-to-music evaluation with human preferences", ISMIR 2025, whose package is mad-metric; MAUVE
by Pillutla et al. (2021), see `metrics.mauve`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from bench.contracts.metric import Direction, Estimate
from bench.contracts.notice import Notice
from bench.contracts.set_metric import EmbeddingSet, Reference
from bench.errors import UsageError
from metrics.codebook import Codebook, fit_codebook
from metrics.equal_music import EqualMusic
from metrics.grouped import Array, Chosen, Contributions, Grouped, GroupedMetric
from metrics.kernel import embeddings_of
from metrics.mauve import mauve_of_histograms
from metrics.pairwise import check_windows

WINDOWS_A_BUCKET = 10
MOST_BUCKETS = 500
"""Largest number of buckets: as many as the paper uses for 5,000 texts."""


@dataclass(frozen=True, eq=False)
class _Histograms(Contributions):
    """Windows of each unit by bucket, shape (units, buckets), and those of the reference, shape (buckets,)."""

    units: Array
    reference: Array
    equal: EqualMusic

    def values(self, chosen: Chosen) -> Array:
        return divergence(chosen.astype(np.float64) @ self.units, self.reference)

    def left_out(self, chosen: Chosen) -> Array:
        own = self.units[chosen]
        return divergence(own.sum(axis=0) - own, self.reference)

    def details(self) -> Mapping[str, Any]:
        alike = divergence(*self.equal.draws(len(self.reference)))
        return {
            "mauve": float(mauve_of_histograms(self.units.sum(axis=0), self.reference)),
            "buckets": len(self.reference),
            "equal": float(alike.mean()),
            "equal_sd": float(alike.std(ddof=1)),
        }


class MauveAudioDivergence(GroupedMetric):
    """How much a model's windows and the reference's differ in how often they fall into each kind of sound.

    The kinds are the buckets of one k-means codebook, fitted on the clips and the reference (of a difference on the
    clips of both models and the reference) and then fixed: intervals leave prompts out of histograms, and tests swap
    them between histograms. Equal distributions do not give 0 but the detail ``equal``, which tables print; it falls
    with the number of clips. Published values are of one vector per clip (the maximum of MERT's over time), not of
    windows, and are not comparable.

    Args:
        embedder: name of the embedder.
        embedder_params: its parameters.
        buckets: 2 or more; by default one for ten windows of clips and reference together, 2 to 500. mauve-text takes
            one for ten of the smaller side: with a few prompts too few to show most kinds of damage.
        seed: determines the starts of k-means and the draws of equal music.
    """

    version = 1
    direction: ClassVar[Direction] = "lower"
    cannot_tell = (
        "which clip is at fault; even equal music is above 0, by less with more clips, so compare only equal numbers "
        "of clips; published values use one vector per clip and are not comparable"
    )

    def __init__(
        self,
        embedder: str = "musicnn-msd",
        embedder_params: Mapping[str, Any] | None = None,
        buckets: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(embedder, embedder_params)
        if buckets is not None and buckets < 2:
            raise UsageError(f"buckets is {buckets}, must be 2 or more")
        if seed < 0:
            raise UsageError(f"seed is {seed}, must be 0 or more")
        self.buckets = buckets
        self.seed = seed

    def evaluate(self, evaluated: EmbeddingSet, reference: Reference | None) -> Estimate:
        found = super().evaluate(evaluated, reference)
        if reference is None or found.value is None:
            return found
        equal = {"reference": reference.name, "value": float(f"{found.details['equal']:.1g}")}
        return replace(found, warnings=(*found.warnings, Notice("W-EQUAL", equal)))

    def contributions(self, windows: Grouped, reference: Reference | None) -> Contributions:
        own = embeddings_of(reference)
        assert reference is not None
        music = check_windows(own.vectors, f"reference '{reference.name}'")
        codebook = self._codebook(windows, music)
        unit = np.repeat(np.arange(len(windows.starts)), windows.counts)
        of_units = _counted(unit, codebook.labels(windows.vectors), (len(windows.starts), codebook.buckets))
        labels = codebook.labels(music)
        of_music = np.bincount(labels, minlength=codebook.buckets).astype(np.float64)
        return _Histograms(of_units, of_music, EqualMusic(windows, own, labels, self.seed))

    def _codebook(self, windows: Grouped, music: npt.NDArray[Any]) -> Codebook:
        models = len(windows.starts) / len(np.unique(windows.groups[windows.starts]))
        buckets = self.buckets or buckets_of(len(windows.vectors) / models, len(music))
        return fit_codebook(np.concatenate([windows.vectors, music]), buckets, self.seed)


def buckets_of(windows: float, reference_windows: int) -> int:
    """Return the number of buckets for so many windows of a model and of the reference, 2 to 500."""
    return min(max(2, round((windows + reference_windows) / WINDOWS_A_BUCKET)), MOST_BUCKETS)


def divergence(p: npt.ArrayLike, q: npt.ArrayLike) -> Array:
    """Compute −ln MAUVE of histograms, ≥ 0; args and raises as `metrics.mauve.mauve_of_histograms`."""
    result: Array = 0.0 - np.log(mauve_of_histograms(p, q))
    return result


def _counted(rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], shape: tuple[int, int]) -> Array:
    flat = np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1])
    return flat.reshape(shape).astype(np.float64)
