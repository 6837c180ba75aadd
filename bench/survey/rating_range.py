"""The range that ratings are given on, such as 1–5: read from words, or guessed from the ratings themselves."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.errors import DataError, UsageError

_WRITTEN = re.compile(r"\s*([-−]?\d+(?:\.\d+)?)\s*(?:[-–:]|\.\.|to)\s*([-−]?\d+(?:\.\d+)?)\s*")


class Range(NamedTuple):
    """Lowest and highest possible rating, both included."""

    low: float
    high: float

    @classmethod
    def parse(cls, text: str) -> Range:
        """Read ``1-5``, ``0-100`` or ``-3..3``.

        Raises:
            UsageError: it is not a range.
        """
        found = _WRITTEN.fullmatch(text)
        if found is None:
            raise UsageError(f"'{text}' is not a rating scale; write it like 1-5, 1-10 or 0-100")
        low, high = (float(part.replace("−", "-")) for part in found.groups())
        if not low < high:
            raise UsageError(f"the rating scale '{text}' must rise from its lowest to its highest rating")
        return cls(low, high)

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}" if self.low < 0 else f"{self.low:g}–{self.high:g}"


# Preference as 0/1, ACR (ITU-T P.800), comparison scales, Likert, and MUSHRA (ITU-R BS.1534), the narrowest first.
CUSTOMARY = tuple(
    Range(*ends) for ends in ((0, 1), (1, 5), (0, 5), (-2, 2), (-3, 3), (1, 7), (1, 10), (0, 10), (0, 100))
)

# A rating in a hundred is a slip of the hand; one in twenty is a wider scale; what lies between must be asked.
_SLIPS, _MEANT = 0.01, 0.05


def guess_range(ratings: npt.NDArray[np.float64], scale: str) -> Range:
    """The narrowest customary range that the ratings lie on, up to 1 % (or one in 30 or more) that look like slips.

    Ratings on no customary range have the range from the lowest to the highest.

    Args:
        ratings: shape (n,), finite, n ≥ 1.
        scale: its name, for the message.

    Raises:
        DataError: a few ratings lie beyond the range of all others, and whether they are mistakes cannot be told.
    """
    for candidate in CUSTOMARY:
        beyond = (ratings < candidate.low) | (ratings > candidate.high)
        count = int(beyond.sum())
        if count == 0 or (len(ratings) >= 30 and count <= max(1, _SLIPS * len(ratings))):
            return candidate
        if count <= _MEANT * len(ratings):
            far = sorted({float(value) for value in ratings[beyond]})
            raise DataError(
                f"{len(ratings) - count} of {len(ratings)} ratings of {scale} lie on {candidate}, but there are also "
                f"{', '.join(f'{value:g}' for value in far[:5])}: say what the scale is with --rating-scale, "
                f"such as --rating-scale {candidate.low:g}-{candidate.high:g}; ratings off it are excluded and listed"
            )
    return Range(float(ratings.min()), float(ratings.max()))
