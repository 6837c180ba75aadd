"""A complete brief: all decisions about a piece, made before a note is written."""

from __future__ import annotations

from dataclasses import dataclass

from models.composer.writing.band import Band
from models.composer.writing.theory import Key


@dataclass(frozen=True)
class Brief:
    """What to compose.

    Attributes:
        bpm: quarter notes per minute.
        key: the key.
        beats: quarters in a bar.
        band: who plays.
        energy: -2 (hushed) to 2 (ferocious).
        traits: see `models.composer.writing.prompt_parser.PromptRequests`.
    """

    bpm: float
    key: Key
    beats: int
    band: Band
    energy: float
    traits: frozenset[str]
