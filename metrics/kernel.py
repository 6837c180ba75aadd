"""Kernel audio distance (KAD): how far apart two sets of embeddings are, without assuming Gaussians.

The unbiased estimate of the squared maximum mean discrepancy with the kernel k = exp(−d²/(2σ²)), times 100:
100·[mean k(x, x') + mean k(y, y') − 2·mean k(x, y)], σ being the median distance within the reference. It can be
slightly negative.

Gretton et al., "A kernel two-sample test", JMLR 13 (2012), eq. 3; Chung et al., "KAD: no more FAD! An effective and
efficient evaluation metric for audio generation" (2025), whose toolkit is kadtk.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from bench.contracts.metric import Direction
from bench.contracts.notice import Notice
from bench.contracts.set_metric import Difference, EmbeddingSet, Reference
from bench.errors import DataError, Undefined, UsageError
from bench.number_format import counted
from metrics.grouped import Contributions, Grouped, GroupedMetric, starts_of
from metrics.kernel_cells import SCALE, KernelCells, Pairs, ReferenceCells
from metrics.kernel_sides import Side, in_bundles, pairs_across, pairs_between
from metrics.kernel_sums import kernel_sums_across, kernel_sums_between
from metrics.median_distance import median_distance
from metrics.pairwise import Windows, check_windows

Bandwidth = Literal["reference", "evaluated"] | float
MOST_WINDOWS = 50_000
"""Most windows of either side; the time grows with their square."""


def kernel_audio_distance(
    evaluated: npt.ArrayLike,
    reference: npt.ArrayLike,
    bandwidth: Bandwidth = "reference",
    groups_evaluated: npt.ArrayLike | None = None,
    groups_reference: npt.ArrayLike | None = None,
) -> float:
    """Compute the kernel audio distance between two sets of windows, times 100; 0 for equal distributions, at most 200.

    Memory does not grow with the number of pairs.

    Args:
        evaluated, reference: shapes (n, dimension) and (m, dimension), n, m ≥ 2.
        bandwidth: σ in units of the embedding, or the median distance over all pairs of the ``reference`` or of the
            ``evaluated`` set.
        groups_evaluated, groups_reference: shapes (n,) and (m,), any labels; pairs with one label are left out of a
            set's own mean, since windows alike for another reason (one prompt, one recording) make a true 0 positive.

    Raises:
        DataError: shapes that do not match, values that are not finite, no pairs, or a bandwidth that is not above 0:
            more than half of the distances are 0.
        UsageError: ``bandwidth`` is another text.
    """
    x, y = check_windows(evaluated, "evaluated set"), check_windows(reference, "reference")
    if x.shape[1] != y.shape[1]:
        raise DataError(f"embeddings of {x.shape[1]} and of {y.shape[1]} dimensions cannot be compared")
    sigma = _sigma(x, y, bandwidth)
    own = _own_mean(x, groups_evaluated, sigma, "evaluated set") + _own_mean(y, groups_reference, sigma, "reference")
    one = np.zeros(1, dtype=np.int64)
    across = float(kernel_sums_across(x, one, y, one, sigma)[0, 0]) / len(x) / len(y)
    return SCALE * (own - 2 * across)


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


def _own_mean(x: Windows, groups: npt.ArrayLike | None, sigma: float, what: str) -> float:
    """Compute the mean of the kernel over the ordered pairs i ≠ j of one set that are of different groups."""
    given = np.arange(len(x)) if groups is None else np.asarray(groups)
    if given.shape != (len(x),):
        raise DataError(f"the {what} has {len(x)} windows and groups of shape {given.shape}")
    labels = np.unique(given, return_inverse=True)[1]
    pairs = len(x) ** 2 - int((np.bincount(labels) ** 2).sum())
    if not pairs:
        raise DataError(f"the {what} needs at least 2 windows, of different groups if groups are given")
    order = np.argsort(labels, kind="stable")
    sums = kernel_sums_between(x[order], np.zeros(1, dtype=np.int64), sigma, labels[order])
    return float(sums[0, 0]) / pairs


class KernelAudioDistance(GroupedMetric):
    """Kernel audio distance between a model's clips and the reference music: 0 where they are equally distributed.

    Genres count equally. Pairs of one prompt are left out within each set and between the two, since windows of a clip
    are not independent draws, nor are clips of one prompt; for a reference with unknown prompts, pairs of one recording
    are. Genres that clips and reference have in common are compared cell by cell, as `metrics.kernel_cells` says; what
    has another genre, or none, is left out, with a warning. Where they have none in common, all clips are compared with
    the whole reference, whose own mix of genres then takes the place of the suite's.

    Args:
        bandwidth: σ, or the set whose median distance it is. With ``evaluated`` the interval is conditional on it too,
            and differences have no test: each model would have a kernel of its own.
    """

    version = 2
    unit = ""
    direction: ClassVar[Direction] = "lower"
    grows_with_clips: ClassVar[bool] = False
    all_pairs: ClassVar[bool] = False
    lower_median: ClassVar[bool] = False
    most_windows: ClassVar[int | None] = MOST_WINDOWS
    cannot_tell = "which clip is at fault, or whether the reference is the right music to be close to"

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
        self._sigmas: dict[str, float] = {}
        self._known: dict[tuple[str, float, tuple[str, ...]], ReferenceCells] = {}

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
            if self.most_windows is not None and part.windows > self.most_windows:
                raise Undefined(f"{what}{part.windows:,} windows, more than {self.most_windows:,}: use kad-block")
        return warnings

    def considered(self, evaluated: EmbeddingSet, reference: Reference | None) -> EmbeddingSet:
        shared = self._shared(evaluated, reference)
        return evaluated.part(of_genres(evaluated, shared)) if shared else evaluated

    def cautions(self, evaluated: EmbeddingSet, reference: Reference | None) -> tuple[Notice, ...]:
        if reference is None or reference.embeddings is None or self.all_pairs:
            return ()
        found = genre_notice(evaluated, reference)
        clips = genre_counts(evaluated)
        shared = shared_genres(clips, genre_counts(reference.embeddings))
        if not shared and len(clips) > 1 and max(clips.values()) == 1:
            found = (*found, Notice("W-ONE-EACH", {"reference": reference.name, "genres": len(clips)}))
        return found

    def grouped(self, evaluated: EmbeddingSet) -> Grouped:
        return Grouped.of(evaluated) if self.all_pairs else in_bundles(evaluated)

    def contributions(self, windows: Grouped, reference: Reference | None) -> Contributions:
        own = embeddings_of(reference)
        assert reference is not None
        shared = self._shared(windows, reference)
        known = self._reference_cells(windows, reference, own, shared)
        genres = [] if self.all_pairs else [windows.genres.get(g, "") for g in windows.groups[windows.starts].tolist()]
        numbers = np.unique(genres, return_inverse=True)[1] if genres else np.zeros(len(windows.starts), dtype=np.int64)
        side = Side(windows.vectors, windows.starts, None if self.all_pairs else windows.groups, windows.prompts)
        between = self._between(side, known.sigma)
        across = self._across(side, self._reference_side(own, shared), known.sigma)
        return KernelCells(between, across, numbers.astype(np.int64), known, {"genres": list(shared)})

    def difference(self, a: EmbeddingSet, b: EmbeddingSet, reference: Reference | None, seed: int) -> Difference:
        if self.bandwidth == "evaluated":
            reason = "each model has a kernel of its own with bandwidth 'evaluated'; compare with 'reference'"
            return Difference(None, None, None, None, "", reason)
        return super().difference(a, b, reference, seed)

    def _between(self, side: Side, sigma: float) -> Pairs:
        return pairs_between(side, sigma)

    def _across(self, side: Side, reference: Side, sigma: float) -> Pairs:
        return pairs_across(side, reference, sigma)

    def _shared(self, evaluated: EmbeddingSet | Grouped, reference: Reference | None) -> tuple[str, ...]:
        if reference is None or reference.embeddings is None or self.all_pairs:
            return ()
        return shared_genres(genre_counts(evaluated), genre_counts(reference.embeddings))

    def _reference_side(self, own: EmbeddingSet, shared: tuple[str, ...]) -> Side:
        """Return the windows of a reference by genre, in the order of ``shared``, or all as one."""
        if self.all_pairs:
            return Side(own.vectors, np.zeros(1, dtype=np.int64), None, {})
        genres = np.zeros(own.windows, dtype=np.int64)
        if shared:
            own = own.part(of_genres(own, shared))
            number = {genre: place for place, genre in enumerate(shared)}
            labels, inverse = np.unique(own.groups, return_inverse=True)
            genres = np.array([number[own.genres[group]] for group in labels.tolist()], dtype=np.int64)[inverse]
        order = np.lexsort((own.groups, genres))
        return Side(own.vectors[order], starts_of(genres[order]), own.groups[order], own.prompts)

    def _reference_cells(
        self, windows: Grouped, reference: Reference, own: EmbeddingSet, shared: tuple[str, ...]
    ) -> ReferenceCells:
        sigma = self._sigma_of(windows, reference, own)
        key = reference.fingerprint, sigma, shared
        if key not in self._known:
            side = self._reference_side(own, shared)
            self._known[key] = ReferenceCells(sigma, self._between(side, sigma))
        return self._known[key]

    def _sigma_of(self, windows: Grouped, reference: Reference, own: EmbeddingSet) -> float:
        if not isinstance(self.bandwidth, str):
            check_windows(own.vectors, f"reference '{reference.name}'")
            return float(self.bandwidth)
        if self.bandwidth == "evaluated":
            check_windows(own.vectors, f"reference '{reference.name}'")
            sigma = self._median(windows.vectors) if len(windows.vectors) > 1 else 0.0
        else:
            if reference.fingerprint not in self._sigmas:
                check_windows(own.vectors, f"reference '{reference.name}'")
                self._sigmas[reference.fingerprint] = self._median(own.vectors)
            sigma = self._sigmas[reference.fingerprint]
        if not sigma:
            whose = "clips" if self.bandwidth == "evaluated" else f"reference '{reference.name}'"
            raise Undefined(f"the median distance within the {whose} is 0: most windows have the same embedding")
        return sigma

    def _median(self, vectors: Windows) -> float:
        return median_distance(vectors, self.lower_median)


class KernelAudioDistanceKadtk(KernelAudioDistance):
    """KAD over all pairs i ≠ j, to compare with values published with kadtk; a model that equals the reference gives
    more than 0.

    Its bandwidth is the lower of the two middle distances of an even number, as kadtk's is; ``bandwidth="evaluated"``
    takes it from the set that kadtk's code takes it from.
    """

    version = 1
    grows_with_clips = True
    all_pairs = True
    lower_median = True
    most_windows = None


def embeddings_of(reference: Reference | None) -> EmbeddingSet:
    """Return the windows of a reference.

    Raises:
        UsageError: it holds no windows, only their Gaussian.
    """
    if reference is None or reference.embeddings is None:
        name = f"the reference '{reference.name}'" if reference else "it"
        raise UsageError(
            f"KAD, MAD, density and coverage compare windows, and {name} holds only their mean and covariance; "
            "build it with its embeddings"
        )
    return reference.embeddings


def genre_counts(of: EmbeddingSet | Grouped) -> dict[str, int]:
    """Count the groups of each genre of a set, in alphabetical order; the empty text stands for none."""
    return dict(sorted(Counter(of.genres.get(group, "") for group in np.unique(of.groups).tolist()).items()))


def shared_genres(clips: Iterable[str], music: Iterable[str]) -> tuple[str, ...]:
    """Return the genres of both, in alphabetical order, without the empty text that stands for no genre."""
    return tuple(sorted(set(clips) & set(music) - {""}))


def genre_notice(evaluated: EmbeddingSet, reference: Reference) -> tuple[Notice, ...]:
    """Return a notice of the genres that only the clips or only the reference have, where both know genres."""
    if reference.embeddings is None:
        return ()
    clips, music = genre_counts(evaluated), genre_counts(reference.embeddings)
    if not any(clips) or not any(music) or set(clips) == set(music):
        return ()
    shared = shared_genres(clips, music)
    alone = {"clips": [g for g in clips if g not in shared], "music": [g for g in music if g not in shared]}
    return (Notice("W-GENRES", {"reference": reference.name, "common": list(shared), **alone}),)


def of_genres(of: EmbeddingSet, genres: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return which windows are of one of these genres, shape (windows,)."""
    groups = np.unique(of.groups)
    kept = groups[[of.genres.get(group, "") in genres for group in groups.tolist()]]
    return np.isin(of.groups, kept)
