"""Per-clip FAD: the Fréchet audio distance of each clip's own windows to a reference.

A. Gui, H. Gamper, S. Braun, D. Emmanouilidou: Adapting Fréchet Audio Distance for Generative Music Evaluation. ICASSP
2024, §2.3. fadtk and kadtk call it the individual score.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from bench.contracts.embedder import EmbedderRef
from bench.contracts.metric import ClipMetric, DecodedClip, Direction, Score
from bench.errors import Undefined
from bench.number_format import counted
from metrics.frechet import gaussian_distance
from metrics.gaussian import Gaussian


class ClipFrechetAudioDistance(ClipMetric):
    """FAD between the windows of one clip and the reference, in squared units of the embedding; mean over prompts.

    A clip has few windows, so that its covariance is of low rank and the value lies far above the FAD of the set: it
    compares clips of equal length and is no estimate of that FAD. Undefined for a clip of a single window. Details:
    ``windows``.

    Args:
        embedder: name of the embedder.
        embedder_params: its parameters.
    """

    version = 1
    direction: ClassVar[Direction] = "lower"
    cannot_tell = (
        "whether a clip is good, only how usual its windows are; it falls with the number of windows, so compare only "
        "clips of equal length"
    )
    reference = "set"

    def __init__(self, embedder: str = "musicnn-msd", embedder_params: Mapping[str, Any] | None = None) -> None:
        self.embedders = (EmbedderRef(embedder, dict(embedder_params or {})),)
        self._known: dict[str, Gaussian] = {}

    def score(self, clip: DecodedClip) -> Score:
        (ref,) = self.embedders
        vectors = clip.embedding(ref)
        if len(vectors) < 2:
            raise Undefined(f"{counted(len(vectors), 'window')}, a covariance needs 2")
        music = clip.reference(ref)
        if music.fingerprint not in self._known:
            self._known[music.fingerprint] = Gaussian.of_moments(music.mean, music.covariance)
        gaussian = self._known[music.fingerprint]
        if not len(gaussian.factor):
            raise Undefined(f"the windows of the reference '{music.name}' all have the same embedding")
        return Score.of(gaussian_distance(Gaussian.of_windows(vectors), gaussian), windows=len(vectors))
