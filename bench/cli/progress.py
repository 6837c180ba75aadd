"""Progress of a command on stderr: a bar with the time left on a terminal, an occasional line elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from bench.cli.streams import drawing, plugins_to_stderr
from bench.errors import INTERRUPTED
from bench.progress import Lines, Progress, bar


@contextmanager
def shown() -> Iterator[Progress]:
    """Show progress while the body runs. Ctrl-C leaves with exit code 130, after running work was stopped."""
    try:
        with plugins_to_stderr(), _display() as display:
            yield display
    except KeyboardInterrupt:
        print("interrupted; finished work is stored, and the same command resumes", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def _display() -> Iterator[Progress]:
    if not sys.stderr.isatty():
        yield Lines()
        return
    with drawing() as terminal, bar(terminal) as display:
        yield display
