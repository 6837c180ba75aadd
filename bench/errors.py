"""The errors tunebench raises on purpose, each with a code for programs and the exit status of the command line.

A message is one line that says what is wrong, where, and what to do about it. Messages may be reworded at any time;
codes and exit statuses are not changed.

=============  ==================  ===========  =====================================
code           class               exit status  meaning
=============  ==================  ===========  =====================================
(none)         (none)              0            done
error          TunebenchError      1            any of the others; never raised itself
usage          UsageError          2            wrong usage or configuration
storage        Unstorable          2            a file cannot be written
missing        MissingError        3            a dependency or weights are missing
failures       FailuresRecorded    4            finished, with failures recorded
generation     GenerationError     4            a clip could not be generated
transient      TransientError      4            a failure that may be temporary
undefined      Undefined           4            there is no value, for a reason
data           DataError           5            data that cannot be used
interrupted    (none)              130          Ctrl-C, or a signal to end
=============  ==================  ===========  =====================================

In Python, ``error.code`` and ``error.exit_code`` hold them. If one of these errors ends a command with
``--json`` before it has a result, it prints ``{"error": {"code": …, "message": …}}`` instead, with ``commands`` to try
next if there are any; Ctrl-C has only its exit status.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar

from bench.plain_text import plain_line

INTERRUPTED = 130
"""Exit status of a command that Ctrl-C or a signal ended, as shells have it: 128 and the number of SIGINT."""


class TunebenchError(Exception):
    """Base class of errors that the user can fix; never shown as a traceback.

    ``commands`` are commands to run next, ready to paste; the command line shows them below the message.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    commands: tuple[str, ...] = ()


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


class TransientError(GenerationError):
    """A failure that may be temporary: a service is busy, a device is in use.

    A model, metric or embedder raises it, or a model returns it for one of its requests; the request is tried
    again after a pause (``executor.retries``).
    """

    code = "transient"
    exit_code = 4


class Undefined(TunebenchError):
    """There is no value, and the reason is the result: a silent clip has no embedding."""

    code = "undefined"
    exit_code = 4


class Unstorable(TunebenchError):
    """A clip could not be written to disk; every other clip would fail, too."""

    code = "storage"
    exit_code = 2


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``" (did you mean 'x'?)"`` for the known name nearest to ``name``, or an empty string."""
    nearest = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (did you mean '{nearest[0]}'?)" if nearest else ""


def one_line(error: BaseException) -> str:
    """Return an error's message as one printable line of bounded length; errors not ours with their class."""
    try:
        text = str(error)
    except Exception:  # a plugin's error, whose __str__ may fail
        text = ""
    name = type(error).__name__
    if isinstance(error, TunebenchError):
        return plain_line(text) or name
    return plain_line(f"{name}: {text}" if text.strip() else name)


def may_pass(error: BaseException) -> bool:
    """Return whether another try may succeed: a `TransientError`, or memory that ran out.

    PyTorch's class is recognized by its name, since only plugins import torch.
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    return isinstance(error, TransientError | MemoryError) or "OutOfMemoryError" in names
