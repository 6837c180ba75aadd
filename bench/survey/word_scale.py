"""The words of a rating scale, and the numbers that they stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

P800 = {"excellent": "5", "good": "4", "fair": "3", "poor": "2", "bad": "1"}
"""The categories of absolute category rating, ITU-T P.800, annex B, in lower case."""


def is_word_of_scale(texts: pd.Series) -> pd.Series:
    """Return whether each text is a word of the scale, in upper or lower case; shape (answers,), bool."""
    return texts.str.lower().isin(P800)


def as_numbers(texts: pd.Series) -> pd.Series:
    """Return the texts with each word of the scale replaced by its number, as text; all others stay as they are."""
    return texts.str.lower().map(P800).where(is_word_of_scale(texts), texts)
