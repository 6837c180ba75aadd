"""How far a run is, on stderr: a bar with the time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from bench.cli.streams import drawing, plugins_to_stderr
from bench.errors import INTERRUPTED
from bench.printable import printable_line

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from bench.progress import Progress as RunProgress

_SECONDS_BETWEEN_LINES = 10.0
_ENOUGH = 0.1  # of the work: what is done before says too little of the rest, which workers still load their libraries


def time_left(elapsed: float, done: int, todo: int) -> str:
    """``12 s left`` at the speed so far; an empty string before a tenth is done.

    Args:
        elapsed: seconds since the stage began.
        done: what was done in them.
        todo: what there was to do when it began.
    """
    if done < _ENOUGH * todo or not done:
        return ""
    return f"{duration(elapsed / done * (todo - done))} left"


def duration(seconds: float) -> str:
    """``84 s``, ``7 min``, ``2.1 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Bar:
    """A bar with count and time left."""

    def __init__(self, display: Progress) -> None:
        self._display = display
        self._task: TaskID | None = None
        self._todo = self._done = 0
        self._started = 0.0

    def begin(self, stage: str, total: int, done: int) -> None:
        self._todo, self._done, self._started = total - done, 0, time.monotonic()
        self._task = self._display.add_task(stage, total=total, completed=done, left="")

    def advance(self, count: int) -> None:
        if self._task is not None:
            self._done += count
            left = time_left(time.monotonic() - self._started, self._done, self._todo)
            self._display.update(self._task, advance=count, left=left)

    def note(self, message: str) -> None:
        self._display.console.print(printable_line(message), markup=False, highlight=False)


class Lines:
    """A line every ten seconds and at the end of a stage, for logs."""

    def begin(self, stage: str, total: int, done: int) -> None:
        self._stage, self._total, self._todo, self._done = stage, total, total - done, 0
        self._started = self._written = time.monotonic()
        if done < total:
            self.note(f"{stage}: {done} of {total}")

    def advance(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        finished = self._done >= self._todo
        if finished or now - self._written >= _SECONDS_BETWEEN_LINES:
            self._written = now
            elapsed = now - self._started
            end = f"took {duration(elapsed)}" if finished else time_left(elapsed, self._done, self._todo)
            count_so_far = f"{self._stage}: {self._total - self._todo + self._done} of {self._total}"
            self.note(f"{count_so_far}, {end}" if end else count_so_far)

    def note(self, message: str) -> None:
        print(printable_line(message), file=sys.stderr, flush=True)


@contextmanager
def shown() -> Iterator[RunProgress]:
    """Show progress while the body runs. Ctrl-C leaves with exit code 130, once what is running has been put away."""
    try:
        with plugins_to_stderr(), _display() as display:
            yield display
    except KeyboardInterrupt:
        print("interrupted; all that was finished is stored, the same command goes on from there", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def _display() -> Iterator[RunProgress]:
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    # No description is longer; left-aligned ones would move the bars.
    columns = (
        TextColumn("{task.description:>28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with drawing() as terminal, Progress(*columns, console=Console(file=terminal)) as display:
        yield Bar(display)
