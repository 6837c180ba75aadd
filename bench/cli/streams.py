"""Output streams that tolerate closed files, ASCII terminals, closed pipes, printing plugins and hostile text."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from bench.ascii_signs import AS_JSON, AS_SIGNS
from bench.printable import printable


class PrintableStream(io.TextIOWrapper):
    """A stream to which any text can be written: see `bench.printable.printable`.

    Attributes:
        shows: the encoding whose characters can be shown; ``lacking`` replaces others.
        lacking: an error handler of `bench.ascii_signs`.
    """

    shows: str | None = None
    lacking: str = AS_SIGNS

    def write(self, text: str, /) -> int:
        shown = printable(text)
        if self.shows:
            shown = shown.encode(self.shows, self.lacking).decode(self.shows)
        super().write(shown)
        return len(text)


def prepare(for_programs: bool = False) -> None:
    """Make stdout and stderr usable whatever state the caller left them in.

    Characters that they cannot show become ASCII (see `bench.ascii_signs.in_encoding`); on a stdout that is read by a
    program, they are escaped as in JSON.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # it was closed: `>&-`
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123 - it lives as long as the process
        elif isinstance(stream, io.TextIOWrapper):
            shows, buffering = _shows(stream), stream.line_buffering
            # Typer writes UTF-8 past a stream that says it is ASCII; the bytes of ASCII are the same.
            encoding = "utf-8" if shows == "ascii" else shows
            made = PrintableStream(stream.detach(), encoding, AS_SIGNS, line_buffering=buffering)
            made.shows = shows
            made.lacking = AS_JSON if for_programs and name == "stdout" else AS_SIGNS
            setattr(sys, name, made)
            # Libraries ask the original for the width of the terminal.
            setattr(sys, f"__{name}__", made)


def shown_encoding(stream: TextIO) -> str:
    """Return the encoding whose characters a stream shows."""
    return getattr(stream, "shows", None) or stream.encoding or "utf-8"


def _shows(stream: TextIO) -> str:
    """Return the encoding that was asked for, also with ``LC_ALL=C``, for which Python takes UTF-8."""
    told = os.environ.get("PYTHONIOENCODING") or os.environ.get("PYTHONUTF8")
    if os.environ.get("LC_ALL") in ("C", "POSIX") and not told:
        return "ascii"
    return codecs.lookup(stream.encoding).name


def finish(code: int | str | None) -> int | str | None:
    """Flush stdout and return the exit code: a reader that has enough (`| head`) is no failure, a full disk is."""
    # Typer wraps a stdout whose reader is gone, and exits with 1.
    gone = type(sys.stdout).__name__ == "PacifyFlushWrapper"
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        gone = True
    except OSError as error:
        print(f"tunebench: cannot write the output: {error.strerror}", file=sys.stderr)
        return 2
    finally:
        if gone or sys.exc_info()[0] is not None:
            # Python would try again at shutdown, and print an error.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return 0 if gone else code


@contextmanager
def drawing() -> Iterator[TextIO]:
    """Yield, while the body runs, a stream to stderr for code that controls the terminal."""
    with os.fdopen(os.dup(2), "w", encoding=shown_encoding(sys.stderr), errors=AS_SIGNS) as stream:
        yield stream


@contextmanager
def plugins_to_stderr() -> Iterator[None]:
    """Redirect everything printed in the body to stderr, as plugins print and stdout is for results."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # stdout is closed
        yield
        return
    try:
        os.dup2(2, 1)
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
