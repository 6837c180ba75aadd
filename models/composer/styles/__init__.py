"""The styles the composer writes in, one a file; a style is data (harmony, rhythm, players) and an arrangement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module

import numpy as np

from bench.contracts.notes import Note
from models.composer.writing.band import Ensemble
from models.composer.writing.brief import Brief
from models.composer.writing.form import Section
from models.composer.writing.melody import Manner

Arrange = Callable[[Section, Brief, np.random.Generator], list[Note]]


@dataclass(frozen=True)
class Style:
    """How a genre is composed.

    Attributes:
        tempo: usual slowest and fastest tempo in quarters per minute.
        minor: share of pieces in minor.
        form: letters of the sections in order, repeated for as long as a piece lasts.
        progressions: for each mode and each letter the progressions to choose from, in roman numerals.
        manner: how tunes go.
        ensembles: bands to choose from.
        arrange: section → notes, in quarters from the section's beginning.
        swing: whether eighths are swung two to one.
    """

    tempo: tuple[float, float]
    minor: float
    form: str
    progressions: Mapping[str, Mapping[str, tuple[str, ...]]]
    manner: Manner
    ensembles: tuple[Ensemble, ...]
    arrange: Arrange
    swing: bool = False


def style_named(name: str) -> Style:
    """Return one of `models.composer.writing.prompt_parser.STYLES`, imported on first use."""
    style: Style = import_module(f"models.composer.styles.{name}").STYLE
    return style
