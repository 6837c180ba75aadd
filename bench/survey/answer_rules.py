"""Rules about a file's answers: values of words, missing values, and rows that count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Duplicates = Literal["ask", "first", "last", "mean"]


class Condition(NamedTuple):
    """A condition on rows that count, such as ``Finished = True``.

    Attributes:
        column: of the file.
        operator: ``=``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``.
        value: as written.
    """

    column: str
    operator: str
    value: str


@dataclass(frozen=True)
class AnswerRules:
    """Rules for the answers and rows of a file, beyond its content.

    Attributes:
        words: values of answers in words: a number, or for preferences ``a``, ``b``, ``tie`` or
            ``both bad``.
        missing: answers that mean a missing value, such as ``-1``.
        where: conditions on rows that count, all of which must hold.
        without_listeners: listeners to exclude.
        duplicates: which of several answers of one listener to one question counts, or their mean; ``ask`` refuses
            answers that differ.
        post_screening: whether to exclude listeners as in BS.1534, see `bench.survey.post_screening`.
        quality_checks: models that are degraded clips for checks of listeners, not compared.
    """

    words: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()
    without_listeners: tuple[str, ...] = ()
    duplicates: Duplicates = "ask"
    post_screening: bool = False
    quality_checks: tuple[str, ...] = ()

    @property
    def screens(self) -> bool:
        """Whether some listeners are excluded because of their answers."""
        return self.post_screening or bool(self.quality_checks)
