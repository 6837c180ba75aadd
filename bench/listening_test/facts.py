"""What listeners say beside the pages: that the volume is set, what the headphone check found, and who they are."""

from __future__ import annotations

from typing import Any

from bench.errors import DataError
from bench.listening_test.answers import is_whole
from bench.listening_test.design import ListeningDesign


def check_facts(design: ListeningDesign, content: Any) -> dict[str, Any]:
    """Return what a listener says beside the pages, as it is kept.

    Args:
        design: of the test.
        content: one of ``volume`` (true), ``headphones`` (the place of the quietest tone in each trial) and ``about``
            (an answer a question).

    Returns:
        The same, and with ``headphones`` as ``found`` how many were right.

    Raises:
        DataError: it was not asked, or is no possible answer.
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
                raise DataError(f"'{question.name}' has no such answer")
        return {"about": value}
    raise DataError(f"'{name!s:.40}' was not asked like that")


def _are_places(value: Any, count: int) -> bool:
    return isinstance(value, list) and len(value) == count and all(is_whole(one, 0, 2) for one in value)
