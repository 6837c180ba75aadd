"""Cached tests of set metrics: those stored in runs, and those in the user's cache folder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from bench.contracts.notice import Notice
from bench.schema import Finite, Settings
from bench.storage.store import Store
from bench.user_cache import UserCache

FORMAT = 4
"""Version of the tests, raised if the same sets are tested differently."""

_MOST_BYTES = 64_000_000  # some 50,000 tests


class CachedTest(Settings):
    """A difference as in `bench.Difference`, and ``n``, its number of shared prompts."""

    estimate: Finite | None
    low: Finite | None
    high: Finite | None
    p: Annotated[float, Field(gt=0, le=1)] | None
    null: str
    reason: str | None
    warnings: tuple[Notice, ...]
    n: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        known = [number for number in (self.low, self.estimate, self.high) if number is not None]
        if known != sorted(known):
            raise ValueError("low, estimate and high are not in this order")
        return self


class CachedTests:
    """Tests by key.

    Tests of a run are found by the key alone, since a run determines its embeddings. The user's cache is for
    all runs, so its key also covers the embeddings. Damaged entries are made again.

    Args:
        stores: the runs to search.
        keep: the run to store new tests in, open for writing; None stores them in the user's cache.
    """

    def __init__(self, stores: Iterable[Store], keep: Store | None = None) -> None:
        self._stores = tuple(stores)
        self._keep = keep
        self._cache = UserCache("set-tests", _MOST_BYTES)

    def stored(self, key: str) -> CachedTest | None:
        """Return the test that one of the runs holds."""
        return next((found for store in self._stores if (found := _read(store.set_test(key)))), None)

    def cached(self, key: str) -> CachedTest | None:
        """Return the test that the user's cache holds."""
        return _read(self._cache.get(key))

    def put(self, key: str, cache_key: str, test: CachedTest) -> None:
        """Keep a test.

        Args:
            key: its key in the run that keeps tests.
            cache_key: its key in the user's cache, where no run keeps them.
            test: the test.
        """
        text = test.model_dump_json()
        if self._keep is not None:
            self._keep.store_set_test(key, text)
        else:
            self._cache.put(cache_key, text.encode())

    def finish(self) -> None:
        """Trim the cache to its size limit."""
        self._cache.trim()


def _read(text: str | bytes | None) -> CachedTest | None:
    if text is None:
        return None
    try:
        return CachedTest.model_validate_json(text)
    except ValidationError:
        return None
