"""Tests of set metrics that were made before: those stored in the runs, and those in the user's folder for caches."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import Field, ValidationError, model_validator

from bench.contracts.notice import Notice
from bench.schema import Finite, Settings
from bench.storage.store import Store
from bench.user_cache import UserCache

FORMAT = 4
"""Raised whenever the same sets would be tested in another way."""

_MOST_BYTES = 64_000_000  # some 50,000 tests


class CachedTest(Settings):
    """A difference as `bench.Difference` has it, and ``n``, of how many shared prompts it is."""

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

    Those of a run are found by the key alone, since a run says itself what its embeddings are. The user's cache is for
    all runs, so what is kept there is found by a key that covers the embeddings, too. What is damaged is made again.

    Args:
        stores: the runs whose tests are looked at.
        keep: the run that new tests are stored in, open for writing; None keeps them in the user's cache.
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
        """Keep a test."""
        text = test.model_dump_json()
        if self._keep is not None:
            self._keep.store_set_test(key, text)
        else:
            self._cache.put(cache_key, text.encode())

    def finish(self) -> None:
        """Keep the cache within its size."""
        self._cache.trim()


def _read(text: str | bytes | None) -> CachedTest | None:
    if text is None:
        return None
    try:
        return CachedTest.model_validate_json(text)
    except ValidationError:
        return None
