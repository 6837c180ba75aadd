"""What workers hand back: plain values that can be pickled, one class for each outcome.

Reasons and errors are one line of bounded length each, whatever a plugin said. ``may_pass`` marks an error that is
worth another try.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.plain_text import plain_line

if TYPE_CHECKING:
    from bench.contracts.embedder import Vectors
    from bench.contracts.metric import Estimate
    from bench.planning.metric_plan import ScoreKey, SetKey


@dataclass(frozen=True)
class ClipMade:
    """A clip whose file is complete.

    Attributes:
        clip: its id.
        content: hash of the decoded file.
        rate, channels, frames: of the audio; the rate in Hz.
        peak: largest absolute sample before ``gain`` was applied.
        gain: factor by which what exceeded full scale was lowered, in (0, 1].
        seconds: how long it took to make; None where its row was lost and made again from the file.
        notes: JSON of the notes that were played, where they are known.
        provenance: what it was made with; empty where its row was made again.
    """

    clip: str
    content: str
    rate: int
    channels: int
    frames: int
    peak: float
    gain: float
    seconds: float | None
    notes: str | None
    provenance: Mapping[str, Any]


@dataclass(frozen=True)
class ClipFailed:
    """A clip that could not be made, with the reason, and how often it was tried in this run."""

    clip: str
    error: str
    tries: int = 1
    may_pass: bool = False

    def __post_init__(self) -> None:
        _make_lines(self, "error")


@dataclass(frozen=True)
class ClipScored:
    """One metric on one clip: exactly one of value, reason (undefined) and error (failed) is set."""

    clip: str
    key: ScoreKey
    value: float | None = None
    reason: str | None = None
    error: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    may_pass: bool = False

    def __post_init__(self) -> None:
        _make_lines(self, "reason", "error")


@dataclass(frozen=True)
class Embedded:
    """One embedder on one view of a sound: exactly one of vectors, reason (there can be none) and error is set."""

    content: str
    embedder: str
    view: str
    vectors: Vectors | None = None
    reason: str | None = None
    error: str | None = None
    may_pass: bool = False

    def __post_init__(self) -> None:
        _make_lines(self, "reason", "error")


@dataclass(frozen=True)
class ClipScores:
    """All that one clip was asked for.

    ``unreadable`` says that its file is damaged, so that nothing was scored; ``missing`` what is not installed.
    """

    clip: str
    scores: Sequence[ClipScored] = ()
    embedded: Sequence[Embedded] = ()
    unreadable: str | None = None
    missing: Sequence[str] = ()

    def __post_init__(self) -> None:
        _make_lines(self, "unreadable")


@dataclass(frozen=True)
class SetScored:
    """One set metric on one set of clips: exactly one of estimate and error is set."""

    key: SetKey
    estimate: Estimate | None = None
    error: str | None = None
    may_pass: bool = False

    def __post_init__(self) -> None:
        _make_lines(self, "error")


def _make_lines(result: object, *names: str) -> None:
    for name in names:
        if (text := getattr(result, name)) is not None:
            object.__setattr__(result, name, plain_line(text) or "no reason was given")
