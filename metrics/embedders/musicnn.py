"""musicnn: a small network trained to tag music; the default embedder, since it ships with the package.

J. Pons, X. Serra: musicnn: Pre-trained convolutional neural networks for music audio tagging. ISMIR late-breaking
demo, 2019. The networks are those of release 0.1.0, trained on the Million Song Dataset and on MagnaTagATune.
That release returns the embedding of the first patch for every patch; here each patch has its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import as_file, files
from typing import Any, ClassVar, Literal
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from bench.contracts.audio import Audio, Samples
from bench.contracts.embedder import Embedder, Vectors
from bench.mel import mel_filters, mel_spectrogram
from metrics.embedders.front_ends import own
from metrics.embedders.windows import finite, network_input
from metrics.networks.onnx import load_network
from metrics.notes.trial import try_out

Training = Literal["msd", "mtt"]

RATE = 16_000
FFT = 512
HOP = 256
MELS = 96
PATCH = 187
"""Frames of the spectrogram in one input of the network: 2.992 s."""

BATCH = 8
"""Patches per call of the network; limits memory for long clips."""

SHA256: Mapping[Training, str] = {
    "msd": "0738ff8f2cb6cbddae9b28bd4c82ebab597ff5eb6ede4c236e1103b2f8d9d886",
    "mtt": "74b0467215d8d5d460297321abd72cd2c35ff918143d2d79e72722b09d916a43",
}

_HALF_MAX = float(np.finfo(np.float16).max)


def log_mel_patches(samples: Samples) -> npt.NDArray[np.float32]:
    """Compute the network's input, shape (patches ≥ 1, 187, 96), of mono audio at 16 kHz.

    Patches do not overlap. The remainder after the last whole patch is left out, as in the original, and audio shorter
    than a patch is padded with zeros.
    """
    power = mel_spectrogram(samples, mel_filters(RATE, FFT, MELS), HOP)
    # The networks were trained on power rounded to half precision; the logarithm itself would overflow in it.
    rounded = np.minimum(power, _HALF_MAX).astype(np.float16).astype(np.float32)
    frames = np.log10(10_000 * rounded + 1)
    count = max(1, len(frames) // PATCH)
    padded = np.zeros((count * PATCH, MELS), dtype=np.float32)
    padded[: len(frames)] = frames[: len(padded)]
    return padded.reshape(count, PATCH, MELS)


def run_network(patches: npt.NDArray[np.float32], training: Training) -> tuple[Vectors, Vectors]:
    """Compute tag probabilities, shape (patches, 50), and embeddings, shape (patches, 200), of patches.

    Args:
        patches: of `log_mel_patches`, shape (patches, 187, 96).
        training: of the network.

    Raises:
        MissingError: the weights are missing or are not those of this version.
    """
    session = _session(training)
    results = [
        session.run(["tags", "embedding"], {"log_mel": patches[i : i + BATCH]}) for i in range(0, len(patches), BATCH)
    ]
    tags, embeddings = (np.concatenate(parts) for parts in zip(*results, strict=True))
    return tags, embeddings


def tag_names(training: Training) -> tuple[str, ...]:
    """Return the 50 tags that the network was trained on, in the order of its output."""
    return tuple(_tagger(training)["labels"].tolist())


def tag_log_odds(embeddings: Vectors, training: Training) -> npt.NDArray[np.float64]:
    """Compute the log-odds of the 50 tags, shape (patches, 50), from embeddings of shape (patches, 200).

    This is the network's own last layer, so tags need only the cached embeddings.
    """
    layer = _tagger(training)
    odds: npt.NDArray[np.float64] = embeddings.astype(np.float64) @ layer["weight"].T + layer["bias"]
    return odds


@cache
def _tagger(training: Training) -> Mapping[str, npt.NDArray[Any]]:
    name = f"musicnn-{training}-tags.npz"
    with as_file(files("metrics.embedders") / "weights" / name) as path, np.load(path) as file:
        return dict(file)


@cache
def _session(training: Training) -> Any:
    weights = files("metrics.embedders") / "weights" / f"musicnn-{training}.onnx"
    return load_network(weights, SHA256[training], "musicnn 0.1.0")


# Both networks have one front end; its output for a clip is shared with the clip.
_fronts: WeakKeyDictionary[Audio, npt.NDArray[np.float32]] = WeakKeyDictionary()


class _Musicnn(Embedder):
    """musicnn's penultimate layer: 200 numbers for each 2.992 s of mono audio at 16 kHz and −14 LUFS."""

    version = 1
    family = "musicnn"
    dimension = 200
    own_front_end = own(PATCH * HOP / RATE, padding=False)
    training: ClassVar[Training]

    @classmethod
    def require(cls) -> None:
        try_out(f"musicnn-{cls.training}", lambda noise: run_network(log_mel_patches(noise), cls.training), RATE)

    def embed(self, audio: Audio) -> Vectors:
        if audio not in _fronts:
            _fronts[audio] = log_mel_patches(network_input(audio, RATE))
        patches = _fronts[audio]
        return finite(run_network(patches, self.training)[1], f"musicnn-{self.training}")

    def weights(self, audio: Audio) -> Vectors:
        """Return how much of each patch is audio; only audio shorter than one patch has padding."""
        frames = 1 + round(audio.duration * RATE) // HOP
        return np.full(max(1, frames // PATCH), min(1.0, frames / PATCH), dtype=np.float32)

    def fingerprint(self) -> Mapping[str, Any]:
        return {"weights": SHA256[self.training]}


class MusicnnMSD(_Musicnn):
    __doc__ = f"{_Musicnn.__doc__} Trained on the Million Song Dataset with the 50 commonest tags of last.fm."
    training = "msd"


class MusicnnMTT(_Musicnn):
    __doc__ = f"{_Musicnn.__doc__} Trained on MagnaTagATune, 50 tags."
    training = "mtt"
