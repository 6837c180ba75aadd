"""The range of ratings, such as 1–5: parsed from text, or guessed from the ratings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.errors import UsageError
from bench.number_format import first_few
from bench.survey_question import SurveyQuestion

Array = npt.NDArray[np.float64]

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
            raise UsageError(f"the rating scale '{text}' must go from the lowest to the highest rating")
        return cls(low, high)

    @classmethod
    def around(cls, values: Sequence[float]) -> Range:
        """Return the narrowest customary range that contains these values, else from lowest to highest."""
        low, high = min(values), max(values)
        return next((one for one in CUSTOMARY if one.low <= low and high <= one.high), cls(low, high))

    @property
    def written(self) -> str:
        """The text that `parse` reads."""
        return f"{self.low:g}{'..' if self.low < 0 else '-'}{self.high:g}"

    def __str__(self) -> str:
        ends = (f"{end + 0:g}".replace("-", "−") for end in self)
        return " to ".join(ends) if self.low < 0 else "–".join(ends)


# Preference as 0/1, ACR (ITU-T P.800), comparison scales, Likert, and MUSHRA (ITU-R BS.1534), the narrowest first.
CUSTOMARY = tuple(
    Range(*ends) for ends in ((0, 1), (1, 5), (0, 5), (-2, 2), (-3, 3), (1, 7), (1, 10), (0, 10), (0, 100))
)

# One outlier in a hundred is a typing error, one in twenty a wider scale; in between, raise a question.
_SLIPS, _MEANT = 0.01, 0.05
_MOST_CODES = 3  # a survey has one or two codes for "no answer"; more separate values mean a wider scale


def stray_values(ratings: Array) -> tuple[float, ...]:
    """Return the values separate from the rest of the scale, like codes for missing answers: −1, 9, 99, 0.

    Their frequency does not matter. A value is separate from a customary range, which contains most of the values,
    if at least one step between is unused, and so is a negative number below a scale without negatives, and a 0
    below integers from 1 to at most 10. At most three values are; with more, the scale is wider.

    Args:
        ratings: shape (n,), finite, n ≥ 1.

    >>> stray_values(np.array([1.0, 2, 3, 4, 5, 99])), stray_values(np.array([0.0, 20, 35, 60, 99]))
    ((99.0,), ())
    """
    values = np.unique(ratings)
    if set(values) <= {0, 1}:
        return ()
    below = values[(values >= -3) & (values < 0)]
    above = values[values > 3]
    few_above = len(above) <= _MOST_CODES and not (above <= 6).any()
    of_comparison = few_above and (len(below) > 1 or (len(below) == 1 and 0 in values))
    for limit in CUSTOMARY[1:]:  # few ratings are within 0–1 by nature
        on_it = (ratings >= limit.low) & (ratings <= limit.high)
        body = values[(values >= limit.low) & (values <= limit.high)]
        if (of_comparison and limit.low >= 0) or not len(body) or (len(body) < 3 and on_it.mean() < 0.5):
            continue
        apart = _apart(values, body, negative=limit.low < 0)
        if len(apart) <= _MOST_CODES:
            rest = np.setdiff1d(values, [*apart, 0.0])
            zero = 0 in values and len(rest) > 1 and rest.min() >= 1 and rest.max() <= 10
            return tuple(sorted({*apart, 0.0} if zero else apart))
    return ()


def _apart(values: Array, body: Array, negative: bool) -> tuple[float, ...]:
    """Return values not connected to a range by single steps; negative ones only if ``negative``."""
    low, high = float(body.min()), float(body.max())
    step = float(np.clip(np.diff(body).min(), 1, 2)) if len(body) > 1 else 1.0
    for value in values[values > high]:
        high = float(value) if value - high <= step else high
    for value in values[values < low][::-1]:
        low = float(value) if low - value <= step and (negative or value >= 0) else low
    return tuple(float(value) for value in values if not low <= value <= high)


def guess_range(ratings: Array, scale: str) -> Range:
    """Return the narrowest customary range of the ratings, ignoring one outlier in a hundred.

    If no customary range fits, it is the range from the lowest to the highest rating.

    Args:
        ratings: shape (n,), finite, n ≥ 1, without separate values (`stray_values`).
        scale: its name, for the message.

    Raises:
        SurveyQuestion: a few ratings are outside the range of all others, and may be mistakes.
    """
    for candidate in CUSTOMARY:
        beyond = (ratings < candidate.low) | (ratings > candidate.high)
        count = int(beyond.sum())
        if count <= _SLIPS * len(ratings):
            return candidate
        if count <= _MEANT * len(ratings):
            far = [f"{value:g}" for value in np.unique(ratings[beyond])]
            raise SurveyQuestion(
                f"{len(ratings) - count} of {len(ratings)} ratings of {scale} are within {candidate}, but there "
                f"{'is' if count == 1 else 'are'} also {', '.join(first_few(far, 5))}: state the scale, or that "
                "they are not ratings",
                ["--rating-scale", Range.around([float(ratings.min()), float(ratings.max())]).written],
                ["--missing", ",".join(far)],
            )
    return Range(float(ratings.min()), float(ratings.max()))
