"""What a survey's file leaves open: refused, with the options that answer it."""

from __future__ import annotations

from typing import ClassVar

from bench.errors import UsageError


class SurveyQuestion(UsageError):
    """What a file holds can be read in more than one way, so that reading on would be a guess.

    Attributes:
        answers: options of ``tunebench survey`` that settle it, each a list of arguments, the likeliest first; the
            command line shows them as commands to paste.
    """

    code: ClassVar[str] = "usage"

    def __init__(self, message: str, *answers: list[str]) -> None:
        super().__init__(message)
        self.answers = answers
