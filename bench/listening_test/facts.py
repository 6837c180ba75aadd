"""Facts about listeners: volume set, result of the headphone check, and answers about themselves."""

from __future__ import annotations

from typing import Any

from bench.errors import DataError
from bench.listening_test.answers import is_whole
from bench.listening_test.design import ListeningDesign


def check_facts(design: ListeningDesign, content: Any) -> dict[str, Any]:
    """Validate a fact about a listener and return it as stored.

    Args:
        design: of the test.
        content: one of ``volume`` (true), ``headphones`` (position of the quietest tone in each trial) and ``about``
            (an answer per question).

    Returns:
        The same, and for ``headphones`` the number of right answers as ``found``.

    Raises:
        DataError: it was not asked, or the answer is invalid.
    """
    if not isinstance(content, dict) or len(content) != 1:
        raise DataError("must be one of 'volume', 'headphones' and 'about'")
    ((name, value),) = content.items()
    if name == "volume" and value is True:
        return {"volume": True}
    if name == "headphones" and _are_places(value, len(design.tones)):
        found = sum(said == right for said, right in zip(value, design.tones, strict=True))
        return {"headphones": value, "found": found}
    if name == "about" and isinstance(value, dict) and value.keys() == {one.name for one in design.test.about}:
        for question in design.test.about:
            said = value[question.name]
            text = isinstance(said, str) and 0 < len(said) <= 200
            if not text or (question.choices and said not in question.choices):
                raise DataError(f"'{question.name}' does not allow this answer")
        return {"about": value}
    raise DataError(f"'{name!s:.40}' is not a valid fact for this test")


def _are_places(value: Any, count: int) -> bool:
    return isinstance(value, list) and len(value) == count and all(is_whole(one, 0, 2) for one in value)
