"""KAD of more windows than can be compared pair by pair: pairs within blocks of prompts and recordings stand for all.

Clips and reference are assigned to blocks, whole prompts and recordings at a time and one genre after the other, so
that every block contains some of everything. Windows of one side count as a pair if they are in one block, and windows
of the two sides if their blocks are paired. Means over these pairs estimate the means over all pairs without bias, in a
time that grows with the windows and not with their square.

Zaremba, Gretton and Blaschko, "B-tests: low variance kernel two-sample tests", NeurIPS 2013. Unlike theirs, the
interval is the delete-one-prompt jackknife, as that of kad.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from bench.contracts.metric import Estimate
from bench.contracts.set_metric import EmbeddingSet, Reference
from bench.errors import UsageError
from metrics.grouped import starts_of
from metrics.kernel import Bandwidth, KernelAudioDistance
from metrics.kernel_cells import Pairs
from metrics.kernel_sides import Places, Side, pairs_across, pairs_between
from metrics.median_distance import median_distance
from metrics.pairwise import Windows

MOST_FOR_MEDIAN = 20_000
"""With more windows, evenly spaced ones give the bandwidth."""
SMALLEST = 100


@dataclass(frozen=True, eq=False)
class Block:
    """Some windows of a side, and the numbers of the units that they are of."""

    side: Side
    units: Places


class KernelAudioDistanceBlock(KernelAudioDistance):
    """KAD by blocks, for more than 50,000 windows on either side.

    Its expectation is that of kad, its variance larger; where there is an interval, the details hold the ``variance``.

    Args:
        bandwidth: as for kad; with more than 20,000 windows, the median is that of evenly spaced ones.
        block: approximate number of windows in a block, 100 or more.
    """

    version = 1
    most_windows: ClassVar[int | None] = None

    def __init__(
        self,
        embedder: str = "musicnn-msd",
        embedder_params: Mapping[str, Any] | None = None,
        bandwidth: Bandwidth = "reference",
        block: int = 10_000,
    ) -> None:
        super().__init__(embedder, embedder_params, bandwidth)
        if block < SMALLEST:
            raise UsageError(f"block is {block}, must be {SMALLEST} windows or more")
        self.block = block

    def evaluate(self, evaluated: EmbeddingSet, reference: Reference | None) -> Estimate:
        from scipy.special import stdtrit

        found = super().evaluate(evaluated, reference)
        if found.high is None or found.value is None:
            return found
        units = len(self.grouped(self.considered(evaluated, reference)).starts)
        variance = ((found.high - found.value) / float(stdtrit(units - 1, 0.975))) ** 2
        return replace(found, details={**found.details, "variance": variance})

    def _between(self, side: Side, sigma: float) -> Pairs:
        units = len(side.starts)
        sums, counts = np.zeros((units, units)), np.zeros((units, units))
        for block in self._dealt(side):
            found, places = pairs_between(block.side, sigma), np.ix_(block.units, block.units)
            sums[places] += found.sums
            counts[places] += found.counts
        return Pairs(sums, counts)

    def _across(self, side: Side, reference: Side, sigma: float) -> Pairs:
        shape = len(side.starts), len(reference.starts)
        sums, counts = np.zeros(shape), np.zeros(shape)
        clips, music = self._dealt(side), self._dealt(reference)
        for meeting in range(max(len(clips), len(music))):
            a, b = clips[meeting % len(clips)], music[meeting % len(music)]
            found, places = pairs_across(a.side, b.side, sigma), np.ix_(a.units, b.units)
            sums[places] += found.sums
            counts[places] += found.counts
        return Pairs(sums, counts)

    def _dealt(self, side: Side) -> list[Block]:
        """Assign the windows of a side to blocks, its groups in turn; two models' windows of one prompt share a
        block."""
        assert side.groups is not None
        groups, first, inverse = np.unique(side.groups, return_index=True, return_inverse=True)
        turn = np.argsort(np.argsort(first))[inverse]
        models = max(1, len(side.starts) // len(np.unique(side.groups[side.starts])))
        number = min(-(-len(side.vectors) // (models * self.block)), max(1, len(groups) // 2))
        unit = np.repeat(np.arange(len(side.starts)), side.counts.astype(np.int64))
        blocks = []
        for place in range(number):
            own = np.flatnonzero(turn % number == place)
            part = Side(side.vectors[own], starts_of(unit[own]), side.groups[own], side.prompts)
            blocks.append(Block(part, np.unique(unit[own])))
        return blocks

    def _median(self, vectors: Windows) -> float:
        return median_distance(vectors[:: -(-len(vectors) // MOST_FOR_MEDIAN)], self.lower_median)
