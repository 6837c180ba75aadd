"""Ctrl-C in commands that keep nothing of unfinished work, or not all of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from bench.errors import INTERRUPTED


@contextmanager
def all_or_nothing(kept: str = "nothing was kept; the same command starts over") -> Iterator[None]:
    """Leave with exit status 130 if the body is interrupted, and print what was ``kept``."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"interrupted; {kept}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
