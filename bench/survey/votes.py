"""Parse answers to "which of the two is better?": a side, a model, a tie, both bad, or a score."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.errors import UsageError
from bench.survey.answer_text import take_apart, words_option
from bench.survey.ratings import OUTCOMES
from bench.survey.word_scale import KNOWN, fitting, normal
from bench.survey_question import SurveyQuestion, listed


class Vote(NamedTuple):
    """One answer.

    Attributes:
        outcome: one of `OUTCOMES`.
        score: by how much b was better than a; −1, 0 or 1 if the answer has no size.
    """

    outcome: str
    score: float


class Asked(NamedTuple):
    """An answer with its two models."""

    text: str
    a: str
    b: str


@dataclass
class VoteReading:
    """The parsed answers to one question.

    Attributes:
        votes: vote of each parsed answer.
        shown: texts that are not names of models, and their reading.
        scored: whether answers are comparison scores, such as −3 to 3.
        unread: unreadable answers with counts.
    """

    votes: dict[Asked, Vote] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)
    scored: bool = False
    unread: dict[str, int] = field(default_factory=dict)


_THINGS = r"(?:model|system|option|clip|sample|audio|version|track|song|music|recording|excerpt|stimulus|side|response)"
_SIDE = re.compile(rf"(?:the )?(?:{_THINGS} )?(a|b|left|right|first|second)(?: (?:{_THINGS}|one))?")
_NUMBERED = re.compile(rf"(?:the )?{_THINGS} ([12])")
_SIDES = {"a": "a", "left": "a", "first": "a", "1": "a", "b": "b", "right": "b", "second": "b", "2": "b"}
_SIGNS = re.compile(r"([ab12]) ?(>>|>|<<|<) ?([ab12])")
_MUCH = r"(?:much|a lot|far|strongly|significantly|clearly|definitely)"
_SLIGHTLY = r"(?:slightly|a little|a bit|somewhat|marginally)"
_BETTER = re.compile(
    rf"(?:i )?(?:(?:{_MUCH}|{_SLIGHTLY}) )?(?:prefer(?:red)? )?(?P<who>.+?)(?: is| was| sounds)?(?: the)?"
    rf"(?: (?:{_MUCH}|{_SLIGHTLY}))?(?: (?:better|best|preferred|wins|won|win))?"
)
_TIE = re.compile(
    r"(?:(?:it is|it's|they are|both are|both) )?(?:a )?"
    r"(?:tie|tied|draw|(?:about |roughly )?(?:the )?(?:same|equal|similar)|equally good)"
    r"|both(?: are| equally)? good|tie both ?good|no preference|no difference|undecided|either"
    r"|cannot decide|can't decide|=|a ?= ?b|b ?= ?a|1 ?= ?2"
)
_BOTH_BAD = re.compile(
    r"(?:tie )?both ?(?:are |equally )?(?:bad|poor|terrible)|(?:tie )?equally (?:bad|poor)|neither(?: is| are)? good"
)
_UNCLEAR = ("neither", "both", "none")  # a tie, or both bad
_COMPARISONS = tuple(scale for scale in KNOWN if scale.range.low < 0)


def read_votes(answers: Mapping[Asked, int], meanings: Mapping[str, str], where: str) -> VoteReading:
    """Read the answers to one question.

    Args:
        answers: count of each answer.
        meanings: given values of words, in lower case: an outcome, or a score for b over a.
        where: the question and the file, for a message.

    Raises:
        SurveyQuestion: it is unclear which side the numbers or grades favor.
        UsageError: a meaning is neither an outcome nor a number.
    """
    found = VoteReading()
    said = {word: _meaning(word, meaning) for word, meaning in meanings.items()}
    texts = {one.text for one in answers if normal(one.text) not in said and not _name_of(one.text, one)}
    words = _numbers(texts, where) or _comparison_words(texts, where) or _graded(texts, where) or _plain(texts)
    found.scored = any(abs(vote.score) > 1 for vote in [*words.values(), *said.values()])
    for one, count in answers.items():
        side = _name_of(one.text, one) or _name_of(_who(one.text), one)
        vote = said.get(normal(one.text)) or words.get(one.text)
        position = _side(one.text) or _SIDES.get(one.text, "")
        if vote is None and side and not found.scored and position in ("", side):  # not "a" if b has that name
            vote = _VOTES[side]
        if vote is None:
            found.unread[one.text] = found.unread.get(one.text, 0) + count
            continue
        found.votes[one] = vote
        if not side and not _plain_number(one.text, found.scored) and one.text.lower() != vote.outcome:
            found.shown[one.text] = f"{vote.score + 0:+g}" if found.scored else vote.outcome
    found.unread = dict(sorted(found.unread.items(), key=lambda item: (-item[1], item[0])))
    return found


def _plain_number(text: str, scored: bool) -> bool:
    taken = take_apart(text, decimal_comma=True) if scored else None
    return taken is not None and not taken.label


_VOTES = {"a": Vote("a", -1.0), "b": Vote("b", 1.0), "tie": Vote("tie", 0.0), "both bad": Vote("both bad", 0.0)}


def _scored(score: float) -> Vote:
    return Vote("b" if score > 0 else "a" if score < 0 else "tie", score)


def _meaning(word: str, meaning: str) -> Vote:
    plain = normal(meaning).replace("-", " ") if not re.search(r"\d", meaning) else meaning
    if plain in _VOTES:
        return _VOTES[plain]
    number = take_apart(meaning, decimal_comma=False)
    if number is None:
        raise UsageError(
            f"--words: '{word}' is '{meaning}'; for preferences it must be {', '.join(OUTCOMES)}, or a score for b"
        )
    return _scored(number.number)


def _spaced(text: str) -> str:
    """Return text in lower case, without underscores, brackets and hyphens between words."""
    return " ".join(re.sub(r"[_()\[\]]|(?<=\w)-(?=\w)", " ", normal(text)).split())


def _who(text: str) -> str:
    """Return the side or model in "A is better", "prefer A" or "A wins"."""
    match = _BETTER.fullmatch(_spaced(text))
    return match["who"] if match else text


def _name_of(text: str, asked: Asked) -> str:
    """Return the side of the named model."""
    named = [side for side, name in (("a", asked.a), ("b", asked.b)) if _spaced(text) == _spaced(name)]
    return named[0] if len(named) == 1 else ""


def _side(text: str) -> str:
    """Return the side meant by a word, or ""."""
    word = _spaced(text)
    if match := _SIGNS.fullmatch(word):
        first, second = _SIDES[match[1]], _SIDES[match[3]]
        return "" if first == second else (first if ">" in match[2] else second)
    who = _who(text)
    match = _SIDE.fullmatch(who) or _NUMBERED.fullmatch(who)
    return _SIDES[match[1]] if match else ""


def _plain(texts: Iterable[str]) -> dict[str, Vote]:
    """Return votes for a side, ties, and both bad."""
    found = {}
    for text in texts:
        word = _spaced(text)
        if side := _side(text):
            found[text] = _VOTES[side]
        elif _BOTH_BAD.fullmatch(word):
            found[text] = _VOTES["both bad"]
        elif _TIE.fullmatch(word):
            found[text] = _VOTES["tie"]
    return found


def _graded(texts: Iterable[str], where: str) -> dict[str, Vote]:
    """Return scores of "A is much better", "A is better", "A is slightly better" …; empty if no grade is named.

    Raises:
        SurveyQuestion: not all three grades occur, so their scores are ambiguous.
    """
    votes = _plain(texts)
    grades = {text: _grade(text) for text, vote in votes.items() if vote.outcome in ("a", "b")}
    if len(set(grades.values())) < 2:
        return {}
    sign = {"a": -1, "b": 1}
    if len(set(grades.values())) == 3:
        return votes | {text: _scored(sign[votes[text].outcome] * grade) for text, grade in grades.items()}
    close = {grade: rank + 1 for rank, grade in enumerate(sorted(set(grades.values())))}
    readings = [
        {text: sign[votes[text].outcome] * level[grade] for text, grade in grades.items()}
        for level in (close, {1: 1, 2: 2, 3: 3})
    ]
    raise SurveyQuestion(
        f"the grades on {where} ({', '.join(sorted(grades))}) fit a scale from -2 to 2 or from -3 to 3",
        *(["--words", words_option(reading)] for reading in readings if reading),
    )


def _grade(text: str) -> int:
    word = _spaced(text)
    if re.search(rf"\b{_MUCH}\b|>>|<<", word):
        return 3
    return 1 if re.search(rf"\b{_SLIGHTLY}\b", word) else 2


def _comparison_words(texts: Iterable[str], where: str) -> dict[str, Vote]:
    """Return scores of "Much better" … "Much worse", which compare b with a.

    Raises:
        SurveyQuestion: the words fit two scales.
    """
    words = {text: normal(text) for text in texts}
    fits = [scale for scale in fitting(set(words.values())) if scale in _COMPARISONS] if words else []
    if not fits or all(_TIE.fullmatch(word) for word in words.values()):
        return {}
    readings = [{text: scale.numbers[word] for text, word in words.items()} for scale in fits]
    if len(readings) > 1:
        raise SurveyQuestion(
            f"the words on {where} ({', '.join(sorted(words))}) fit a scale from -2 to 2 or from -3 to 3",
            *(["--words", words_option(reading)] for reading in readings),
        )
    return {text: _scored(number) for text, number in readings[0].items()}


def _numbers(texts: Iterable[str], where: str) -> dict[str, Vote]:
    """Return votes or comparison scores if all answers are numbers, possibly with labels.

    Raises:
        SurveyQuestion: it is unclear which side the numbers favor.
    """
    taken = {text: take_apart(text, decimal_comma=True) for text in texts}
    numbers = {text: one.number for text, one in taken.items() if one is not None}
    if not numbers or len(numbers) < len(taken):
        return {}
    values = set(numbers.values())
    if values <= {1, 2}:
        return {text: _VOTES["a" if number == 1 else "b"] for text, number in numbers.items()}
    if {value for value in values if value <= 4} <= {1, 2} and min(values) <= 2:
        codes = sorted(text for text, number in numbers.items() if number > 4)
        raise SurveyQuestion(
            f"the answers on {where} are 1 and 2, but also {', '.join(codes)}: does that mean missing?",
            ["--missing", listed(codes)],
        )
    if min(values) < 0:
        return {text: _scored(number) for text, number in numbers.items()}
    raise SurveyQuestion(
        f"the answers on {where} are numbers from {min(values):g} to {max(values):g}: give their meanings, a, b, "
        "tie, both bad, or by how much b was better",
        *(["--words", reading] for reading in _readings(numbers)),
    )


def unread_answers(unread: Iterable[str]) -> list[list[str]]:
    """Return options that may resolve unreadable answers, most likely first."""
    texts = sorted(unread)
    unclear = [text for text in texts if _spaced(text) in _UNCLEAR]
    sides = [text for text in texts if text in _SIDES]
    if unclear:
        return [["--words", ",".join(f"{text}={meaning}" for text in unclear)] for meaning in ("tie", "both bad")]
    if sides:
        return [["--words", ",".join(f"{text}={_SIDES[text]}" for text in sides)]]
    return [["--missing", listed(texts)]]


def _readings(numbers: Mapping[str, float]) -> list[str]:
    """Return usual meanings of unsigned numbers, as values of ``--words``."""
    values = set(numbers.values())
    if values <= {0, 1}:
        return ["0=a,1=b", "0=b,1=a"]
    if values <= {0, 1, 2, 3} and values > {0, 3}:
        return [words_option(numbers), words_option({text: -number for text, number in numbers.items()})]
    if values <= {0, 1, 2}:
        return ["1=a,2=b,0=tie", "0=a,1=tie,2=b"]
    if values <= {1, 2, 3}:
        return ["1=a,2=b,3=tie", "1=a,2=tie,3=b"]
    if values <= {1, 2, 3, 4}:
        return ["1=a,2=b,3=tie,4=both bad"]
    low, high = (0 if 0 in values else 1), max(values)
    high = next((top for top in (5, 7, 10 if low == 0 else 9) if top >= high), high)
    middle = (low + high) / 2
    return [words_option({text: number - middle for text, number in numbers.items()})] if len(numbers) <= 21 else []
