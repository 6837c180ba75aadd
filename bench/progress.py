"""Progress reports: the protocol, and receivers that show nothing, a bar on a terminal, or lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO, TypeAlias

from bench.printable import printable_line

if TYPE_CHECKING:
    from rich.progress import Progress as Display
    from rich.progress import TaskID

_SECONDS_BETWEEN_LINES = 10.0
_ENOUGH = 0.1  # of the work: the speed before that says little, as workers still load their libraries


class Progress(Protocol):
    """Receiver of the progress of a run, stage by stage.

    ``begin`` names a stage, its number of items, and how many are done; ``advance`` adds to these;
    ``note`` receives a message for the user, a sentence.
    """

    def begin(self, stage: str, total: int, done: int) -> None: ...

    def advance(self, count: int) -> None: ...

    def note(self, message: str) -> None: ...


ProgressOption: TypeAlias = Progress | bool | None
"""Values of ``progress``: True shows it on stderr, None or False shows nothing, an object receives it."""


class Silent:
    """A receiver that shows nothing."""

    def begin(self, stage: str, total: int, done: int) -> None: ...

    def advance(self, count: int) -> None: ...

    def note(self, message: str) -> None: ...


def time_left(elapsed: float, done: int, todo: int) -> str:
    """Return ``12 s left``, estimated from the speed so far; an empty string before a tenth is done.

    Args:
        elapsed: seconds since the stage began.
        done: items done in that time.
        todo: items to do at its beginning.
    """
    if done < _ENOUGH * todo or not done:
        return ""
    return f"{duration(elapsed / done * (todo - done))} left"


def duration(seconds: float) -> str:
    """Return a duration as text: ``84 s``, ``7 min``, ``2.1 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Bar:
    """A bar with count and time left."""

    def __init__(self, display: Display) -> None:
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
    """A line every ten seconds and at the end of a stage, for logs and notebooks."""

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
def bar(terminal: TextIO) -> Iterator[Progress]:
    """Show a bar for each stage on a terminal while the body runs."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Display

    # Maximum width of descriptions; left-aligned ones would move the bars.
    columns = (
        TextColumn("{task.description:>28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Display(*columns, console=Console(file=terminal)) as display:
        yield Bar(display)


@contextmanager
def shown(progress: ProgressOption) -> Iterator[Progress]:
    """Yield the receiver that a caller asked for, while the body runs.

    True means a bar if stderr is a terminal, and occasional lines elsewhere, as in a notebook or a log.
    """
    if progress is not True:
        yield progress or Silent()
    elif sys.stderr is not None and sys.stderr.isatty():
        with bar(sys.stderr) as drawn:
            yield drawn
    else:
        yield Lines()
