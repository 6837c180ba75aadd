"""Limit the rate of requests: a burst, and then a number per second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

_MOST_KEPT = 10_000


class RateLimit:
    """A token bucket per client; thread-safe.

    Args:
        burst: requests allowed at once, ≥ 1.
        per_second: requests per second after that, > 0.
        clock: monotonic time in seconds.
    """

    def __init__(self, burst: int, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst, self._per_second, self._clock = burst, per_second, clock
        self._left: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def allows(self, who: str) -> bool:
        """Count a request of a client, and return whether it is within the limit."""
        with self._lock:
            now = self._clock()
            left, before = self._left.get(who, (float(self._burst), now))
            left = min(float(self._burst), left + (now - before) * self._per_second)
            allowed = left >= 1
            self._left[who] = (left - 1 if allowed else left, now)
            if len(self._left) > _MOST_KEPT:
                self._forget(now)
            return allowed

    def _forget(self, now: float) -> None:
        """Drop clients whose bucket is full again."""
        full = self._burst / self._per_second
        self._left = {who: kept for who, kept in self._left.items() if now - kept[1] < full}
