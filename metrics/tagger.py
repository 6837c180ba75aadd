"""Taggers: embedders whose vectors are the logits of classes, and the distribution over classes of a recording."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from bench.contracts.embedder import EmbedderRef, Vectors
from bench.contracts.plugins import plain_name, short_name
from bench.errors import UsageError
from metrics.embedders.front_ends import COMMAND
from metrics.embedders.musicnn import Training, tag_log_odds

Array = npt.NDArray[np.float64]

_MUSICNN: dict[str, Training] = {"musicnn-msd": "msd", "musicnn-mtt": "mtt"}
_NO_TAGGERS = ("clap", "clap-laion", "vggish", "pann")


def softmax(logits: npt.ArrayLike) -> Array:
    """Compute probabilities, shape (…, classes), that sum to 1 over the last axis.

    >>> softmax([0.0, 0.0]).tolist()
    [0.5, 0.5]
    """
    values = np.asarray(logits, dtype=np.float64)
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    shares: Array = powers / powers.sum(axis=-1, keepdims=True)
    return shares


def sigmoid(logits: npt.ArrayLike) -> Array:
    """Compute the probability of each class by itself, shape (…, classes).

    >>> sigmoid([0.0]).tolist()
    [0.5]
    """
    from scipy.special import expit

    probabilities: Array = expit(np.asarray(logits, dtype=np.float64))
    return probabilities


def musicnn_training(ref: EmbedderRef) -> Training | None:
    """Return musicnn's training, where the embedder is musicnn: its own last layer turns its vectors into tags."""
    return _MUSICNN.get(short_name(plain_name(ref.name)))


def check_tagger(ref: EmbedderRef, whose: str) -> None:
    """Refuse an embedder that is known to give no logits; for a program or a plugin, only its author knows.

    Args:
        ref: the embedder.
        whose: name of the metric, for the message.

    Raises:
        UsageError: its vectors are of no classes, or its front end has made probabilities of them.
    """
    if short_name(plain_name(ref.name)) in _NO_TAGGERS:
        raise UsageError(
            f"{whose} needs the logits of a tagger's classes, and the vectors of {ref.name} are not logits; use "
            "pann-tags, musicnn-msd, musicnn-mtt, or the program of another tagger (command)"
        )
    front_end = ref.params.get("front_end")
    if _pooling(front_end) == "mean-softmax":
        name = front_end.get("name") if isinstance(front_end, Mapping) else front_end
        raise UsageError(
            f"{whose} needs the logits of a tagger's classes, and the front end {name} turns them into probabilities "
            "(pooling: mean-softmax); give its settings with pooling: none"
        )


def _pooling(front_end: object) -> str:
    """Return how a front end of a program, by its name or its settings, pools the windows' vectors."""
    if isinstance(front_end, Mapping):
        return str(front_end.get("pooling", "none"))
    return COMMAND[front_end].pooling if isinstance(front_end, str) and front_end in COMMAND else "none"


def tag_shares(embeddings: Vectors, training: Training) -> Array:
    """Compute the share of each of musicnn's 50 tags in a recording, shape (50,): mean over patches, scaled to sum 1.

    Args:
        embeddings: musicnn's, shape (patches, 200).
        training: of the network.
    """
    mean = sigmoid(tag_log_odds(embeddings, training)).mean(axis=0)
    shares: Array = mean / mean.sum()
    return shares


def class_shares(ref: EmbedderRef, vectors: Vectors) -> Array:
    """Compute one distribution over classes for a recording, shape (classes,): with musicnn `tag_shares`, otherwise the
    softmax of the mean of the logits.

    Args:
        ref: the tagger.
        vectors: what it gives for the recording, shape (windows, dimension).
    """
    training = musicnn_training(ref)
    return tag_shares(vectors, training) if training else softmax(vectors.astype(np.float64).mean(axis=0))
