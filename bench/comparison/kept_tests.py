"""Tests of set metrics, kept beside the run: they take seconds each, and tables are looked at often."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from bench.settings import Settings
from bench.whole_file import replace_file

FORMAT = 1
"""Raised whenever the same sets would be tested in another way."""

_Finite = Annotated[float, Field(allow_inf_nan=False)] | None


class KeptTest(Settings):
    """A difference as `bench.set_metric.Difference` has it, and ``n``, of how many shared prompts it is."""

    estimate: _Finite
    low: _Finite
    high: _Finite
    p: Annotated[float, Field(gt=0, le=1)] | None
    null: str
    reason: str | None
    warnings: tuple[str, ...]
    n: Annotated[int, Field(ge=0)]


class _Kept(Settings):
    format: int
    tests: dict[str, KeptTest]


class KeptTests:
    """The file ``comparisons.json`` of a run folder: a convenience, so that damage or a lack of rights costs only time.

    Keys must cover all that can change a result.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "comparisons.json"
        self._tests = self._read()
        self._changed = False

    def get(self, key: str) -> KeptTest | None:
        return self._tests.get(key)

    def put(self, key: str, test: KeptTest) -> None:
        self._tests[key] = test
        self._changed = True

    def save(self) -> None:
        """Write what is new, beside what another process may have written meanwhile."""
        if not self._changed:
            return
        kept = _Kept(format=FORMAT, tests={**self._read(), **self._tests})
        try:
            replace_file(self._path, kept.model_dump_json(indent=1) + "\n")
        except OSError:
            return
        self._changed = False

    def _read(self) -> dict[str, KeptTest]:
        try:
            kept = TypeAdapter(_Kept).validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return {}
        return dict(kept.tests) if kept.format == FORMAT else {}
