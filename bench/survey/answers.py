"""Read answers as numbers or votes, scale by scale; unreadable ones raise a question, unless they are rare."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from bench.errors import UsageError, suggestion
from bench.number_format import counted, first_few
from bench.survey.answer_rules import AnswerRules
from bench.survey.answer_text import Reading, read_numbers, take_apart, words_option
from bench.survey.rating_range import Range, guess_range, stray_values
from bench.survey.sieve import Sieve
from bench.survey.votes import Asked, VoteReading, read_votes, unread_answers
from bench.survey.word_scale import normal
from bench.survey_question import SurveyQuestion, listed

if TYPE_CHECKING:
    import pandas as pd

_SLIPS = 0.01  # share of answers that may be dropped without a question
_WIDE = ((1, 7), (1, 10), (0, 10))  # scales whose ends few may have chosen: those are more likely ratings than codes
_ENDS = (0, 7, 10)
_YES_OR_NO = {"yes": 1.0, "no": 0.0, "true": 1.0, "false": 0.0}
_NAMED = 6  # words listed in a question, before "and N more"
_NOTHING = frozenset(("", "na", "n/a", "nan", "null", "-", "–", ".", "#n/a"))
Ranges = Mapping[str, Range] | Range | None
T = TypeVar("T")


def leave_out_missing(sieve: Sieve, rules: AnswerRules, preferences: bool, path: Path) -> None:
    """Remove empty answers, and those declared missing, on all scales or, as ``Harmony=99``, on one.

    Raises:
        UsageError: an answer declared missing is not in the file.
    """
    nothing = _NOTHING if preferences else _NOTHING | {"none"}  # "none" of two models is an answer
    empty = sieve.records["text"].str.lower().isin(list(nothing))
    sieve.exclude(empty, "no answer" if preferences else "no rating")
    known = {_comparable(text) for text in sieve.texts}
    records = sieve.records
    plain, called = records["text"].map(_comparable), np.zeros(len(records), dtype=bool)
    for code in rules.missing:
        scale, equals, of_scale = code.partition("=")
        named = bool(equals) and scale in set(records["scale"])
        wanted = _comparable(of_scale if named else code)
        if wanted not in known:
            raise UsageError(f"--missing: no answer in {path} is '{code}'{suggestion(code, sieve.texts)}")
        called |= (plain == wanted).to_numpy(dtype=bool) & (
            (records["scale"] == scale).to_numpy(dtype=bool) | (not named)
        )
    sieve.exclude(called, "declared missing with --missing")


def _comparable(text: str) -> str:
    """Return the same text for 99, 99.0, "99,0" and "99 - Don't know"."""
    number = take_apart(text, decimal_comma=True)
    return normal(text) if number is None or number.top or number.kind == "percent" else f"{number.number:g}"


def read_rating_texts(sieve: Sieve, rules: AnswerRules, decimal_comma: bool, path: Path) -> dict[str, Range]:
    """Add the column ``value`` and remove unreadable answers; return the ranges stated in answers, by scale.

    Args:
        sieve: the answers, changed in place.
        rules: of which ``words`` counts.
        decimal_comma: as for `bench.survey.answer_text.take_apart`.
        path: the file, for messages.

    Raises:
        SurveyQuestion: words fit no scale, or several.
        UsageError: a word with a given number is not in the file, or its value is not a number.
    """
    meanings = _meanings(rules, sieve.texts, path)
    for word, number in meanings.items():
        if _as_float(number) is None:
            raise UsageError(f"--words: '{word}' is '{number}'; must be a number, such as {word}=4")
    readings: dict[str, Reading] = {}
    values = np.full(len(sieve.records), np.nan)
    for scale, here, texts in _by_scale(sieve.records):
        found = read_numbers(_counts(texts), meanings, decimal_comma, f"{scale} in {path}")
        _ask_about_unread(found.unread, len(texts), f"{scale} in {path}", partial(_about_words, known=found.values))
        readings[scale] = found
        values[here] = texts.map(found.values).to_numpy(dtype=np.float64)
    sieve.records = sieve.records.assign(value=values)
    sieve.exclude(np.isnan(values), "not a rating")
    said = {scale: (_reading(one.shown), one.source) for scale, one in readings.items() if one.shown}
    for (shown, source), scales in _alike(said).items():
        sieve.notes.append(f"Read on {', '.join(scales)}: {shown}{f' ({source})' if source else ''}.")
    return {scale: one.range for scale, one in readings.items() if one.range}


def read_vote_texts(sieve: Sieve, rules: AnswerRules, path: Path) -> set[str]:
    """Add the columns choice, outcome and score, and remove unreadable answers.

    Args:
        sieve, rules, path: as for `read_rating_texts`.

    Returns:
        The scales with comparison scores, such as −3 to 3.

    Raises:
        SurveyQuestion: answers are unreadable or ambiguous.
        UsageError: a word with a given meaning is not in the file, or its meaning is neither an outcome nor a number.
    """
    meanings = _meanings(rules, sieve.texts, path)
    readings: dict[str, VoteReading] = {}
    outcome, score = np.full(len(sieve.records), "", dtype=object), np.full(len(sieve.records), np.nan)
    for scale, here, _ in _by_scale(sieve.records):
        rows = sieve.records[here]
        asked = [Asked(*cells) for cells in zip(rows["text"], rows["a"], rows["b"], strict=True)]
        found = read_votes(_counts(asked), meanings, f"{scale} in {path}")
        _ask_about_unread(found.unread, len(asked), f"{scale} in {path}", unread_answers)
        readings[scale] = found
        votes = [found.votes.get(one) for one in asked]
        outcome[here] = [vote.outcome if vote else "" for vote in votes]
        score[here] = [vote.score if vote else np.nan for vote in votes]
    sieve.records = sieve.records.assign(choice=np.sign(score), outcome=outcome, score=score)
    sieve.exclude(np.isnan(score), "neither of the two models, a, b or tie")
    for shown, scales in _alike({name: _reading(one.shown) for name, one in readings.items() if one.shown}).items():
        sieve.notes.append(f"Read on {', '.join(scales)}: {shown}.")
    return {scale for scale, one in readings.items() if one.scored}


def note_directions(sieve: Sieve, scored: Collection[str], columns: Mapping[str, str]) -> None:
    """Add notes on which side scores favor, and how answers that both are bad count; ``columns`` are by role."""
    if scored:
        a, b = columns.get("a", "a"), columns.get("b", "b")
        sieve.notes.append(
            f"Scores on {', '.join(scored)} above 0 are read as favoring '{b}' over '{a}', as in comparison category "
            f"rating; if they favor '{a}', use --column a='{b}' --column b='{a}'."
        )
    if bad := int((sieve.records["outcome"] == "both bad").sum()):
        sieve.notes.append(
            f"{counted(bad, 'answer')} that both are bad: a separate outcome, not a tie, and not part of the "
            "shares, tests and strengths."
        )


def leave_out_off_range(
    sieve: Sieve, answer: str, ranges: Ranges, stated: Mapping[str, Range], scales: Iterable[str], path: Path
) -> dict[str, Range]:
    """Remove values outside the range of their scale: given, stated by answers, or guessed.

    Args:
        sieve: the answers, changed in place.
        answer: the column of values, ``value`` or ``score``.
        ranges: given for all scales or by scale, or None.
        stated: by scale.
        scales: those that have a range; others are left as they are.
        path: the file, for messages.

    Returns:
        The range of each of these scales.

    Raises:
        SurveyQuestion: values are separate from the rest, or more than a few are out of range.
        UsageError: a range is given for an unknown scale.
    """
    _known_scales(ranges, sieve.records["scale"])
    limits: dict[str, Range] = {}
    guessed: dict[Range, list[str]] = {}
    strays: dict[float, dict[str, int]] = {}
    off = np.zeros(len(sieve.records), dtype=bool)
    for scale, here, _ in _by_scale(sieve.records):
        if scale not in scales:
            continue
        values = sieve.records[answer].to_numpy(dtype=np.float64)[here]
        given = (ranges if isinstance(ranges, Range) else (ranges or {}).get(scale)) or stated.get(scale)
        if given is None:
            apart = stray_values(values)
            for value in apart:
                strays.setdefault(value, {})[scale] = int((values == value).sum())
            given = guess_range(values[~np.isin(values, apart)], f"{scale} in {path}")
            guessed.setdefault(given, []).append(scale)
        else:
            _ask_about_off_range(values, given, f"{scale} in {path}")
        limits[scale] = given
        off[here] = (values < given.low) | (values > given.high)
    if strays:
        raise _about_strays(strays, limits, len(sieve.records), path)
    for limit, of in guessed.items():
        count = int((off & sieve.records["scale"].isin(of).to_numpy(dtype=bool)).sum())
        but = f", which contains all but {count} ({count} excluded)" if count else ""
        sieve.notes.append(f"Rating scale of {', '.join(of)} guessed: {limit}{but}; set it with --rating-scale.")
    sieve.exclude(off, "off the rating scale")
    return limits


def _by_scale(records: pd.DataFrame) -> Iterable[tuple[str, npt.NDArray[np.bool_], pd.Series]]:
    """Return each scale with its rows and its answers, in the order of the file."""
    for scale in records["scale"].unique():
        here = (records["scale"] == scale).to_numpy(dtype=bool)
        yield scale, here, records["text"][here]


def _counts(answers: Iterable[T]) -> dict[T, int]:
    counts: dict[T, int] = {}
    for answer in answers:
        counts[answer] = counts.get(answer, 0) + 1
    return counts


def _meanings(rules: AnswerRules, texts: Collection[str], path: Path) -> dict[str, str]:
    """Return given values of words, by normalized word."""
    known = {normal(text) for text in texts}
    for word in rules.words:
        if normal(word) not in known:
            raise UsageError(f"--words: no answer in {path} is '{word}'{suggestion(normal(word), known)}")
    return {normal(word): meaning for word, meaning in rules.words.items()}


def _as_float(number: str) -> float | None:
    try:
        return float(number.replace("−", "-"))
    except ValueError:
        return None


def _reading(shown: Mapping[str, object]) -> str:
    pairs = [
        f"{text} = {value:g}" if isinstance(value, float) else f"{text} = {value}" for text, value in shown.items()
    ]
    return ", ".join(first_few(pairs, 12))


def _alike(said: Mapping[str, T]) -> dict[T, list[str]]:
    """Return the scales with the same text, by text."""
    found: dict[T, list[str]] = {}
    for scale, one in said.items():
        found.setdefault(one, []).append(scale)
    return found


def _about_words(unread: Iterable[str], known: Mapping[str, float]) -> list[list[str]]:
    """Return options for unreadable answers: obvious meanings, else missing."""
    texts = list(unread)
    meanings = {text: _YES_OR_NO[normal(text)] for text in texts if normal(text) in _YES_OR_NO}
    for text in texts:  # a typing error
        if near := get_close_matches(text, [word for word in known if not word.isdecimal()], n=1, cutoff=0.8):
            meanings.setdefault(text, known[near[0]])
    words = [["--words", words_option(meanings)]] if len(meanings) == len(texts) else []
    return [*words, ["--missing", listed(texts)]]


def _ask_about_unread(
    unread: Mapping[str, int], answers: int, where: str, options: Callable[[Iterable[str]], list[list[str]]]
) -> None:
    """Raise a question about words, unless only one or two in hundreds of answers are unreadable.

    The same words twice are not typing errors: dropping them would exclude exactly those who gave that answer.
    """
    count = sum(unread.values())
    if count <= _SLIPS * answers and max(unread.values(), default=0) < 2:
        return
    words = first_few([f"'{text}' ({times})" for text, times in unread.items()], _NAMED)
    few = len(unread) <= _NAMED
    raise SurveyQuestion(
        f"{counted(count, 'answer')} of {answers} on {where} cannot be read: {', '.join(words)}; give their "
        f"values with --words '{next(iter(unread))}=…', or declare them missing"
        + ("" if few else ", or which column holds the answers with --column"),
        *(options(unread) if few else []),
    )


def _known_scales(ranges: Ranges, scales: pd.Series) -> None:
    if isinstance(ranges, Mapping):
        known = list(scales.unique())
        for name in ranges:
            if name not in known:
                raise UsageError(
                    f"--rating-scale is given for '{name}'{suggestion(name, known)}; the scales are {', '.join(known)}"
                )


def _ask_about_off_range(values: npt.NDArray[np.float64], limit: Range, where: str) -> None:
    beyond = values[(values < limit.low) | (values > limit.high)]
    if len(beyond) <= _SLIPS * len(values):
        return
    off = [f"{value:g}" for value in np.unique(beyond)]
    few = len(beyond) <= len(values) / 2
    wider = Range.around([float(values.min()), float(values.max())])
    raise SurveyQuestion(
        f"{len(beyond)} of {len(values)} answers on {where} are outside its scale of {limit}: "
        f"{', '.join(first_few(off, 8))}; state the scale, or that they are not ratings",
        *([["--missing", listed(off)]] if few else []),
        ["--rating-scale", wider.written],
    )


def _about_strays(
    strays: Mapping[float, Mapping[str, int]], limits: Mapping[str, Range], answers: int, path: Path
) -> SurveyQuestion:
    """Raise a question whether values far from the rest are ratings or codes for missing answers."""
    found = [
        f"{value:g} ({counted(sum(scales.values()), 'answer')} on {', '.join(scales)})"
        for value, scales in sorted(strays.items())
    ]
    concerned = {scale: limits[scale] for scales in strays.values() for scale in scales}
    wider = {
        scale: Range.around([limit.low, limit.high, *(value for value, of in strays.items() if scale in of)])
        for scale, limit in concerned.items()
    }
    alike = len(set(wider.values())) == 1 and wider.keys() == limits.keys()
    ranges = [next(iter(wider.values())).written] if alike else [f"{name}={one.written}" for name, one in wider.items()]
    codes = []
    for value, scales in sorted(strays.items()):
        elsewhere = any(limit.low <= value <= limit.high for name, limit in limits.items() if name not in scales)
        codes += [f"{name}={value:g}" for name in scales] if elsewhere else [f"{value:g}"]
    options = [["--missing", listed(codes)], [part for text in ranges for part in ("--rating-scale", text)]]
    if all(value in _ENDS for value in strays) and all((one.low, one.high) in _WIDE for one in wider.values()):
        options.reverse()
    few = "stands" if len(strays) == 1 else "stand"
    return SurveyQuestion(
        f"among {answers} answers in {path}, {' and '.join(found)} {few} far from the others, which are on "
        f"{', '.join(sorted({str(limit) for limit in concerned.values()}))}: declare them missing, or state the "
        "scale is",
        *options,
    )
