"""Rating scales in words, and the numbers of their words."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from bench.survey.rating_range import Range


class WordScale(NamedTuple):
    """A customary rating scale in words.

    Attributes:
        name: description for a sentence.
        range: lowest and highest number.
        numbers: number of each word; words with the same number are alternatives.
    """

    name: str
    range: Range
    numbers: dict[str, int]


def _scale(name: str, lowest: int, *steps: str) -> WordScale:
    """Build a scale from its steps, the lowest first; alternatives within a step are separated by bars."""
    numbers = {word: lowest + number for number, step in enumerate(steps) for word in step.split("|")}
    return WordScale(name, Range(lowest, lowest + len(steps) - 1), numbers)


_MIDDLE = "fair|average|neutral|medium|ok|okay|acceptable|neither good nor bad|neither|so-so"
_UNDECIDED = "neutral|neither agree nor disagree|neither agree or disagree|undecided|neither"
_SAME = "about the same|the same|same|equal|no difference|neither better nor worse"

KNOWN = (
    _scale("absolute category rating, ITU-T P.800", 1, "bad", "poor", "fair", "good", "excellent"),
    _scale("poor to excellent with very good", 1, "poor", "fair", "good", "very good", "excellent"),
    _scale("very bad to very good", 1, "very bad", "bad", _MIDDLE, "good", "very good"),
    _scale("very poor to very good", 1, "very poor", "poor", _MIDDLE, "good", "very good"),
    _scale("very poor to excellent", 1, "very poor", "poor", _MIDDLE, "good", "excellent"),
    _scale("agreement in 5", 1, "strongly disagree", "disagree", _UNDECIDED, "agree", "strongly agree"),
    _scale(
        *("agreement in 5, with somewhat", 1, "strongly disagree", "somewhat disagree", _UNDECIDED),
        *("somewhat agree", "strongly agree"),
    ),
    _scale(
        *("agreement in 7", 1, "strongly disagree", "disagree", "somewhat disagree|slightly disagree", _UNDECIDED),
        *("somewhat agree|slightly agree", "agree", "strongly agree"),
    ),
    _scale("satisfaction", 1, "very dissatisfied", "dissatisfied", _MIDDLE, "satisfied", "very satisfied"),
    _scale("extent", 1, "not at all", "slightly", "moderately", "very", "extremely"),
    _scale("extent, much", 1, "not at all", "a little", "moderately", "a lot", "a great deal"),
    _scale(
        *("impairment, ITU-R BS.1284", 1, "very annoying", "annoying", "slightly annoying"),
        *("perceptible but not annoying", "imperceptible"),
    ),
    _scale(
        *("degradation category rating, ITU-T P.800", 1, "very annoying", "annoying", "slightly annoying"),
        *("audible but not annoying", "inaudible"),
    ),
    _scale(
        *("comparison category rating, ITU-T P.800", -3, "much worse", "worse", "slightly worse", _SAME),
        *("slightly better", "better", "much better"),
    ),
    _scale("comparison in 5", -2, "much worse", "worse", _SAME, "better", "much better"),
    _scale(
        *("comparison in 5, with slightly", -2, "much worse", "slightly worse", _SAME, "slightly better"),
        "much better",
    ),
)
"""The known scales, in lower case."""

WORDS = frozenset(word for scale in KNOWN for word in scale.numbers)


def normal(word: str) -> str:
    """Return a word as in `KNOWN`: in lower case, with plain apostrophes and without commas or a final period.

    >>> normal("Perceptible, but not annoying.")
    'perceptible but not annoying'
    """
    return " ".join(word.casefold().replace("’", "'").replace(",", " ").split()).rstrip(".! ")


def fitting(words: Collection[str]) -> list[WordScale]:
    """Return the known scales that these words, in lower case, may belong to.

    If they are all the steps of a scale, scales with further steps are ignored. Scales on which these words
    have the same numbers and range count as one.

    >>> [scale.name for scale in fitting({"agree", "disagree", "neutral", "strongly agree", "strongly disagree"})]
    ['agreement in 5']
    >>> len(fitting({"excellent", "good", "fair", "poor"}))
    2
    """
    used = set(words)
    found = [scale for scale in KNOWN if used <= scale.numbers.keys() and _one_of_each_step(used, scale)]
    whole = [scale for scale in found if len(used) == len(set(scale.numbers.values()))]
    different: dict[tuple[Range, tuple[int, ...]], WordScale] = {}
    for scale in whole or found:
        different.setdefault((scale.range, tuple(scale.numbers[word] for word in sorted(used))), scale)
    return list(different.values())


def _one_of_each_step(used: Collection[str], scale: WordScale) -> bool:
    return len({scale.numbers[word] for word in used}) == len(used)
