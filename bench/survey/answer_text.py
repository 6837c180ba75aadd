"""Parse written ratings as numbers: 4, 3,5, "4: Good", 4/5, 80 %, ★★★★☆ and the words of known scales."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, NamedTuple

from bench.survey.rating_range import Range
from bench.survey.word_scale import WORDS, WordScale, fitting, normal
from bench.survey_question import SurveyQuestion

_NUMBER = r"[-+−]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_PLAIN = re.compile(_NUMBER)
_DECIMAL_COMMA = re.compile(r"(?<![\d.,])(\d+),(\d+)(?![\d.,])")
_SHORT_DECIMAL_COMMA = re.compile(r"(?<![\d.,])(\d+),(\d{1,2})(?![\d.,])")
# "1 - Very bad", "4: Good", "5 (best)", "3 = fair", "2. Poor"; and "Very bad (1)", "Good: 4". A label has no digits.
_LABEL = r"[^\W\d_][^\d]*?"
_LABELLED = re.compile(rf"({_NUMBER})(?:\s*[-–—:=.)]\s*|\s+|\s*\()\(?({_LABEL})\)?")
_LABEL_FIRST = re.compile(rf"({_LABEL})(?:\s*[(\[:=]\s*|\s+[-–—]\s+)({_NUMBER})\s*[)\]]?")
_SHARE = re.compile(rf"({_NUMBER})\s*(?:/|of|out of)\s*(\d+)(?:\s*(?:stars?|points?))?", re.IGNORECASE)
_PERCENT = re.compile(rf"({_NUMBER})\s*(?:%|percent|per cent)", re.IGNORECASE)
_STARS = re.compile(r"([★⭐🌟]+|\*+)\s*([☆✩]*)")
_COUNTED_STARS = re.compile(rf"({_NUMBER})\s*-?\s*(?:stars?|[★⭐🌟*])", re.IGNORECASE)
# A spreadsheet makes "5-Apr" of 4/5.
_MONTH = re.compile(r"(jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec|june|july)(\.|\b).*")
# No scale has such values, and their squares may overflow.
_LARGEST, _SMALLEST = 1e9, 1e-9


@dataclass
class Reading:
    """The parsed answers on one scale.

    Attributes:
        values: numbers, by text.
        shown: texts that are not plain numbers, with the number read, sorted by number.
        source: the known scale of words, or "".
        range: the range stated in the answers, or None.
        unread: texts that were not understood, with counts, most frequent first.
    """

    values: dict[str, float] = field(default_factory=dict)
    shown: dict[str, float] = field(default_factory=dict)
    source: str = ""
    range: Range | None = None
    unread: dict[str, int] = field(default_factory=dict)


class Written(NamedTuple):
    """A parsed answer: points, with a maximum if stated, or percent, with or without a label."""

    kind: Literal["points", "percent"]
    number: float
    top: int | None = None
    label: str = ""


def read_numbers(answers: Mapping[str, int], meanings: Mapping[str, str], decimal_comma: bool, where: str) -> Reading:
    """Read the answers on one scale.

    Points and percent are not mixed, nor points of 5 with points of 10: the more frequent are used. Labels yield to
    their numbers. Words are read only if they belong to one known scale.

    Args:
        answers: count of each text.
        meanings: numbers given for words, in lower case; they take precedence.
        decimal_comma: as for `take_apart`.
        where: the scale and the file, for a question.

    Raises:
        SurveyQuestion: the words may belong to two known scales with different numbers, or the labels
            contradict the numbers.
    """
    found = Reading()
    said = {text: float(meanings[normal(text)]) for text in answers if normal(text) in meanings}
    written = {text: take_apart(text, decimal_comma) for text in answers if text not in said}
    numbers = {text: one for text, one in written.items() if one is not None}
    kept = _of_one_notation(numbers, answers)
    _refuse_reversed_labels(kept, where)
    found.values = said | {text: one.number for text, one in kept.items()}
    found.range = _stated_range(kept.values())
    words = {text: normal(text) for text, one in written.items() if one is None}
    _read_words(found, words, where)
    shown = {text: number for text, number in found.values.items() if not _PLAIN.fullmatch(text)}
    found.shown = dict(sorted(shown.items(), key=lambda item: (item[1], item[0])))
    left = {text: count for text, count in answers.items() if text not in found.values}
    found.unread = dict(sorted(left.items(), key=lambda item: (-item[1], item[0])))
    return found


def take_apart(text: str, decimal_comma: bool) -> Written | None:
    """Return the number in an answer with its label; None if there is none, or it is not usual for a rating.

    Args:
        text: the answer.
        decimal_comma: whether any number of digits may follow a decimal comma; otherwise one or two, as in 3,5.
    """
    text = (_DECIMAL_COMMA if decimal_comma else _SHORT_DECIMAL_COMMA).sub(r"\1.\2", text.replace("\ufe0f", ""))
    found: Written | None = None
    if _PLAIN.fullmatch(text):
        found = Written("points", _number(text))
    elif match := _SHARE.fullmatch(text):
        found = Written("points", _number(match[1]), int(match[2]))
    elif match := _PERCENT.fullmatch(text):
        found = Written("percent", _number(match[1]))
    elif match := _STARS.fullmatch(text):
        found = Written("points", len(match[1]), len(match[1] + match[2]) if match[2] else None)
    elif match := _COUNTED_STARS.fullmatch(text):
        found = Written("points", _number(match[1]))
    elif match := _LABELLED.fullmatch(text):
        found = Written("points", _number(match[1]), label=normal(match[2]))
    elif match := _LABEL_FIRST.fullmatch(text):
        found = Written("points", _number(match[2]), label=normal(match[1]))
    if found is None or _MONTH.fullmatch(found.label) or not _usual(found):
        return None
    return found


def _number(text: str) -> float:
    return float(text.replace("−", "-"))


def _usual(found: Written) -> bool:
    """Return whether a rating scale may have this number, not above a stated maximum."""
    size = abs(found.number)
    inside = found.top is None or 0 <= found.number <= found.top
    return math.isfinite(size) and size <= _LARGEST and (size == 0 or size >= _SMALLEST) and inside


def _of_one_notation(numbers: Mapping[str, Written], answers: Mapping[str, int]) -> dict[str, Written]:
    """Leave out answers in a rarer notation, and labels with two numbers."""
    kinds, tops, beside = Counter[str](), Counter[int](), dict[str, set[float]]()
    for text, one in numbers.items():
        kinds[one.kind] += answers[text]
        if one.top is not None:
            tops[one.top] += answers[text]
        if one.label:
            beside.setdefault(one.label, set()).add(one.number)
    kind = max(kinds, key=lambda name: kinds[name], default="points")
    top = max(tops, key=lambda number: tops[number], default=None)
    return {
        text: one
        for text, one in numbers.items()
        if one.kind == kind and one.top in (None, top) and len(beside.get(one.label, ())) <= 1
    }


def _stated_range(kept: Iterable[Written]) -> Range | None:
    kept = list(kept)
    if any(one.kind == "percent" for one in kept):
        return Range(0, 100)
    top = next((one.top for one in kept if one.top is not None), None)
    if top is None:
        return None
    return Range(0 if top > 10 or any(one.number == 0 for one in kept) else 1, top)


def _refuse_reversed_labels(kept: Mapping[str, Written], where: str) -> None:
    """Raise a question if 1 is labeled best and 5 worst: plain numbers would call the worse model better."""
    numbers = {one.label: one.number for one in kept.values() if one.label in WORDS}
    for scale in fitting(numbers)[:1]:
        order = sorted(numbers, key=lambda label: scale.numbers[label])
        falling = all(numbers[low] > numbers[high] for low, high in pairwise(order))
        if len(order) > 1 and falling:
            turned = {text: min(numbers.values()) + max(numbers.values()) - one.number for text, one in kept.items()}
            raise SurveyQuestion(
                f"the labels on {where} call {numbers[order[-1]]:g} '{order[-1]}' and {numbers[order[0]]:g} "
                f"'{order[0]}': reverse the numbers so that more is better, or keep them as they are",
                ["--words", words_option(turned)],
                ["--words", words_option({text: one.number for text, one in kept.items()})],
            )


def _read_words(found: Reading, words: Mapping[str, str], where: str) -> None:
    """Read words that belong to one known scale; others stay unread, and so do all if no single scale fits.

    Raises:
        SurveyQuestion: several scales fit.
    """
    known = {text: word for text, word in words.items() if word in WORDS}
    fits = [scale for scale in fitting(set(known.values())) if _holds(scale, found.values.values())] if known else []
    if len(fits) > 1:
        listed = ", ".join(sorted(known))
        readings = [{text: scale.numbers[word] for text, word in known.items()} for scale in fits]
        raise SurveyQuestion(
            f"the words on {where} ({listed}) fit several scales: "
            f"{'; '.join(f'{scale.name} ({_pairs(reading)})' for scale, reading in zip(fits, readings, strict=True))}; "
            "state their values",
            *(["--words", words_option(reading)] for reading in readings),
        )
    for scale in fits:
        found.values |= {text: float(scale.numbers[word]) for text, word in known.items()}
        found.source, found.range = scale.name, found.range or scale.range


def _holds(scale: WordScale, numbers: Iterable[float]) -> bool:
    """Return whether plain numbers among the words fit the same scale."""
    return all(scale.range.low <= number <= scale.range.high for number in numbers)


def words_option(meanings: Mapping[str, float]) -> str:
    """Return the value of ``--words`` for these meanings, highest number first."""
    return _pairs(meanings).replace(", ", ",").replace(" = ", "=")


def _pairs(meanings: Mapping[str, float]) -> str:
    return ", ".join(f"{text} = {value + 0:g}" for text, value in sorted(meanings.items(), key=lambda item: -item[1]))
