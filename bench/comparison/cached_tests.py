"""Tests of set metrics, kept beside the run: they take seconds each, and tables are looked at often."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from bench.atomic_write import replace_file
from bench.contracts.notice import Notice
from bench.schema import Finite, Settings

FORMAT = 4
"""Raised whenever the same sets would be tested in another way."""


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


class _CacheFile(Settings):
    format: int
    tests: dict[str, CachedTest]


class CachedTests:
    """The file ``comparisons.json`` of a run folder: a convenience, so that damage or a lack of rights costs only time.

    Keys must cover all that can change a result.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "comparisons.json"
        self._tests = self._read()
        self._changed = False

    def get(self, key: str) -> CachedTest | None:
        return self._tests.get(key)

    def put(self, key: str, test: CachedTest) -> None:
        self._tests[key] = test
        self._changed = True

    def save(self) -> None:
        """Write what is new, beside what another process may have written meanwhile."""
        if not self._changed:
            return
        kept = _CacheFile(format=FORMAT, tests={**self._read(), **self._tests})
        try:
            replace_file(self._path, kept.model_dump_json(indent=1) + "\n")
        except OSError:
            return
        self._changed = False

    def _read(self) -> dict[str, CachedTest]:
        try:
            kept = TypeAdapter(_CacheFile).validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return {}
        return dict(kept.tests) if kept.format == FORMAT else {}
