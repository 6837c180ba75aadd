"""What the text encoder of a nano model is taught: which descriptions mean the same."""

from __future__ import annotations

import math

import numpy as np

from models.composer.writing.prompt_parser import STYLES
from models.composer.writing.theory import MAJOR_KEYS, MINOR_KEYS
from models.nano.captions import MOODS, draw_piece, players_of, reworded
from models.training.parts.text_encoder import Described

_KEYS = (*(f"{tonic} major" for tonic in MAJOR_KEYS), *(f"{tonic} minor" for tonic in MINOR_KEYS))
_PLAYERS = [(genre, number) for genre in STYLES for number in range(players_of(genre))]

# Properties with so many values; of players, key and tempo, "not said" is one more.
CLASSES = {
    "genre": len(STYLES),
    "mood": len(MOODS),
    "players": len(_PLAYERS) + 1,
    "key": len(_KEYS) + 1,
    "has tempo": 2,
}
AMOUNTS = ("tempo",)


def draw_described(chance: np.random.Generator) -> Described:
    """Draw a piece of any genre that the composer knows, held out or not, described twice.

    The amount ``tempo`` is in octaves above 110 quarters a minute; NaN where it is not said.
    """
    piece = draw_piece(STYLES[int(chance.integers(len(STYLES)))], chance)
    return Described(
        (reworded(piece, chance), reworded(piece, chance)),
        {
            "genre": STYLES.index(piece.genre),
            "mood": MOODS.index(piece.mood),
            "players": len(_PLAYERS) if piece.players is None else _PLAYERS.index((piece.genre, piece.players)),
            "key": len(_KEYS) if piece.key is None else _KEYS.index(piece.key),
            "has tempo": int(piece.bpm is not None),
        },
        {"tempo": math.nan if piece.bpm is None else math.log2(piece.bpm / 110)},
    )
