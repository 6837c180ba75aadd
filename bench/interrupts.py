"""Ctrl-C where native code calls back into Python."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held() -> Iterator[None]:
    """Defer a KeyboardInterrupt until the body has ended; a second one is not deferred.

    If native code calls a Python function (libsndfile to read and write, soxr to return an array), an
    exception that is raised there is dropped, or ends the process.

    Raises:
        KeyboardInterrupt: one came while the body ran.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are handled in the main thread only
        return
    before = {number: handler for number in _STOPPING if callable(handler := signal.getsignal(number))}
    came = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal came
        if came:
            before[signal.Signals(number)](number, frame)
        came = True

    for number in before:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            raise KeyboardInterrupt
