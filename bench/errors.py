"""The errors tunebench raises on purpose, each with the exit code the command line returns for it.

A message is one line that says what is wrong, where, and what to do about it.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class TunebenchError(Exception):
    """Base of every error that is the reader's to mend; never shown as a traceback."""

    exit_code = 1


class UsageError(TunebenchError):
    """Wrong usage or configuration: an unknown name, a contradictory option, a run folder in use."""

    exit_code = 2


class MissingError(TunebenchError):
    """A dependency or weights that are not installed; the message names the command that helps."""

    exit_code = 3


class FailuresRecorded(TunebenchError):
    """The command finished, but some clips or scores failed and are recorded as such."""

    exit_code = 4


class DataError(TunebenchError):
    """Data that cannot be used: an unreadable file, a manifest with a mistake, a corrupt database."""

    exit_code = 5


class GenerationError(TunebenchError):
    """One request could not be turned into audio; the other requests of its batch are unaffected."""

    exit_code = 4


class Undefined(TunebenchError):
    """There is no value, and the reason why is the result: a silent clip has no embedding."""

    exit_code = 4


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the known name nearest to ``name``, or an empty string."""
    nearest = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean '{nearest[0]}'?)" if nearest else ""


def one_line(error: BaseException) -> str:
    """What an error says in one printable line: ours as they are, others with their class."""
    text = " ".join(str(error).split()).encode(errors="replace").decode()
    if isinstance(error, TunebenchError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class Unstorable(TunebenchError):
    """The disk did not take a clip; going on would fail for every other clip too."""

    exit_code = 2
