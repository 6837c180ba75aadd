"""Ctrl-C in commands that keep nothing of unfinished work."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from bench.errors import INTERRUPTED


@contextmanager
def all_or_nothing() -> Iterator[None]:
    """Leave with exit status 130 when the body is interrupted, and say that nothing was kept."""
    try:
        yield
    except KeyboardInterrupt:
        print("interrupted; nothing was kept, the same command begins anew", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
