"""From a prompt's requests to a complete brief: what it leaves open is drawn at random."""

from __future__ import annotations

import numpy as np

from models.composer.styles import Style
from models.composer.writing.band import cast
from models.composer.writing.brief import Brief
from models.composer.writing.prompt_parser import PromptRequests
from models.composer.writing.theory import MAJOR_KEYS, MINOR_KEYS, Key


def settle(wishes: PromptRequests, style: Style, chance: np.random.Generator) -> Brief:
    """Draw what is left open: tempo within the style's range by pace and energy, key by mood, players by style."""
    low, high = style.tempo
    pace = wishes.pace if wishes.pace is not None else 0.5 + 0.2 * wishes.energy + chance.uniform(-0.2, 0.2)
    tempo = round(low + (high - low) * min(1.0, max(0.0, float(pace))))
    mode = wishes.mode or ("minor" if chance.random() < style.minor else "major")
    tonics = MINOR_KEYS if mode == "minor" else MAJOR_KEYS
    tonic = str(tonics[int(chance.integers(len(tonics)))])
    return Brief(
        bpm=float(wishes.bpm or tempo),
        key=wishes.key or Key(tonic, mode),
        beats=wishes.beats,
        band=cast(wishes.scoring, style.ensembles, chance),
        energy=wishes.energy,
        traits=wishes.traits,
    )
