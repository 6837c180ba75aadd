"""What workers hand back: plain values that can be pickled, one class for each outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ClipMade:
    """A clip whose file is complete.

    ``peak`` is before ``gain`` was applied; ``content`` is the decoded file's hash.
    """

    clip: str
    content: str
    rate: int
    channels: int
    frames: int
    peak: float
    gain: float
    seconds: float
    notes: str | None
    provenance: Mapping[str, Any]


@dataclass(frozen=True)
class ClipFailed:
    """A clip that could not be made, with the reason in one line."""

    clip: str
    error: str


@dataclass(frozen=True)
class ClipScored:
    """One metric on one clip: exactly one of value, reason (undefined) and error (failed) is set."""

    clip: str
    metric: str
    version: int
    params_hash: str
    value: float | None = None
    reason: str | None = None
    error: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
