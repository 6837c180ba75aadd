"""The tags of musicnn that name a genre, and their log-odds for a clip, before any calibration."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from bench.contracts.embedder import EmbedderRef, Vectors
from metrics.embedders.musicnn import Training, tag_log_odds, tag_names

TAGS: Mapping[str, tuple[tuple[Training, str], ...]] = {
    "choral": (("mtt", "choral"), ("mtt", "choir")),
    "classical": (("mtt", "classical"), ("mtt", "classic")),
    "dance": (("msd", "dance"), ("mtt", "dance"), ("mtt", "techno")),
    "jazz": (("msd", "jazz"),),
    "pop": (("msd", "pop"), ("mtt", "pop")),
    "rock": (("msd", "rock"), ("mtt", "rock")),
}
"""The tags that name each genre, by network."""

GENRES = tuple(TAGS)

MSD = EmbedderRef("musicnn-msd")
MTT = EmbedderRef("musicnn-mtt")


def genre_log_odds(msd: Vectors, mtt: Vectors) -> npt.NDArray[np.float64]:
    """Compute the log-odds of the six `GENRES`, shape (6,): the mean over a genre's tags of their mean over the clip.

    Args:
        msd: embeddings of the clip by ``musicnn-msd``, shape (windows, 200).
        mtt: the same by ``musicnn-mtt``.
    """
    clip: dict[Training, Vectors] = {"msd": msd, "mtt": mtt}
    odds = {
        (training, tag): value
        for training, vectors in clip.items()
        for tag, value in zip(tag_names(training), tag_log_odds(vectors, training).mean(axis=0), strict=True)
    }
    return np.array([np.mean([odds[tag] for tag in tags]) for tags in TAGS.values()])
