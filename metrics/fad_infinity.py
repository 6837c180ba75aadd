"""FAD∞: the Fréchet audio distance extrapolated to infinitely many clips.

FAD of a finite set is too large, by an amount nearly proportional to 1/clips. It is computed for subsets of growing
size, a line is fitted over 1/clips, and its intercept taken. Subsets are of whole prompts, drawn without replacement by
a named seed: windows and clips of one prompt are not independent, and subsets of those leave the bias in.

Gui et al., "Adapting Fréchet audio distance for generative music evaluation", ICASSP 2024, §2.2; Chong and Forsyth,
"Effectively unbiased FID and Inception Score and where to find them", CVPR 2020.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.contracts.notice import Notice
from bench.contracts.set_metric import EmbeddingSet, Reference
from bench.errors import Undefined
from bench.number_format import counted
from metrics.frechet import FrechetAudioDistance, enough_clips
from metrics.grouped import Array, Chosen, Contributions, Grouped

SUBSETS = 15
SMALLEST = 1 / 3
"""Share of the prompts in the smallest subset: below it, the bias is no longer proportional to 1/clips."""


def extrapolate(clips: npt.ArrayLike, distances: npt.ArrayLike) -> tuple[float, float]:
    """Compute the intercept at 1/clips = 0 of the line fitted to distances by least squares, and its r² in [0, 1].

    Args:
        clips, distances: shape (subsets,), of at least two sizes.
    """
    x, y = 1 / np.asarray(clips, dtype=np.float64), np.asarray(distances, dtype=np.float64)
    dx, dy = x - x.mean(), y - y.mean()
    slope = float(dx @ dy / (dx @ dx))
    spread = float(dy @ dy)
    return float(y.mean() - slope * x.mean()), slope**2 * float(dx @ dx) / spread if spread else 1.0


@dataclass(frozen=True, eq=False)
class _Extrapolated(Contributions):
    """FAD∞ of choices of units, from the FADs of seeded subsets of each.

    Attributes:
        plain: gives the FAD of any choice.
        clips: clips of each unit.
        ranks: a random order of the units for each subset, shape (subsets, units).
    """

    plain: Contributions
    clips: Array
    ranks: npt.NDArray[np.int64]

    def values(self, chosen: Chosen) -> Array:
        return np.array([self._fit(row)[0] for row in chosen])

    def details(self) -> Mapping[str, Any]:
        _, r2, clips = self._fit(np.ones(len(self.clips), dtype=bool))
        return {"r2": r2, "subsets": len(clips), "smallest_subset": int(clips.min())}

    def _fit(self, chosen: Chosen) -> tuple[float, float, Array]:
        subsets = self._subsets(chosen)
        clips: Array = subsets @ self.clips
        return (*extrapolate(clips, self.plain.values(subsets)), clips)

    def _subsets(self, chosen: Chosen) -> Chosen:
        """Return the first chosen units of each order, in sizes evenly spaced in 1/units; shape (subsets, units)."""
        units = np.count_nonzero(chosen)
        sizes = np.round(units / np.linspace(1 / SMALLEST, 1, len(self.ranks))).astype(np.int64)
        places = np.argsort(np.where(chosen, self.ranks, len(chosen)), axis=1)
        subsets = np.zeros(self.ranks.shape, dtype=bool)
        for subset, place, size in zip(subsets, places, sizes, strict=True):
            subset[place[:size]] = True
        return subsets


class FrechetAudioDistanceInfinity(FrechetAudioDistance):
    """FAD∞ over subsets of whole prompts; undefined below max(300, 1.5 · dimension) clips.

    Details: ``r2`` of the line, ``subsets``, and the clips of the ``smallest_subset``. The value may be negative by
    chance where the true distance is near 0.

    Args:
        seed: determines the subsets.
    """

    version = 1
    cannot_tell = "which clip is at fault, or whether the reference is the right music to be close to"

    def __init__(
        self, embedder: str = "musicnn-msd", embedder_params: Mapping[str, Any] | None = None, seed: int = 0
    ) -> None:
        super().__init__(embedder, embedder_params)
        self.seed = seed

    def check(self, evaluated: EmbeddingSet, reference: Reference | None) -> tuple[Notice, ...]:
        warnings = super().check(evaluated, reference)
        clips, needed = len(np.unique(evaluated.recordings)), enough_clips(evaluated.dimension)
        if clips < needed:
            raise Undefined(f"{counted(clips, 'clip')}, needs {needed} to extrapolate to infinitely many")
        return warnings

    def permutations(self, evaluated: EmbeddingSet) -> int:
        """Return the number of permutations; each costs as many FADs as there are subsets."""
        del evaluated
        return 199

    def contributions(self, windows: Grouped, reference: Reference | None) -> Contributions:
        units = [len(np.unique(windows.recordings[windows.unit(unit)])) for unit in range(len(windows.starts))]
        rng = np.random.default_rng(self.seed)
        ranks = np.array([rng.permutation(len(units)) for _ in range(SUBSETS)])
        return _Extrapolated(super().contributions(windows, reference), np.array(units, dtype=np.float64), ranks)
