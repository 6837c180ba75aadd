"""A dataset in memory: captioned stretches of recordings, none of them decoded yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Example:
    """A captioned stretch of a recording.

    Attributes:
        id: unique in its dataset, the same wherever the files lie.
        recording: the recording that it is taken from, which is never split between training and validation.
        path: the audio file.
        caption: the description of the music; never empty.
        genre: where known.
        evaluation: whether the dataset itself reserves it for evaluation.
        assigned: the part that the dataset itself puts it in, whatever share is to be held out; None leaves it open.
    """

    id: str
    recording: str
    path: Path
    caption: str
    genre: str | None = None
    evaluation: bool = False
    assigned: Literal["train", "validation"] | None = None


@dataclass(frozen=True)
class Skipped:
    """A file that cannot be trained on, and why, in a line."""

    id: str
    why: str


@dataclass(frozen=True)
class Dataset:
    """Examples, in an order that does not depend on the file system.

    Attributes:
        name: as cards show it.
        examples: at least one.
        hashes: `bench.contracts.audio.content_hash` of each example's whole file, by the example's id.
        skipped: what could not be used.
        about: what else a card says about it: format, license, how many clips a list names and how many are missing.
    """

    name: str
    examples: tuple[Example, ...]
    hashes: Mapping[str, str]
    skipped: tuple[Skipped, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Return the identity of what is trained on: sounds, captions and recordings, wherever the files are."""
        from bench.hashing import fingerprint

        return fingerprint(sorted([self.hashes[e.id], e.caption, e.recording] for e in self.examples))


@dataclass(frozen=True)
class Split:
    """What is trained on and what is held out: no recording, and no sound, is in both."""

    train: tuple[Example, ...]
    held_out: tuple[Example, ...]
