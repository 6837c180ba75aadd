"""What a survey's file leaves open: refused, with the options that answer it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from bench.errors import UsageError


def listed(values: Iterable[str]) -> str:
    """Write values as an option takes several: with commas between, in quotation marks where one holds a comma.

    >>> listed(["-1", "Sorry, no"])
    '-1,"Sorry, no"'
    """
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(list(values))
    return line.getvalue()


class SurveyQuestion(UsageError):
    """What a file holds can be read in more than one way, so that reading on would be a guess.

    Attributes:
        answers: options of ``tunebench survey`` that settle it, each a list of arguments, the likeliest first.
    """

    def __init__(self, message: str, *answers: list[str]) -> None:
        super().__init__(message)
        self.answers = answers
