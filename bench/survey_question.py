"""The error for an ambiguous survey file, with the options that resolve it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from bench.errors import UsageError


def listed(values: Iterable[str]) -> str:
    """Join values for a list option: separated by commas, quoted if one contains a comma.

    >>> listed(["-1", "Sorry, no"])
    '-1,"Sorry, no"'
    """
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(list(values))
    return line.getvalue()


class SurveyQuestion(UsageError):
    """A file can be read in more than one way, and choosing one would be a guess.

    Attributes:
        answers: options of ``tunebench survey`` that resolve it, each a list of arguments, most likely first.
    """

    def __init__(self, message: str, *answers: list[str]) -> None:
        super().__init__(message)
        self.answers = answers
