"""Retry tasks until each has a result, even if workers die; causes that keep killing workers are skipped.

Temporary failures (`bench.errors.may_pass`, a worker killed by the system) are retried after a
second, four, sixteen and so on, up to ``retries`` times. Other tasks continue meanwhile.

A task that dies is retried in pieces, to find the faulty one. A cause that died more often than it worked
is tried separately from the rest. One that died `LIMIT` times as often as it worked is not retried: on a machine
where a library always crashes, a run has a few crashes per metric, not one per clip. The next task is then
drawn at random, so that the first clips do not decide for all.
"""

from __future__ import annotations

import heapq
import random
import time
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol

from bench.errors import UsageError
from bench.execution.executors.base import Executor, Result, Task, TaskLost
from bench.progress import Progress

LIMIT = 5
LONGEST_PAUSE = 300.0  # seconds between two tries


class Divisible(Task[Result], Protocol[Result]):
    """A task that can be retried, also in pieces."""

    @property
    def tries(self) -> int:
        """The number of this try, counted from 1."""

    def again(self) -> Divisible[Result]:
        """Return the task for another try."""

    def unsettled(self, result: Result) -> tuple[Result, Sequence[Divisible[Result]]]:
        """Return the final part of the result, and tasks for temporary failures."""

    @property
    def causes(self) -> tuple[str, ...]:
        """Possible causes of a crash: a model, or metrics and embedders."""

    def pieces(self) -> Sequence[Divisible[Result]]:
        """Return the task in its smallest pieces; empty if it is one."""

    def without(self, causes: Collection[str]) -> Divisible[Result] | None:
        """Return the task without these causes, or None if nothing is left."""

    def lost(self, error: str) -> Result:
        """Return the result if nothing could be done, with that reason."""


@dataclass
class _Record:
    """Counts of deaths and successes of a cause tried alone."""

    died: int = 0
    worked: int = 0
    given_up: str = ""

    @property
    def suspect(self) -> bool:
        return self.died > self.worked


