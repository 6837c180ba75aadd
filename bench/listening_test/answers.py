"""The questions of a page, checks of answers, and the table of all answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, TypeGuard

from bench.errors import DataError
from bench.listening_test.design import ListeningDesign
from bench.listening_test.sessions import ListeningTrial
from bench.storage.listening_answers import PageAnswer

CHOICES = ("first", "second", "tie", "both bad")
MOST_BEEPS = 6
_LONGEST = 86_400.0
_SLACK = 0.5
"""Seconds that a player may stop before a sound's end, at most half of the sound."""


class Question(NamedTuple):
    """A question of a page.

    Attributes:
        key: its key in an answer.
        kind: ``points`` (a scale of points), ``slider`` (0 to 100), ``choices`` (one of several), or ``count``.
        scale: number of the scale, or -1 for a count.
        place: position of its sound, counted from 0, or -1 for the whole page.
        most: the highest point or count.
        choices: allowed answers.
    """

    key: str
    kind: Literal["points", "slider", "choices", "count"]
    scale: int = -1
    place: int = -1
    most: int = 0
    choices: tuple[str, ...] = ()


def questions(design: ListeningDesign, trial: ListeningTrial) -> list[Question]:
    """Return the questions of a page."""
    test = design.test
    if trial.role == "beeps":
        return [Question("beeps", "count", most=MOST_BEEPS)]
    numbers = {scale.name: number for number, scale in enumerate(test.scales)}
    asked = [(numbers[scale.name], scale) for scale in test.passes[trial.asked]]
    if test.kind == "preference":
        choices = tuple(c for c in CHOICES if (c != "tie" or test.ties) and (c != "both bad" or test.both_bad))
        return [Question(f"s{number}", "choices", number, choices=choices) for number, _ in asked]
    if test.kind == "stimuli":
        places = range(len(trial.models))
        return [Question(f"s{number}.{place}", "slider", number, place, 100) for number, _ in asked for place in places]
    return [Question(f"s{number}", "points", number, 0, scale.points) for number, scale in asked]


def check_answer(design: ListeningDesign, trial: ListeningTrial, answer: Any, final: bool) -> dict[str, Any]:
    """Validate an answer and return it as stored.

    Args:
        design: of the test.
        trial: its page.
        answer: the answer received.
        final: whether all questions must be answered.

    Raises:
        DataError: it has an unknown key, an invalid value, or lacks an answer.
    """
    if not isinstance(answer, dict):
        raise DataError("an answer must be an object of questions and answers")
    asked = {question.key: question for question in questions(design, trial)}
    for key, value in answer.items():
        if key not in asked:
            raise DataError(f"the page has no question {str(key)!r:.40}")
        _check_value(asked[key], value)
    if final and len(answer) < len(asked):
        raise DataError(f"{len(asked) - len(answer)} of {len(asked)} questions have no answer")
    return {key: answer[key] for key in asked if key in answer}


def check_heard(heard: Any, lengths: Sequence[float], final: bool) -> tuple[float, ...]:
    """Validate and return how many seconds of each sound were played.

    Args:
        heard: the value received.
        lengths: of the page's sounds, in seconds.
        final: whether all must have been heard to the end.

    Raises:
        DataError: it is not a list with a time per sound, or a sound was not played to its end.
    """
    if not isinstance(heard, list) or len(heard) != len(lengths):
        raise DataError("'heard' must be a list of seconds, one for each sound")
    found = tuple(check_seconds(seconds) for seconds in heard)
    if final and any(
        seconds < length - min(_SLACK, length / 2) for seconds, length in zip(found, lengths, strict=True)
    ):
        raise DataError("a sound was not played to its end")
    return found


def check_seconds(value: Any) -> float:
    """Validate and return a time in seconds.

    Raises:
        DataError: it is not a number from 0 to a day.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LONGEST:
        raise DataError(f"a time is {value!r:.40}, must be seconds from 0 to {_LONGEST:g}")
    return float(value)


def is_whole(value: object, lowest: int, most: int) -> TypeGuard[int]:
    """Return whether a value is an integer in a closed range; booleans do not count."""
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= most


def _check_value(question: Question, value: Any) -> None:
    if question.kind == "choices":
        if value not in question.choices:
            raise DataError(f"the answer is {value!r:.40}, must be one of {', '.join(question.choices)}")
        return
    lowest = 0 if question.kind == "slider" else 1
    if not is_whole(value, lowest, question.most):
        raise DataError(f"the answer is {value!r:.40}, must be an integer from {lowest} to {question.most}")


RATING_COLUMNS = ("listener", "prompt", "model", "genre", "scale", "value", "seed", "position", "seconds")
VOTE_COLUMNS = ("listener", "prompt", "a", "b", "genre", "scale", "choice", "side", "seed", "position", "seconds")


def table(design: ListeningDesign, answered: Iterable[PageAnswer]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Return the answers that count, and those about degraded copies, as `bench.survey.reading.read_survey` reads them.

    Practice pages and beeps are left out. Ratings have a row per clip and scale, votes per pair and scale;
    ``position`` is the page, counted from 1.

    Returns:
        The names of the columns, and the rows.
    """
    rows = [row for one in answered if one.final for row in _rows(design, one)]
    return (VOTE_COLUMNS if design.test.kind == "preference" else RATING_COLUMNS), rows


def name_of(listener: int) -> str:
    """Return the name of a listener in tables.

    >>> name_of(0)
    'listener-001'
    """
    return f"listener-{listener + 1:03d}"


def _rows(design: ListeningDesign, one: PageAnswer) -> Iterator[tuple[Any, ...]]:
    trial = design.sessions[one.listener][one.page]
    if trial.role in ("practice", "beeps"):
        return
    prompt, _, genre, seed = design.items[trial.item]
    seconds = "" if one.seconds is None else round(one.seconds, 3)
    end = (seed, one.page + 1, seconds)
    for question in questions(design, trial):
        scale, value = design.test.scales[question.scale].name, one.answer[question.key]
        if question.kind == "choices":
            a, b = sorted(trial.models, key=[*design.models, *trial.models].index)
            chosen = {"first": trial.models[0], "second": trial.models[1]}.get(value, value)
            yield (name_of(one.listener), prompt, a, b, genre, scale, chosen, trial.models[0], *end)
        else:
            model = trial.models[question.place]
            yield (name_of(one.listener), prompt, model, genre, scale, value, *end)
