"""The front ends that published tools have, by name.

Each was written from its publisher's code, and reproduces what the network is given, not how the tool compares:

- ``fadtk``: github.com/microsoft/fadtk, ``fad.py`` (``load_audio``) and ``model_loader.py``. Audio is mixed, resampled
  by torchaudio and kept as 16-bit WAV files, without a change of level; VGGish gets at least 1 s; CLAP hears 10 s every
  second, and rounds to 16 bits once more. Vectors are kept as 16-bit floats.
- ``kadtk``: github.com/YoonjinXD/kadtk, ``emb_loader.py`` and ``model_loader.py``: as fadtk, without its least length;
  PANN hears the whole recording at once.
- ``frechet-audio-distance``: github.com/gudgud96/frechet-audio-distance, ``utils.py`` and ``fad.py``. Audio is mixed
  and resampled by resampy. PANN hears the whole recording; CLAP, by laion-clap, one window of 10 s at a random place,
  or a short recording repeated. For PANN the tool joins all vectors to a single list of numbers and compares these in
  one dimension; our distances compare vectors.
- ``audioldm_eval``: github.com/haoheliu/audioldm_eval, ``datasets/load_mel.py`` and ``metrics/fad.py``. The first
  channel less its mean is resampled by torchaudio, and zeros follow up to 32,000 samples; PANN hears the whole
  recording.
- ``stable-audio-metrics``: github.com/Stability-AI/stable-audio-metrics, ``src/clap_score.py``: mixed and resampled as
  librosa does, peak at −1 dB, rounded to 16 bits, and one window of 10 s at a random place. That is what its
  checkpoints without fusion are given; its default checkpoint, with fusion, is a network that is not here.

Where a tool draws a place at random from a generator that nobody seeds, here the seed is the hash of the audio. Audio
shorter than one example of VGGish, which the tools fail on, is followed by zeros.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bench.contracts.front_end import OWN, FrontEnd

_OWN = FrontEnd(OWN, "mean-or-loudest", level="loudness", target=-14.0)
_FADTK = FrontEnd(
    "fadtk",
    resampler="torchaudio-kaiser",
    rounding=("wav",),
    precision=16,
    source="https://github.com/microsoft/fadtk",
)
_KADTK = replace(_FADTK, name="kadtk", source="https://github.com/YoonjinXD/kadtk")
_FRECHET = FrontEnd(
    "frechet-audio-distance", resampler="resampy", source="https://github.com/gudgud96/frechet-audio-distance"
)
_AUDIOLDM = FrontEnd(
    "audioldm_eval", "first", True, "torchaudio-hann", source="https://github.com/haoheliu/audioldm_eval"
)
_STABLE_AUDIO = FrontEnd(
    "stable-audio-metrics",
    resampler="librosa",
    level="peak",
    target=-1.0,
    rounding=("scaled",),
    source="https://github.com/Stability-AI/stable-audio-metrics",
)
_AUDIOLDM_SAMPLES = 32_000


def _named(*front_ends: FrontEnd) -> dict[str, FrontEnd]:
    return {front_end.name: front_end for front_end in front_ends}


def own(window: float, padding: bool = True) -> FrontEnd:
    """Our own front end, with windows side by side of so many seconds."""
    return replace(_OWN, window=window, hop=window, padding="zeros" if padding else "drop")


VGGISH: Mapping[str, FrontEnd] = {
    name: replace(front_end, window=0.975, hop=0.96, padding="drop")
    for name, front_end in _named(
        replace(_FADTK, shortest=1.0), _KADTK, _FRECHET, replace(_AUDIOLDM, shortest=_AUDIOLDM_SAMPLES / 16_000)
    ).items()
}
"""Front ends for VGGish."""

_EVERY_SECOND = {"window": 10.0, "hop": 1.0}
_ONE_OF_TEN = {"window": 10.0, "hop": 10.0, "selection": "random", "padding": "repeat"}

CLAP: Mapping[str, FrontEnd] = _named(
    *(replace(each, rounding=("wav", "scaled"), **_EVERY_SECOND) for each in (_FADTK, _KADTK)),  # type: ignore[arg-type]
    *(replace(each, **_ONE_OF_TEN) for each in (_FRECHET, _STABLE_AUDIO)),  # type: ignore[arg-type]
)
"""Front ends for CLAP by laion-clap, for every checkpoint."""


CDPAM_FRONT_ENDS: Mapping[str, FrontEnd] = {
    each.name: replace(each, window=1.0, hop=1.0, padding="shorter") for each in (_FADTK, _KADTK)
}
"""Front ends for CDPAM."""


def pann(rate: int) -> Mapping[str, FrontEnd]:
    """Front ends for PANN at so many Hz; all hear a recording as a whole."""
    return _named(_KADTK, _FRECHET, replace(_AUDIOLDM, shortest=_AUDIOLDM_SAMPLES / rate))
