"""Sums of a Gaussian kernel over pairs of windows, a block at a time, added in float64."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from metrics.pairwise import Array, Block, Windows, of_one_label, scaled_blocks, sums_of_rows

Places = npt.NDArray[np.int64]


def kernel_blocks(a: Windows, b: Windows | None, bandwidth: float) -> Iterator[Block]:
    """Yield exp(−distance²/(2 bandwidth²)) in the blocks of `scaled_blocks`; 0 where those are infinite."""
    for block in scaled_blocks(a, b, -0.5 / bandwidth**2):
        np.exp(block.values, out=block.values)
        yield block


def kernel_sums_between(a: Windows, starts: Places, bandwidth: float, labels: Places | None = None) -> Array:
    """Compute the sum of the kernel over the ordered pairs i ≠ j of each two units of one set, shape (units, units),
    symmetric.

    Args:
        a: windows, those of a unit one after the other.
        starts: the first window of each unit, shape (units,).
        bandwidth: of the kernel, > 0, in units of the embedding.
        labels: of each window, shape (windows,); pairs with one label do not count.
    """
    sums = np.zeros((len(starts), len(starts)))
    for row, column, block in kernel_blocks(a, None, bandwidth):
        _leave_out(block, labels, labels, row, column)
        first, second, part = _by_units(starts, starts, row, column, block)
        sums[first : first + len(part), second : second + part.shape[1]] += part
    both: Array = sums + sums.T
    return both


def kernel_sums_across(
    a: Windows,
    starts: Places,
    b: Windows,
    b_starts: Places,
    bandwidth: float,
    labels: tuple[Places, Places] | None = None,
) -> Array:
    """Compute the sum of the kernel over the pairs of each unit of ``a`` with each of ``b``, shape (units of a, units
    of b).

    Args:
        a, b: windows, those of a unit one after the other.
        starts, b_starts: the first window of each unit.
        bandwidth: of the kernel, > 0, in units of the embedding.
        labels: of each window of ``a`` and of ``b``; pairs with one label do not count.
    """
    sums = np.zeros((len(starts), len(b_starts)))
    of_a, of_b = labels or (None, None)
    for row, column, block in kernel_blocks(a, b, bandwidth):
        _leave_out(block, of_a, of_b, row, column)
        first, second, part = _by_units(starts, b_starts, row, column, block)
        sums[first : first + len(part), second : second + part.shape[1]] += part
    return sums


def _leave_out(block: Array, a: Places | None, b: Places | None, row: int, column: int) -> None:
    """Set the entries of two windows with one label to 0."""
    if a is not None and b is not None:
        alike = of_one_label(a[row : row + len(block)], b[column : column + block.shape[1]])
        if alike is not None:
            block[alike] = 0.0


def _by_units(starts: Places, b_starts: Places, row: int, column: int, block: Array) -> Block:
    """Compute the sum over the windows of each two units in a block."""
    first, rows = _local(starts, row, len(block))
    second, columns = _local(b_starts, column, block.shape[1])
    part = block if len(rows) == len(block) else sums_of_rows(block, rows)
    return Block(first, second, part if len(columns) == part.shape[1] else np.add.reduceat(part, columns, axis=1))


def _local(starts: Places, begin: int, length: int) -> tuple[int, Places]:
    """Return the first unit that has windows in a block, and where in the block each unit begins."""
    first = int(np.searchsorted(starts, begin, "right")) - 1
    last = int(np.searchsorted(starts, begin + length, "left"))
    return first, np.maximum(starts[first:last] - begin, 0)
