"""What the reader said about a file's answers: what words mean, what is missing, and which rows count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Duplicates = Literal["ask", "first", "last", "mean"]


class Condition(NamedTuple):
    """A row counts only if this holds of it, such as ``Finished = True``.

    Attributes:
        column: of the file.
        operator: ``=``, ``!=``, ``<``, ``<=``, ``>`` or ``>=``.
        value: as it was written.
    """

    column: str
    operator: str
    value: str


@dataclass(frozen=True)
class AnswerRules:
    """What holds for the answers and rows of a file beyond what it says itself.

    Attributes:
        words: what an answer in words stands for, by the word: a number, or of preferences ``a``, ``b``, ``tie`` or
            ``both bad``.
        missing: answers that mean that there is none, such as ``-1``.
        where: what must hold of a row that counts; all of them.
        without_listeners: whose answers do not count.
        duplicates: which of several answers of one listener to one question counts, or their mean; ``ask`` refuses
            answers that differ.
        post_screening: whether listeners are left out as BS.1534 has it, see `bench.survey.post_screening`.
        quality_checks: models that are spoiled clips, which check the listeners and are not compared.
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
        """Whether some listeners are left out for what they said."""
        return self.post_screening or bool(self.quality_checks)
