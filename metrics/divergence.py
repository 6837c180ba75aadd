"""Kullback–Leibler divergence between a tagger's output for a clip and for the recording of its prompt.

Published figures share a name and are computed in at least three ways, which differ in direction, in what is averaged
over a clip's windows, and in the constant that keeps the logarithm finite. Each is a preset here, written from its
publisher's code:

- ``stable-audio-metrics``: github.com/Stability-AI/stable-audio-metrics, ``src/passt_kld.py``. KL(clip ‖ recording) of
  the softmax of the mean of the logits, over windows of 10 s every 5 s.
- ``audiocraft``: github.com/facebookresearch/audiocraft, ``metrics/kld.py``. KL(recording ‖ clip) of the softmax of
  each segment of 10 s, without overlap, against the segment at its place; the mean over segments.
- ``audioldm_eval`` and ``audioldm_eval-sigmoid``: github.com/haoheliu/audioldm_eval, ``metrics/kl.py``. KL(recording ‖
  clip) of one vector of logits for each, by softmax, or by sigmoid, whose values are not a distribution.

All add 10⁻⁶ to the probabilities of the second argument. So a clip that equals its recording gives a value a little
below 0, by up to 10⁻⁶ for each class. The windows and the preparation of audio are the tagger's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from bench.contracts.embedder import EmbedderRef, Vectors
from bench.contracts.metric import ClipMetric, DecodedClip, Direction, Score
from bench.errors import DataError, Undefined, UsageError, suggestion
from bench.number_format import counted
from metrics.embedders.musicnn import Training
from metrics.tagger import check_tagger, musicnn_training, sigmoid, softmax, tag_shares

Array = npt.NDArray[np.float64]


def kl_divergence(p: npt.ArrayLike, q: npt.ArrayLike, epsilon: float = 0.0) -> float:
    """Compute KL(p ‖ q) = Σ p · ln(p / (q + ε)) in nats, where a class with p = 0 adds nothing.

    Args:
        p, q: probabilities, shape (classes,), all ≥ 0; for a divergence they sum to 1, which is not checked.
        epsilon: what is added to q, ≥ 0.

    Raises:
        DataError: other shapes, a value that is negative or not finite, or a class to which q and ε give probability 0
            and p does not.

    >>> round(kl_divergence([0.5, 0.5], [0.25, 0.75]), 6)  # ln 2 / √3
    0.143841
    """
    a, b = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    if a.ndim != 1 or a.shape != b.shape or not a.size:
        raise DataError(f"probabilities of shapes {a.shape} and {b.shape}, must be of the same classes")
    if not (np.isfinite(a).all() and np.isfinite(b).all() and (a >= 0).all() and (b >= 0).all()):
        raise DataError("a probability is negative or not finite")
    some = a > 0
    if (b[some] + epsilon == 0).any():
        raise DataError("a class has probability 0 in the second distribution, so this is infinite; set epsilon")
    # Differences of logarithms: two equal probabilities give exactly 0.
    return float(a[some] @ (np.log(a[some]) - np.log(b[some] + epsilon)))


@dataclass(frozen=True)
class Preset:
    """One published way to compute it.

    Attributes:
        of: which of the two is the first argument, ``clip`` or ``recording``.
        activation: turns logits into probabilities.
        pooling: ``logits``: of their mean over windows; ``segments``: the mean of the divergences of segments at the
            same place; ``one``: there is one window.
        epsilon: added to the second argument.
        source: where it was published.
        tagger: the embedder that is its tagger; empty where tunebench has none, as for PaSST.
    """

    of: Literal["clip", "recording"]
    activation: Callable[[npt.ArrayLike], Array]
    pooling: Literal["logits", "segments", "one"]
    epsilon: float
    source: str
    tagger: str = ""

    def divergence(self, clip: Vectors, recording: Vectors) -> float:
        """Compute the divergence, in nats, from the logits of both, shapes (windows, classes).

        Raises:
            Undefined: the windows of the two cannot be compared in the published way.
            DataError: different classes, or logits that are not finite.
        """
        windows = len(clip), len(recording)
        if self.pooling == "one" and windows != (1, 1):
            raise Undefined(
                f"{counted(max(windows), 'window')}, but this preset needs a single window per recording; set the "
                "embedder's front_end to one that embeds whole recordings (audioldm_eval)"
            )
        if self.pooling == "segments" and windows[0] != windows[1]:
            raise Undefined(
                f"{counted(windows[0], 'segment')} and {windows[1]} of its recording cannot be compared one by one; "
                "cut both with 'common: {seconds: …}'"
            )
        pooled = [logits.astype(np.float64) for logits in (clip, recording)]
        if self.pooling == "logits":
            pooled = [logits.mean(axis=0, keepdims=True) for logits in pooled]
        of_clip, of_recording = map(self.activation, pooled)
        first, second = (of_clip, of_recording) if self.of == "clip" else (of_recording, of_clip)
        return float(np.mean([kl_divergence(p, q, self.epsilon) for p, q in zip(first, second, strict=True)]))


_AUDIOLDM = "https://github.com/haoheliu/audioldm_eval"
PRESETS: Mapping[str, Preset] = {
    "stable-audio-metrics": Preset(
        "clip", softmax, "logits", 1e-6, "https://github.com/Stability-AI/stable-audio-metrics"
    ),
    "audiocraft": Preset("recording", softmax, "segments", 1e-6, "https://github.com/facebookresearch/audiocraft"),
    "audioldm_eval": Preset("recording", softmax, "one", 1e-6, _AUDIOLDM, "pann-tags"),
    "audioldm_eval-sigmoid": Preset("recording", sigmoid, "one", 1e-6, _AUDIOLDM, "pann-tags"),
}
"""The published ways, by name."""


class KLDivergence(ClipMetric):
    """Divergence, in nats, between a tagger's classes of a clip and of the recording of its prompt; mean over prompts.

    The configuration's ``pairs`` says which recording goes with which prompt. The preset says how it is computed:
    numbers of two presets, or of two taggers, are not comparable. To compare with a published number, use the tagger
    that it was computed with: audioldm_eval's are of PANN (``pann-tags``), the others of PaSST (``command``).

    Args:
        preset: ``stable-audio-metrics``, ``audiocraft``, ``audioldm_eval`` or ``audioldm_eval-sigmoid``.
        embedder: the tagger: an embedder whose vectors are the logits of classes.  [default: the preset's own, where
            tunebench has it]
        embedder_params: its parameters, such as ``front_end``.

    Raises:
        UsageError: there is no such preset, no tagger is named and its own is not included, or the embedder is no
            tagger.
    """

    version = 1
    unit = "nats"
    direction: ClassVar[Direction] = "lower"
    cannot_tell = (
        "how good a clip is: silence may come close, and only the tagger's classes count; values of different presets "
        "or taggers are not comparable"
    )
    reference = "paired"
    examples: ClassVar[Mapping[str, str]] = {"preset": "audioldm_eval"}

    def __init__(
        self, preset: str, embedder: str | None = None, embedder_params: Mapping[str, Any] | None = None
    ) -> None:
        if preset not in PRESETS:
            known = ", ".join(PRESETS)
            raise UsageError(f"kl has no preset '{preset}'{suggestion(str(preset), PRESETS)}; known: {known}")
        self.preset = PRESETS[preset]
        tagger = embedder or self.preset.tagger
        if not tagger:
            raise UsageError(
                f"kl: {preset} is computed with PaSST, which is not included; name a program that gives its logits "
                "(embedder: command), or another tagger"
            )
        self.embedders = (EmbedderRef(tagger, dict(embedder_params or {})),)
        check_tagger(self.embedders[0], "kl")
        if musicnn_training(self.embedders[0]):
            raise UsageError("no published kl uses musicnn's tags; use kl-musicnn instead")

    def score(self, clip: DecodedClip) -> Score:
        (ref,) = self.embedders
        return Score.of(self.preset.divergence(clip.embedding(ref), clip.paired(ref)))


class MusicnnDivergence(ClipMetric):
    """Divergence, in nats, of musicnn's tags from the recording of the prompt to the clip; mean over prompts.

    KL(recording ‖ clip) of the mean probabilities of the 50 tags, scaled to sum 1: 0 for a clip that is tagged as its
    recording is. It is tunebench's own and needs nothing but the package; no published KL uses these tags.

    Args:
        tags: ``msd`` (last.fm's tags of the Million Song Dataset) or ``mtt`` (MagnaTagATune's).

    Raises:
        UsageError: there are no such tags.
    """

    version = 1
    unit = "nats"
    direction: ClassVar[Direction] = "lower"
    cannot_tell = "how good a clip is, or what a published KL would be, which is over the classes of AudioSet"
    reference = "paired"

    def __init__(self, tags: str = "msd") -> None:
        if tags not in ("msd", "mtt"):
            raise UsageError(f"kl-musicnn has no tags '{tags}'; choose msd or mtt")
        self.training: Training = "mtt" if tags == "mtt" else "msd"
        self.embedders = (EmbedderRef(f"musicnn-{self.training}"),)

    def score(self, clip: DecodedClip) -> Score:
        (ref,) = self.embedders
        own, asked = (tag_shares(vectors, self.training) for vectors in (clip.embedding(ref), clip.paired(ref)))
        return Score.of(kl_divergence(asked, own))
