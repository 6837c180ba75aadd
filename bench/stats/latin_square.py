"""Orders in which every treatment is in every position, and follows every other one, equally often."""

from __future__ import annotations


def williams_rows(size: int) -> list[tuple[int, ...]]:
    """Return the rows of a Williams square: ``size`` of them, twice as many where ``size`` is odd.

    Each number stands in each place equally often, and directly after each other number equally often.

    >>> williams_rows(4)
    [(0, 1, 3, 2), (1, 2, 0, 3), (2, 3, 1, 0), (3, 0, 2, 1)]

    Args:
        size: how many numbers, 0 to ``size`` − 1.

    Raises:
        ValueError: fewer than one.

    Source: Williams. Experimental designs balanced for the estimation of residual effects of treatments. Australian
    Journal of Scientific Research A 2, 1949.
    """
    if size < 1:
        raise ValueError(f"a square needs a size of at least 1, got {size}")
    first = [0]
    for step in range(1, size):
        first.append((first[-1] + (step if step % 2 else -step)) % size)
    rows = [tuple((number + shift) % size for number in first) for shift in range(size)]
    return rows if size % 2 == 0 else rows + [row[::-1] for row in rows]
