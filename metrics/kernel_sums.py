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
    for first, second, part in unit_blocks(a, starts, bandwidth):
        sums[first : first + len(part), second : second + part.shape[1]] += part
    both: Array = sums + sums.T
    return both


def kernel_sum_apart(a: Windows, starts: Starts, bandwidth: float) -> float:
    """Sum over the ordered pairs of one set that are of different units; no table of units is made."""
    total = 0.0
    for first, second, part in unit_blocks(a, starts, bandwidth):
        total += float(part.sum()) - float(np.trace(part, first - second))
    return 2 * total


def unit_blocks(a: Windows, starts: Starts, bandwidth: float) -> Iterator[Block]:
    """Sums over the pairs i < j of each two units of one set, a block of windows at a time.

    A block is about units ``row …`` and ``column …``; what belongs to two units is the sum over all blocks.
    """
    for row, column, block in kernel_blocks(a, None, bandwidth):
        first, rows = _local(starts, row, len(block))
        second, columns = _local(starts, column, block.shape[1])
        part = block if len(columns) == block.shape[1] else np.add.reduceat(block, columns, axis=1)
        yield Block(first, second, part if len(rows) == len(part) else np.add.reduceat(part, rows, axis=0))


def _local(starts: Starts, begin: int, length: int) -> tuple[int, Starts]:
    """The first unit that has windows in a block, and where in the block each unit begins."""
    first = int(np.searchsorted(starts, begin, "right")) - 1
    last = int(np.searchsorted(starts, begin + length, "left"))
    return first, np.maximum(starts[first:last] - begin, 0)
