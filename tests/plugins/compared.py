"""Clip metrics that compare with music, in the bands of `tiny.Bands`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from bench import ClipMetric, DecodedClip, EmbedderRef, Score
from bench.contracts.metric import ReferenceUse

BANDS = EmbedderRef(f"{Path(__file__).with_name('tiny.py')}:Bands")


class Distant(ClipMetric):
    """Distance of the clip's mean from that of the reference."""

    direction = "lower"
    embedders = (BANDS,)
    reference = "set"
    loaded: ClassVar[dict[str, int]] = {}

    def score(self, clip: DecodedClip) -> Score:
        music = clip.reference(BANDS)
        self.loaded[music.fingerprint] = id(music)  # it is the same object for all clips of a worker
        return Score.of(float(np.linalg.norm(clip.embedding(BANDS).mean(axis=0) - music.mean)), music=music.name)


class Apart(ClipMetric):
    """Distance of the clip's mean from that of its prompt's recording."""

    direction = "lower"
    embedders: tuple[EmbedderRef, ...] = (BANDS,)
    reference: ReferenceUse = "paired"

    def score(self, clip: DecodedClip) -> Score:
        return Score.of(float(np.linalg.norm(clip.embedding(BANDS).mean(axis=0) - clip.paired(BANDS).mean(axis=0))))


class Undeclared(Apart):
    """Asks for music and does not say so."""

    reference = "none"


class Unknown(Apart):
    """Says what nobody knows."""

    reference = "everything"  # type: ignore[assignment]


class Bare(Apart):
    """Has nothing to compare in."""

    embedders = ()
