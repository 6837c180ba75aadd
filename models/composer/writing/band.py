"""Casting: who plays the tune, the chords, the bass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.composer.writing.instruments import STYLE_KIT, Scoring

# The parts that each family of General MIDI programs can take, the most natural first.
_ABILITIES: tuple[tuple[range, tuple[str, ...]], ...] = (
    (range(8), ("chords", "lead", "counter")),  # pianos
    (range(8, 16), ("lead", "counter", "chords")),  # mallets and bells
    (range(16, 22), ("chords", "pad", "lead")),  # organs
    (range(22, 23), ("lead", "counter")),  # harmonica
    (range(23, 24), ("lead", "chords")),  # bandoneon
    (range(24, 29), ("chords", "lead", "counter")),  # guitars
    (range(29, 30), ("lead", "chords", "counter")),  # overdriven guitar
    (range(30, 32), ("chords", "lead", "counter")),  # distorted guitar
    (range(32, 40), ("bass",)),
    (range(40, 41), ("lead", "counter")),  # violin
    (range(41, 42), ("counter", "lead")),  # viola
    (range(42, 43), ("bass", "counter", "lead")),  # cello
    (range(43, 44), ("bass",)),
    (range(44, 46), ("chords", "pad")),
    (range(46, 47), ("chords", "counter")),  # harp
    (range(47, 48), ()),  # timpani, which have a part of their own
    (range(48, 52), ("pad", "lead", "chords")),  # string sections
    (range(52, 55), ("pad", "lead", "counter")),  # voices
    (range(56, 57), ("lead", "counter")),
    (range(57, 58), ("counter", "bass", "lead")),
    (range(58, 59), ("bass", "counter")),
    (range(59, 60), ("lead", "counter")),
    (range(60, 61), ("counter", "pad", "lead")),
    (range(61, 64), ("counter", "pad", "chords")),
    (range(64, 80), ("lead", "counter")),  # reeds and pipes
    (range(80, 88), ("lead", "chords", "counter")),  # synthesizer leads
    (range(88, 96), ("chords", "pad")),
    (range(104, 109), ("lead", "chords")),  # plucked instruments of the world
    (range(109, 116), ("lead", "counter")),
)

_SELF_SUFFICIENT = frozenset((*range(8), 11, 12, *range(16, 22), *range(23, 31), 46))

_PARTS = ("lead", "chords", "bass", "pad", "counter")

# The range in which an instrument plays a tune, by family.
_RANGES: tuple[tuple[range, tuple[int, int]], ...] = (
    (range(6), (64, 86)),
    (range(6, 8), (62, 84)),
    (range(8, 16), (67, 89)),
    (range(22, 24), (60, 81)),
    (range(24, 27), (57, 79)),
    (range(27, 32), (57, 81)),
    (range(40, 41), (64, 88)),
    (range(41, 42), (55, 74)),
    (range(42, 43), (48, 69)),
    (range(45, 46), (60, 81)),
    (range(48, 52), (62, 84)),
    (range(52, 55), (60, 79)),
    (range(56, 57), (60, 79)),
    (range(57, 59), (48, 67)),
    (range(60, 61), (50, 70)),
    (range(64, 65), (62, 82)),
    (range(65, 66), (56, 78)),
    (range(66, 67), (51, 73)),
    (range(67, 68), (44, 65)),
    (range(68, 70), (62, 82)),
    (range(70, 71), (46, 67)),
    (range(71, 72), (57, 81)),
    (range(72, 73), (74, 93)),
    (range(73, 80), (67, 88)),
    (range(80, 88), (62, 84)),
)


@dataclass(frozen=True)
class Ensemble:
    """What a style's bands consist of: for each part the programs to choose from; None means nobody.

    ``kit`` is a drum kit's program, or None for a style without drums.
    """

    lead: tuple[int, ...]
    chords: tuple[int | None, ...]
    bass: tuple[int | None, ...]
    pad: tuple[int | None, ...] = (None,)
    counter: tuple[int | None, ...] = (None,)
    kit: int | None = None


@dataclass(frozen=True)
class Band:
    """Who plays what: General MIDI programs, None where nobody does.

    ``inner`` are the instruments that no part of their own was left for; they hold inner voices.
    """

    lead: int
    chords: int | None
    bass: int | None
    pad: int | None
    counter: int | None
    inner: tuple[int, ...]
    kit: int | None


def cast(scoring: Scoring, ensembles: Sequence[Ensemble], chance: np.random.Generator) -> Band:
    """Give every requested instrument a part, and fill the remaining ones from a band of the style that resembles it.

    Players that can do everything (a pianist, a guitarist) play every part themselves if they are to play alone.

    Args:
        scoring: who is requested.
        ensembles: the style's bands, at least one.
        chance: generator of the choices.
    """
    resemblance = [sum(program in _players(ensemble) for program in scoring.programs) for ensemble in ensembles]
    strangers = [sum(program not in scoring.programs for program in _players(ensemble)) for ensemble in ensembles]
    ranks = [(alike, -extra if alike else 0) for alike, extra in zip(resemblance, strangers, strict=True)]
    likeliest = [ensemble for ensemble, rank in zip(ensembles, ranks, strict=True) if rank == max(ranks)]
    ensemble = likeliest[int(chance.integers(len(likeliest)))]
    parts: dict[str, int | None] = {}
    inner = []
    # Those who can play only one part come first, then all in the order of the text.
    for program in sorted(scoring.programs, key=lambda program: len(_abilities(program)) > 1):
        usually = [part for part in _PARTS if program in getattr(ensemble, part)]
        part = next((part for part in (*usually, *_abilities(program)) if part not in parts), None)
        if part:
            parts[part] = program
        else:
            inner.append(program)
    if scoring.alone:
        soloist = scoring.programs[0] if scoring.programs else ensemble.lead[0]
        able = soloist in _SELF_SUFFICIENT
        for part in ("lead", "chords", "bass"):
            parts.setdefault(part, soloist if part == "lead" or able else None)
    for part in _PARTS:
        usual = [p for p in getattr(ensemble, part) if p not in scoring.excluded] or [None]
        usual = [p for p in usual if p is None or p not in parts.values()] or usual
        choice = usual[int(chance.integers(len(usual)))]
        parts.setdefault(part, None if scoring.alone else choice)
    lead = parts["lead"] if parts["lead"] is not None else next((p for p in parts.values() if p is not None), 0)
    kit = ensemble.kit
    if scoring.drumless:
        kit = None
    elif scoring.kit is not None:
        kit = scoring.kit if scoring.kit != STYLE_KIT else kit if kit is not None else 0
    return Band(
        lead, parts["chords"], parts["bass"], parts["pad"], parts["counter"],
        tuple(inner), kit,
    )  # fmt: skip


def _players(ensemble: Ensemble) -> set[int]:
    return {program for part in _PARTS for program in getattr(ensemble, part) if program is not None}


def _abilities(program: int) -> tuple[str, ...]:
    return next((parts for family, parts in _ABILITIES if program in family), ("counter",))


def tune_range(program: int) -> tuple[int, int]:
    """Return the lowest and highest MIDI pitch at which an instrument plays a tune."""
    return next((span for family, span in _RANGES if program in family), (60, 81))
