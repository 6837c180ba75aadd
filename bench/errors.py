"""The errors tunebench raises on purpose, each with a code for programs and the exit status of the command line.

A message is one line that says what is wrong, where, and what to do about it. Messages may be reworded at any time;
codes and exit statuses are not changed.

=============  ==================  ===========  =====================================
code           class               exit status  meaning
=============  ==================  ===========  =====================================
(none)         (none)              0            done
error          TunebenchError      1            any of the others; never raised itself
usage          UsageError          2            wrong usage or configuration
storage        Unstorable          2            the disk does not take what is written
missing        MissingError        3            a dependency or weights are missing
failures       FailuresRecorded    4            finished, with failures recorded
generation     GenerationError     4            a clip could not be generated
undefined      Undefined           4            there is no value, for a reason
data           DataError           5            data that cannot be used
interrupted    (none)              130          Ctrl-C, or a signal to end
=============  ==================  ===========  =====================================

In Python, ``error.code`` and ``error.exit_code`` hold them. A command with ``--json`` that one of these errors ends
before it has a result prints ``{"error": {"code": …, "message": …}}`` in its place; options that do not exist, and
Ctrl-C, have only their exit status.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar

INTERRUPTED = 130
"""Exit status of a command that Ctrl-C or a signal ended, as shells have it: 128 and the number of SIGINT."""


class TunebenchError(Exception):
    """Base of every error that is the reader's to mend; never shown as a traceback."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1


class UsageError(TunebenchError):
    """Wrong usage or configuration: an unknown name, a contradictory option, a run folder in use."""

    code = "usage"
    exit_code = 2


class MissingError(TunebenchError):
    """A dependency or weights that are not installed; the message names the command that helps."""

    code = "missing"
    exit_code = 3


class FailuresRecorded(TunebenchError):
    """The command finished, but some clips or scores failed and are recorded as such."""

    code = "failures"
    exit_code = 4


class DataError(TunebenchError):
    """Data that cannot be used: an unreadable file, a manifest with a mistake, a corrupt database."""

    code = "data"
    exit_code = 5


class GenerationError(TunebenchError):
    """One request could not be turned into audio; the other requests of its batch are unaffected."""

    code = "generation"
    exit_code = 4


class Undefined(TunebenchError):
    """There is no value, and the reason why is the result: a silent clip has no embedding."""

    code = "undefined"
    exit_code = 4


class Unstorable(TunebenchError):
    """The disk did not take a clip; going on would fail for every other clip too."""

    code = "storage"
    exit_code = 2


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the known name nearest to ``name``, or an empty string."""
    nearest = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean '{nearest[0]}'?)" if nearest else ""


def one_line(error: BaseException) -> str:
    """Return what an error says in one printable line: ours as they are, others with their class."""
    text = " ".join(str(error).split()).encode(errors="replace").decode()
    if isinstance(error, TunebenchError):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
