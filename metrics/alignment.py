"""CLAP score: how close audio is to the text of its prompt, as one CLAP checkpoint measures it.

Y. Wu, K. Chen, T. Zhang, Y. Hui, T. Berg-Kirkpatrick, S. Dubnov: Large-Scale Contrastive Language-Audio Pretraining
with Feature Fusion and Keyword-to-Caption Augmentation. ICASSP 2023. The choice of the checkpoint moves the score more
than most models differ, so values of two checkpoints, or of raw and rescaled cosines, are not comparable.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from bench.contracts.embedder import Embedder, EmbedderRef
from bench.contracts.metric import ClipMetric, DecodedClip, Direction, Score
from bench.errors import DataError, UsageError
from metrics.embedders.clap import ClapEmbedder

Presentation = Literal["cosine", "unit"]
PRESENTATIONS: tuple[Presentation, ...] = ("cosine", "unit")

_texts: WeakKeyDictionary[Embedder, dict[str, npt.NDArray[np.float32]]] = WeakKeyDictionary()


def clap_score(
    windows: npt.ArrayLike, weights: npt.ArrayLike, text: npt.ArrayLike, presentation: Presentation = "cosine"
) -> float:
    """Compute the cosine between the weighted mean of a clip's windows and its text.

    Args:
        windows: embeddings of the clip, shape (windows, dimension).
        weights: how much of each window is audio, shape (windows,), in (0, 1].
        text: embedding of the prompt, shape (dimension,).
        presentation: ``cosine``, in [−1, 1], or ``unit``: (cosine + 1) / 2, in [0, 1], as some papers print it.

    Raises:
        DataError: embeddings that are not finite or are zero, or shapes that do not match.

    >>> clap_score([[1, 0], [0, 1]], [1, 1], [0, 2])
    0.7071
    >>> clap_score([[1, 0], [0, 1]], [1, 0.5], [2, 0], "unit")
    0.9472
    """
    rows, share, words = (np.asarray(values, dtype=np.float64) for values in (windows, weights, text))
    if rows.ndim != 2 or not len(rows) or share.shape != rows.shape[:1] or words.shape != rows.shape[1:]:
        raise DataError(f"windows {rows.shape}, weights {share.shape} and text {words.shape} do not match")
    audio = share @ rows / share.sum()
    lengths = np.linalg.norm(audio) * np.linalg.norm(words)
    if not (np.isfinite(lengths) and lengths > 0):
        raise DataError("an embedding is zero or not finite, so it has no cosine")
    cosine = float(np.clip(audio @ words / lengths, -1, 1))
    return (cosine + 1) / 2 if presentation == "unit" else cosine


class ClapScore(ClipMetric):
    """How close the clip is to its prompt's text: the cosine of their CLAP embeddings, in [−1, 1].

    Details: ``windows`` (how many were embedded).

    Args:
        checkpoint: of the embedder; always part of the metric's name.
        embedder: ``clap`` (transformers) or ``clap-laion``, or another that embeds texts.
        presentation: ``cosine`` or ``unit``.
        embedder_params: further parameters of the embedder, such as ``revision``.

    Raises:
        UsageError: another presentation.
    """

    version = 1
    unit = ""
    direction: ClassVar[Direction] = "higher"
    examples: ClassVar[Mapping[str, str]] = {"checkpoint": "laion/larger_clap_music"}
    cannot_tell = (
        "whether the music is good, or whether tempo, key or form were met; values of different checkpoints are not "
        "comparable"
    )

    @classmethod
    def require(cls) -> None:
        ClapEmbedder.require()

    def __init__(
        self,
        checkpoint: str,
        embedder: str = "clap",
        presentation: Presentation = "cosine",
        embedder_params: Mapping[str, Any] | None = None,
    ) -> None:
        if presentation not in PRESENTATIONS:
            raise UsageError(f"clap-score: presentation is {presentation!r}, must be {' or '.join(PRESENTATIONS)}")
        self.presentation = presentation
        self.embedders = (EmbedderRef(embedder, {"checkpoint": checkpoint, **(embedder_params or {})}),)

    def score(self, clip: DecodedClip) -> Score:
        (ref,) = self.embedders
        windows, embedder = clip.embedding(ref), clip.embedder(ref)
        text = _embedded(clip.prompt.text, embedder)
        value = clap_score(windows, embedder.weights(clip.viewed), text, self.presentation)
        return Score.of(value, windows=len(windows))


def _embedded(text: str, embedder: Embedder) -> npt.NDArray[np.float32]:
    """Return the text's vector, computed once per process: every model and seed is scored with the same prompts."""
    known = _texts.setdefault(embedder, {})
    if text not in known:
        known[text] = embedder.embed_text([text])[0]
    return known[text]
