"""Sums of a Gaussian kernel over pairs of windows, a block at a time, added in float64."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from metrics.pairwise import Array, Block, Windows, scaled_blocks

Starts = npt.NDArray[np.int64]


def kernel_blocks(a: Windows, b: Windows | None, bandwidth: float) -> Iterator[Block]:
    """exp(−distance²/(2 bandwidth²)) in the blocks of `scaled_blocks`; 0 where those are infinite."""
    for block in scaled_blocks(a, b, -0.5 / bandwidth**2):
        np.exp(block.values, out=block.values)
        yield block


def kernel_sum(a: Windows, b: Windows | None, bandwidth: float) -> float:
    """Sum over all pairs of two sets, or over all ordered pairs i ≠ j of one."""
    total = sum(float(block.sum()) for _, _, block in kernel_blocks(a, b, bandwidth))
    return total if b is not None else 2 * total


def kernel_sums_to(a: Windows, starts: Starts, b: Windows, bandwidth: float) -> Array:
    """Sum over all pairs of each unit of ``a`` with all of ``b``, shape (units,)."""
    rows = np.zeros(len(a))
    for row, _, block in kernel_blocks(a, b, bandwidth):
        rows[row : row + len(block)] += block.sum(axis=1)
    sums: Array = np.add.reduceat(rows, starts)
    return sums


def kernel_sums_between(a: Windows, starts: Starts, bandwidth: float) -> Array:
    """Sum over the ordered pairs i ≠ j of each two units of one set, shape (units, units), symmetric."""
    sums = np.zeros((len(starts), len(starts)))
    for row, column, block in kernel_blocks(a, None, bandwidth):
        first, rows = _local(starts, row, len(block))
        second, columns = _local(starts, column, block.shape[1])
        part = np.add.reduceat(np.add.reduceat(block, columns, axis=1), rows, axis=0)
        sums[first : first + len(rows), second : second + len(columns)] += part
    both: Array = sums + sums.T
    return both


def _local(starts: Starts, begin: int, length: int) -> tuple[int, Starts]:
    """The first unit that has windows in a block, and where in the block each unit begins."""
    first = int(np.searchsorted(starts, begin, "right")) - 1
    last = int(np.searchsorted(starts, begin + length, "left"))
    return first, np.maximum(starts[first:last] - begin, 0)
