"""How far a run is: what it tells, and nobody listening."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Told how far a run is; the command line draws it."""

    def begin(self, stage: str, total: int, done: int) -> None: ...

    def advance(self, count: int) -> None: ...

    def note(self, message: str) -> None: ...


class Silent:
    """Progress that nobody watches."""

    def begin(self, stage: str, total: int, done: int) -> None: ...

    def advance(self, count: int) -> None: ...

    def note(self, message: str) -> None: ...