class Attempts(Generic[Result]):
    """Iterate over results of tasks, one per task or piece, in any order. A retried task has one
    per try, for its final part.

    Args:
        tasks: the tasks.
        executor: the executor.
        progress: receives notes about skipped causes.
        retries: maximum number of retries of temporary failures.

    Attributes:
        missing: missing dependencies by cause; remaining tasks of that cause are skipped.
    """

    def __init__(
        self, tasks: Iterable[Divisible[Result]], executor: Executor, progress: Progress, retries: int = 0
    ) -> None:
        self.missing: dict[str, str] = {}
        self._executor, self._progress, self._retries = executor, progress, retries
        self._later: list[tuple[float, int, Divisible[Result]]] = []  # by due time
        self._delayed = 0
        self._waiting = deque(tasks)
        self._next: deque[Divisible[Result]] = deque()
        self._not_tried: list[tuple[Divisible[Result], Result]] = []
        self._records: defaultdict[str, _Record] = defaultdict(_Record)
        self._mixed: set[str] = set()

    def __iter__(self) -> Iterator[tuple[Divisible[Result], Result]]:
        """Yield each task or piece with its result, which is `Divisible.lost` if it died or was skipped.

        Raises:
            UsageError: the disk is full, or a plugin cannot be used.
        """
        while self._next or self._waiting or self._later:
            if not (self._next or self._waiting):
                time.sleep(max(0.0, self._later[0][0] - time.monotonic()))
            for task, result in self._executor.map((task, task) for task in self._handed_out()):
                yield from self._settled(task, result)
                yield from self._taken()
            yield from self._taken()

    def give_up(self, cause: str, why: str) -> None:
        """Skip all further tasks of a cause for this reason, unless it has one already.

        Args:
            cause: one of `Divisible.causes`.
            why: the reason, as the rest of a sentence that begins with the cause and "is".
        """
        if cause not in self.missing and not self._records[cause].given_up:
            self._records[cause].given_up = why
            self._progress.note(f"{cause} is {why}")

    def _settled(
        self, task: Divisible[Result], result: Result | TaskLost
    ) -> Iterator[tuple[Divisible[Result], Result]]:
        """Yield the task with its result, unless it is retried or divided."""
        more = task.tries <= self._retries
        if not isinstance(result, TaskLost):
            self._note_work(task.causes)
            result, passing = task.unsettled(result) if more else (result, ())
            self._put_off(passing)
            yield task, result
        elif result.why == "died" and (pieces := task.pieces()):
            self._divide(pieces)
        elif result.why == "died":
            self._note_death(task.causes[0], result.message)
            if more and result.may_pass:
                self._put_off([task.again()])
            else:
                yield task, task.lost(result.message)
        elif result.why == "missing":
            self._note_work(task.causes)
            self.missing |= dict.fromkeys(task.causes, result.message)
            yield task, task.lost(result.message)
        else:
            raise UsageError(result.message)

    def _put_off(self, tasks: Iterable[Divisible[Result]]) -> None:
        for task in tasks:
            pause = min(4.0 ** (task.tries - 2), LONGEST_PAUSE)
            self._delayed += 1  # so that tasks are never compared
            heapq.heappush(self._later, (time.monotonic() + pause, self._delayed, task))

    def _handed_out(self) -> Iterator[Divisible[Result]]:
        while True:
            while self._later and self._later[0][0] <= time.monotonic():
                self._next.append(heapq.heappop(self._later)[-1])
            if not (self._next or self._waiting):
                return
            task = (self._next or self._waiting).popleft()
            records = {cause: self._records[cause] for cause in task.causes}
            apart = {cause for cause, record in records.items() if record.suspect or record.given_up}
            if apart and len(records) > 1:
                alone = [piece for piece in task.pieces() if piece.causes[0] in apart]
                rest = task.without(apart)
                self._next.extendleft([*alone, rest] if rest else alone)
                continue
            (record, *_) = records.values()
            if len(records) == 1 and record.given_up:
                self._not_tried.append((task, task.lost(record.given_up)))
            elif not records.keys() <= self.missing.keys():
                yield task

    def _taken(self) -> Iterator[tuple[Divisible[Result], Result]]:
        yield from self._not_tried
        self._not_tried.clear()

    def _divide(self, pieces: Sequence[Divisible[Result]]) -> None:
        """Try one piece of each cause next; other pieces of a cause come last, as they are similar."""
        self._mix({cause for piece in pieces for cause in piece.causes})
        seen: set[str] = set()
        for piece in random.sample(pieces, len(pieces)):
            (self._waiting if piece.causes[0] in seen else self._next).append(piece)
            seen.add(piece.causes[0])

    def _mix(self, causes: set[str]) -> None:
        """Shuffle waiting tasks with these causes, the first time that one of them is at fault."""
        if causes <= self._mixed:
            return
        self._mixed |= causes
        places = [place for place, task in enumerate(self._waiting) if not causes.isdisjoint(task.causes)]
        tasks = [self._waiting[place] for place in places]
        random.shuffle(tasks)
        for place, task in zip(places, tasks, strict=True):
            self._waiting[place] = task

    def _note_work(self, causes: Iterable[str]) -> None:
        for cause in causes:
            self._records[cause].worked += 1

    def _note_death(self, cause: str, why: str) -> None:
        self._mix({cause})
        record = self._records[cause]
        record.died += 1
        if not record.given_up and record.died >= LIMIT * (1 + record.worked):
            tried = record.died + record.worked
            # The advice is in the message of the death.
            given_up = f"not tried, since {record.died} of the {tried} tried before died: {why.partition(': ')[0]}"
            if all(other.given_up != given_up for other in self._records.values()):
                self._progress.note(f"{cause} is skipped for the rest of this run, since {record.died} of {tried} died")
            record.given_up = given_up
