"""Kernel audio distance (KAD): how far apart two sets of embeddings are, without assuming Gaussians.

The unbiased estimate of the squared maximum mean discrepancy with the kernel k = exp(−d²/(2σ²)), times 100:
100·[mean k(x, x') + mean k(y, y') − 2·mean k(x, y)], σ being the median distance within the reference. It can be
slightly negative.

Gretton et al., "A kernel two-sample test", JMLR 13 (2012), eq. 3; Chung et al., "KAD: no more FAD! An effective and
efficient evaluation metric for audio generation" (2025), whose toolkit is kadtk.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from bench.contracts.metric import Direction
from bench.contracts.notice import Notice
from bench.contracts.set_metric import Difference, EmbeddingSet, Reference
from bench.errors import DataError, Undefined, UsageError
from bench.number_format import counted
from metrics.grouped import Array, Chosen, Contributions, Grouped, GroupedMetric
from metrics.kernel_sums import kernel_sum_apart, kernel_sums_between, kernel_sums_to
from metrics.median_distance import median_distance
from metrics.pairwise import Windows, check_windows

SCALE = 100.0
Bandwidth = Literal["reference", "evaluated"] | float


def kernel_audio_distance(
    evaluated: npt.ArrayLike,
    reference: npt.ArrayLike,
    bandwidth: Bandwidth = "reference",
    groups_evaluated: npt.ArrayLike | None = None,
    groups_reference: npt.ArrayLike | None = None,
) -> float:
    """Kernel audio distance between two sets of windows, times 100; 0 for equal distributions, and at most 200.

    Memory does not grow with the number of pairs.

    Args:
        evaluated, reference: shapes (n, dimension) and (m, dimension), n, m ≥ 2.
        bandwidth: σ in units of the embedding, or the median distance over all pairs of the ``reference`` or of the
            ``evaluated`` set.
        groups_evaluated, groups_reference: shapes (n,) and (m,), any labels; pairs with one label are left out of a
            set's own mean, since what is alike for another reason (one prompt, one recording) makes a true 0 positive.

    Raises:
        DataError: shapes that do not match, values that are not finite, no pairs, or a bandwidth that is not above 0:
            more than half of the distances are 0.
    """
    x, y = check_windows(evaluated, "evaluated set"), check_windows(reference, "reference")
    if x.shape[1] != y.shape[1]:
        raise DataError(f"embeddings of {x.shape[1]} and of {y.shape[1]} dimensions cannot be compared")
    sigma = _sigma(x, y, bandwidth)
    total, pairs = _own_sum(x, groups_evaluated, sigma, "evaluated set")
    known = _ReferenceKernel.of(y, groups_reference, sigma)
    across = kernel_sums_to(x, np.zeros(1, dtype=np.int64), y, sigma)
    # As one unit, whose pairs that do not count are what is left of n².
    n = float(len(x))
    sums = _Sums(np.array([[total]]), np.array([n**2 - pairs]), across, np.array([n]), known, len(y))
    return sums.value(np.ones(1, dtype=bool))


def _sigma(x: Windows, y: Windows, bandwidth: Bandwidth) -> float:
    if isinstance(bandwidth, str):
        if bandwidth not in ("reference", "evaluated"):
            raise UsageError(f"bandwidth is '{bandwidth}'; use 'reference', 'evaluated' or a number")
        sigma = median_distance(y if bandwidth == "reference" else x)
    else:
        sigma = float(bandwidth)
    if not (sigma > 0 and math.isfinite(sigma)):
        raise DataError(f"the bandwidth is {sigma:g} and must be above 0; most windows may have the same embedding")
    return sigma


def _own_sum(x: Windows, groups: npt.ArrayLike | None, sigma: float, what: str) -> tuple[float, int]:
    """Sum of the kernel over the ordered pairs i ≠ j of one set that are of different groups, and their number."""
    given = np.arange(len(x)) if groups is None else np.asarray(groups)
    if given.shape != (len(x),):
        raise DataError(f"the {what} has {len(x)} windows and groups of shape {given.shape}")
    labels = np.unique(given, return_inverse=True)[1]
    if (labels[1:] < labels[:-1]).any():
        order = np.argsort(labels, kind="stable")
        x, labels = x[order], labels[order]
    starts = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]]).astype(np.int64)
    pairs = len(x) ** 2 - int((np.diff(starts, append=len(x)) ** 2).sum())
    if not pairs:
        raise DataError(f"the {what} has no pairs: 2 windows or more are needed, of different groups where those count")
    return kernel_sum_apart(x, starts, sigma), pairs


@dataclass(frozen=True)
class _ReferenceKernel:
    """What a reference alone settles, the same for every model."""

    sigma: float
    own: float

    @classmethod
    def of(cls, windows: Windows, groups: npt.ArrayLike | None, sigma: float) -> _ReferenceKernel:
        total, pairs = _own_sum(windows, groups, sigma, "reference")
        return cls(sigma, total / pairs)


@dataclass(frozen=True, eq=False)
class _Sums(Contributions):
    """Sums of the kernel between units, and of each unit with the reference.

    Attributes:
        between: symmetric, shape (units, units), with zeros where pairs do not count.
        own_pairs: of each unit, the pairs of its own windows that do not count, shape (units,).
        across: shape (units,).
        counts: windows of each unit.
        known: what the reference alone settles.
        size: windows of the reference.
    """

    between: Array
    own_pairs: Array
    across: Array
    counts: Array
    known: _ReferenceKernel
    size: int

    def values(self, chosen: Chosen) -> Array:
        # Most choices are of one model's units, a quarter of the table.
        used = chosen.any(axis=0)
        units = chosen[:, used].astype(np.float64)
        sums = ((units @ self.between[np.ix_(used, used)]) * units).sum(axis=1)
        return self._values(chosen.astype(np.float64), sums)

    def apart(self, swaps: Chosen) -> Array:
        prompts = swaps.shape[1]
        k, linear = self.between, self.between.sum(axis=1)
        # With s = ±1 for each prompt, B's units are (1 + v)/2 and A's (1 − v)/2, where v is −s on A's units and s on
        # B's: both quadratic forms take one product, of prompts instead of units.
        signs = 1 - 2.0 * swaps
        crossed = k[:prompts, :prompts] + k[prompts:, prompts:] - k[:prompts, prompts:] - k[prompts:, :prompts]
        even = linear.sum() + np.einsum("ij,ij->i", signs @ crossed, signs)
        odd = 2 * (signs @ (linear[prompts:] - linear[:prompts]))
        b = np.hstack([swaps, ~swaps]).astype(np.float64)
        return self._values(b, (even + odd) / 4) - self._values(1 - b, (even - odd) / 4)

    def _values(self, units: Array, sums: Array) -> Array:
        windows = units @ self.counts
        within = sums / (windows**2 - units @ self.own_pairs)
        across = (units @ self.across) / windows / self.size
        result: Array = SCALE * (within + self.known.own - 2 * across)
        return result

    def details(self) -> Mapping[str, Any]:
        return {"bandwidth": self.known.sigma}


class KernelAudioDistance(GroupedMetric):
    """KAD without the pairs that are alike anyway: those of one prompt, and those of one recording of the reference.

    Windows of one clip are no independent draws, nor are clips of one prompt; their pairs alone make a model that
    equals the reference read more than 0.

    Args:
        bandwidth: σ, or the set whose median distance it is. With ``evaluated`` the interval is conditional on it too,
            and differences have no test: each model would have a kernel of its own.
    """

    version = 1
    unit = ""
    direction: ClassVar[Direction] = "lower"
    grows_with_clips: ClassVar[bool] = False
    all_pairs: ClassVar[bool] = False
    lower_median: ClassVar[bool] = False

    def __init__(
        self,
        embedder: str = "musicnn-msd",
        embedder_params: Mapping[str, Any] | None = None,
        bandwidth: Bandwidth = "reference",
    ) -> None:
        super().__init__(embedder, embedder_params)
        if isinstance(bandwidth, str):
            if bandwidth not in ("reference", "evaluated"):
                raise UsageError(f"bandwidth is '{bandwidth}'; use 'reference', 'evaluated' or a number")
        elif not (bandwidth > 0 and math.isfinite(bandwidth)):
            raise UsageError(f"bandwidth is {bandwidth}, must be above 0")
        self.bandwidth = bandwidth
        self._known: dict[tuple[str, float | None], _ReferenceKernel] = {}

    def check(self, evaluated: EmbeddingSet, reference: Reference | None) -> tuple[Notice, ...]:
        warnings = super().check(evaluated, reference)
        own = embeddings_of(reference)
        for part, units, what in (
            (evaluated, "window" if self.all_pairs else "prompt", ""),
            (own, "window" if self.all_pairs else "recording", "the reference has "),
        ):
            number = part.windows if self.all_pairs else len(np.unique(part.groups))
            if number < 2:
                raise Undefined(f"{what}{counted(number, units)}, needs 2")
        return warnings

    def contributions(self, windows: Grouped, reference: Reference | None) -> Contributions:
        own = embeddings_of(reference)
        assert reference is not None
        known = self._reference_kernel(windows, reference, own)
        between = kernel_sums_between(windows.vectors, windows.starts, known.sigma)
        counts = windows.counts.astype(np.float64)
        own_pairs = counts if self.all_pairs else counts**2
        if not self.all_pairs:
            np.fill_diagonal(between, 0.0)
        across = kernel_sums_to(windows.vectors, windows.starts, own.vectors, known.sigma)
        return _Sums(between, own_pairs, across, counts, known, own.windows)

    def difference(self, a: EmbeddingSet, b: EmbeddingSet, reference: Reference | None, seed: int) -> Difference:
        if self.bandwidth == "evaluated":
            reason = "each model has a kernel of its own with bandwidth 'evaluated'; compare with 'reference'"
            return Difference(None, None, None, None, "", reason)
        return super().difference(a, b, reference, seed)

    def _reference_kernel(self, windows: Grouped, reference: Reference, own: EmbeddingSet) -> _ReferenceKernel:
        sigma: float | None = None
        if self.bandwidth == "evaluated":
            sigma = median_distance(windows.vectors, self.lower_median) if len(windows.vectors) > 1 else 0.0
        elif not isinstance(self.bandwidth, str):
            sigma = float(self.bandwidth)
        key = reference.fingerprint, sigma
        if key not in self._known:
            check_windows(own.vectors, f"reference '{reference.name}'")
            if sigma is None:
                sigma = median_distance(own.vectors, self.lower_median)
            if not sigma:
                whose = "clips" if self.bandwidth == "evaluated" else f"reference '{reference.name}'"
                raise Undefined(f"the median distance within the {whose} is 0: most windows have the same embedding")
            groups = None if self.all_pairs else own.recordings
            self._known[key] = _ReferenceKernel.of(own.vectors, groups, sigma)
        return self._known[key]


class KernelAudioDistanceKadtk(KernelAudioDistance):
    """KAD over all pairs i ≠ j, to compare with values published with kadtk; a model that equals the reference reads
    more than 0.

    Its bandwidth is the lower of the two middle distances of an even number, as kadtk's is; ``bandwidth="evaluated"``
    takes it from the set that kadtk's code takes it from.
    """

    grows_with_clips = True
    all_pairs = True
    lower_median = True


def embeddings_of(reference: Reference | None) -> EmbeddingSet:
    """The windows of a reference.

    Raises:
        UsageError: it holds no windows, only their Gaussian.
    """
    if reference is None or reference.embeddings is None:
        name = f"the reference '{reference.name}'" if reference else "it"
        raise UsageError(
            f"KAD, density and coverage compare windows, and {name} holds only their mean and covariance; "
            "build it with its embeddings"
        )
    return reference.embeddings
