"""How far a run is, on stderr: a bar with the time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from bench.cli.streams import plugins_to_stderr

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from bench.progress import Progress as RunProgress

_SECONDS_BETWEEN_LINES = 10.0


class Bar:
    """A bar with count and time left."""

    def __init__(self, display: Progress) -> None:
        self._display = display
        self._task: TaskID | None = None

    def begin(self, stage: str, total: int, done: int) -> None:
        self._task = self._display.add_task(stage, total=total, completed=done)

    def advance(self, count: int) -> None:
        if self._task is not None:
            self._display.advance(self._task, count)

    def note(self, message: str) -> None:
        self._display.console.print(message, markup=False, highlight=False)


class Lines:
    """A line every ten seconds and at the end of a stage, for logs."""

    def begin(self, stage: str, total: int, done: int) -> None:
        self._stage, self._total, self._done, self._first = stage, total, done, done
        self._started = self._written = time.monotonic()
        if done < total:
            self.note(f"{stage}: {done} of {total} exist, {total - done} to do")

    def advance(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        finished = self._done >= self._total
        if finished or now - self._written >= _SECONDS_BETWEEN_LINES:
            self._written = now
            elapsed = now - self._started
            left = elapsed / max(1, self._done - self._first) * (self._total - self._done)
            end = f"took {elapsed:.0f} s" if finished else f"{left:.0f} s left"
            self.note(f"{self._stage}: {self._done} of {self._total}, {end}")

    def note(self, message: str) -> None:
        print(message, file=sys.stderr, flush=True)


@contextmanager
def shown() -> Iterator[RunProgress]:
    """Show progress while the body runs. Ctrl-C leaves with exit code 130, once what is running has been put away."""
    try:
        with plugins_to_stderr(), _display() as display:
            yield display
    except KeyboardInterrupt:
        print("interrupted; all that was finished is stored, the same command goes on from there", file=sys.stderr)
        raise typer.Exit(130) from None


@contextmanager
def _display() -> Iterator[RunProgress]:
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as display:
        yield Bar(display)
