"""The two sides of a kernel distance, by their units: which pairs of windows count, how many, and their sums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.contracts.set_metric import EmbeddingSet
from metrics.grouped import Grouped, starts_of
from metrics.kernel_cells import Pairs
from metrics.kernel_sums import kernel_sums_across, kernel_sums_between
from metrics.pairwise import Array, Windows

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MOST_UNITS = 1000
"""With more prompts, some are left out and swapped together, so that tables of units fit into memory."""
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Side:
    """Windows by their units.

    Attributes:
        vectors: shape (windows, dimension).
        starts: the first window of each unit, shape (units,).
        groups: of each window; pairs of one group do not count. None if only pairs of a window with itself do not
            count.
        prompts: text of each group's prompt by its number, where known.
    """

    vectors: Windows
    starts: Places
    groups: Places | None
    prompts: Mapping[int, str]

    @property
    def counts(self) -> Array:
        """Windows of each unit, shape (units,)."""
        return np.diff(self.starts, append=len(self.vectors)).astype(np.float64)


def in_bundles(evaluated: EmbeddingSet) -> Grouped:
    """Order windows by genre, and within it by prompt; of more than `MOST_UNITS` prompts, neighbors form one unit."""
    prompts, inverse = np.unique(evaluated.groups, return_inverse=True)
    names = [evaluated.genres.get(prompt, "") for prompt in prompts.tolist()]
    genres, numbers = np.unique(names, return_inverse=True)
    units = np.empty(len(prompts), dtype=np.int64)
    first = 0
    for genre in range(len(genres)):
        own = np.flatnonzero(numbers == genre)
        bundles = len(own)
        if len(prompts) > MOST_UNITS:
            bundles = min(bundles, max(2, MOST_UNITS * len(own) // len(prompts)))
        units[own] = first + np.arange(len(own)) * bundles // len(own)
        first += bundles
    order = np.lexsort((evaluated.groups, units[inverse]))
    return Grouped.in_order(evaluated, order, units[inverse])


def pairs_between(side: Side, sigma: float) -> Pairs:
    """Compute for each two units of one side the pairs of windows i ≠ j that count, and the kernel's sums over them,
    shape (units, units).

    Args:
        side: its windows by unit.
        sigma: bandwidth of the kernel, > 0.
    """
    sums = kernel_sums_between(side.vectors, side.starts, sigma, side.groups)
    counts = np.outer(side.counts, side.counts)
    own: Array = side.counts
    if side.groups is not None:
        runs = starts_of(side.groups)
        sizes = np.diff(runs, append=len(side.groups)).astype(np.float64)
        own = np.bincount(np.searchsorted(side.starts, runs, "right") - 1, sizes**2, len(side.starts)).astype(float)
    counts[np.diag_indices(len(counts))] -= own
    return Pairs(sums, counts)


def pairs_across(a: Side, b: Side, sigma: float) -> Pairs:
    """Compute for each unit of one side and each of the other the pairs of windows of different prompts, and the
    kernel's sums over them, shape (units of a, units of b).

    Args:
        a, b: windows by unit; all pairs count where they have no prompt in common.
        sigma: bandwidth of the kernel, > 0.
    """
    counts = np.outer(a.counts, b.counts)
    labels = None
    if a.groups is not None and b.groups is not None:
        labels = common_labels(a.groups, a.prompts, b.groups, b.prompts)
    if labels is None:
        return Pairs(kernel_sums_across(a.vectors, a.starts, b.vectors, b.starts, sigma), counts)
    number = int(labels[0].max()) + 1
    counts -= (_counted(labels[0], a, number).T @ _counted(labels[1], b, number)).toarray()
    return Pairs(kernel_sums_across(a.vectors, a.starts, b.vectors, b.starts, sigma, labels), counts)


def common_labels(
    a: Places, a_prompts: Mapping[int, str], b: Places, b_prompts: Mapping[int, str]
) -> tuple[Places, Places] | None:
    """Return for each window of two sides the number of its prompt among those of both; −1 and −2 where only one has
    it.

    None where they have none in common.

    Args:
        a, b: the group of each window, shape (windows,).
        a_prompts, b_prompts: text of each group's prompt by its number, where known.
    """
    texts = {a_prompts[group] for group in np.unique(a).tolist() if group in a_prompts}
    texts &= {b_prompts[group] for group in np.unique(b).tolist() if group in b_prompts}
    if not texts:
        return None
    number = {text: place for place, text in enumerate(sorted(texts))}
    found = []
    for windows, prompts, none in ((a, a_prompts, -1), (b, b_prompts, -2)):
        groups, inverse = np.unique(windows, return_inverse=True)
        codes = [number.get(prompts.get(group, ""), none) for group in groups.tolist()]
        found.append(np.array(codes, dtype=np.int64)[inverse])
    return found[0], found[1]


def _counted(labels: Places, side: Side, number: int) -> csr_matrix:
    """Count the windows of each label and unit, shape (labels, units)."""
    from scipy.sparse import csr_matrix

    unit = np.searchsorted(side.starts, np.arange(len(labels)), "right") - 1
    known = labels >= 0
    entries = np.ones(int(known.sum())), (labels[known], unit[known])
    return csr_matrix(entries, shape=(number, len(side.starts)))
