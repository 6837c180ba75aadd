"""The front ends of published tools, by name.

Each was written from its publisher's code, and reproduces the network's input, not how the tool compares:

- ``fadtk``: github.com/microsoft/fadtk, ``fad.py`` (``load_audio``) and ``model_loader.py``. Audio is mixed, resampled
  by torchaudio and stored as 16-bit WAV files, without a change of level; VGGish gets at least 1 s; CLAP gets 10 s
  every second, and rounds to 16 bits once more. Vectors are stored as 16-bit floats.
- ``kadtk``: github.com/YoonjinXD/kadtk, ``emb_loader.py`` and ``model_loader.py``: as fadtk, without a minimum length;
  PANN gets the whole recording at once.
- ``frechet-audio-distance``: github.com/gudgud96/frechet-audio-distance, ``utils.py`` and ``fad.py``. Audio is mixed
  and resampled by resampy. PANN gets the whole recording; CLAP, by laion-clap, one window of 10 s at a random place,
  or a short recording repeated. For PANN the tool joins all vectors to a single list of numbers and compares these in
  one dimension; our distances compare vectors.
- ``audioldm_eval``: github.com/haoheliu/audioldm_eval, ``datasets/load_mel.py`` and ``metrics/fad.py``. The first
  channel less its mean is resampled by torchaudio, and zeros follow up to 32,000 samples; PANN gets the whole
  recording.
- ``stable-audio-metrics``: github.com/Stability-AI/stable-audio-metrics, ``src/clap_score.py``: mixed and resampled as
  librosa does, peak at −1 dB, rounded to 16 bits, and one window of 10 s at a random place. This is the input of its
  checkpoints without fusion; its default checkpoint, with fusion, is a network that tunebench does not have.
- ``stable-audio-metrics-openl3``: the same, ``src/openl3_fd.py``: two channels, mono as both, peak at −1 dB,
  resampled by soxr to 44.1 kHz. openl3 then gets each channel in windows of 1 s every 0.5 s, which it cuts itself.
- ``stable-audio-metrics-passt``: the same, ``src/passt_kld.py``: as for CLAP at 32 kHz without rounding; windows of
  10 s every 5 s up to the first that reaches the end, followed by zeros where it is longer than 1.5 s; the softmax of
  the mean of the windows' logits.
- ``audiocraft``: github.com/facebookresearch/audiocraft, ``audiocraft/metrics/clap_consistency.py``, used for
  MusicGen's CLAP scores: resampled by julius, mixed, and one window of 10 s at a random place, without rounding.
- ``msclap``: github.com/microsoft/CLAP, ``msclap/CLAPWrapper.py``: each channel is resampled by torchaudio, and
  stereo is one long channel, the left one followed by the right one; of that, 7 s at a random place, or repeated
  until it lasts 7 s. fadtk and kadtk use 7 s of the mixed audio every second.

Where a tool draws a place at random from an unseeded generator, here the seed is the hash of the audio. Audio shorter
than one example of VGGish, on which the tools fail, is padded with zeros.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

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
    """Return our own front end, with adjacent windows.

    Args:
        window: length of a window in seconds.
        padding: whether zeros fill the last window; otherwise it is left out.
    """
    return replace(_OWN, window=window, hop=window, padding="zeros" if padding else "drop")


MONO: Mapping[str, Any] = {"rate": None, "channels": ("mean", "mean-or-loudest", "first", "joined")}
"""The settings of every front end that a network of mono waveforms fixes."""


def fixed_windows(window: float) -> Mapping[str, Any]:
    """Return the settings that a network fixes which only takes windows of so many seconds."""
    return {**MONO, "window": window, "padding": ("zeros", "drop", "repeat", "cycle")}


VGGISH: Mapping[str, FrontEnd] = {
    name: replace(front_end, window=0.975, hop=0.96, padding="drop")
    for name, front_end in _named(
        replace(_FADTK, shortest=1.0), _KADTK, _FRECHET, replace(_AUDIOLDM, shortest=_AUDIOLDM_SAMPLES / 16_000)
    ).items()
}
"""Front ends for VGGish."""

_EVERY_SECOND = {"window": 10.0, "hop": 1.0}
_ONE_OF_TEN = {"window": 10.0, "hop": 10.0, "selection": "random", "padding": "repeat"}

_AUDIOCRAFT = FrontEnd("audiocraft", resampler="julius", source="https://github.com/facebookresearch/audiocraft")

CLAP: Mapping[str, FrontEnd] = _named(
    *(replace(each, rounding=("wav", "scaled"), **_EVERY_SECOND) for each in (_FADTK, _KADTK)),  # type: ignore[arg-type]
    *(replace(each, **_ONE_OF_TEN) for each in (_FRECHET, _STABLE_AUDIO, _AUDIOCRAFT)),  # type: ignore[arg-type]
)
"""Front ends for CLAP by laion-clap, for every checkpoint."""


CDPAM_FRONT_ENDS: Mapping[str, FrontEnd] = {
    each.name: replace(each, window=1.0, hop=1.0, padding="shorter") for each in (_FADTK, _KADTK)
}
"""Front ends for CDPAM."""


_MSCLAP = FrontEnd(
    "msclap",
    "joined",
    resampler="torchaudio-hann-double",
    window=7.0,
    hop=7.0,
    selection="random",
    padding="cycle",
    source="https://github.com/microsoft/CLAP",
)
CLAP_MS: Mapping[str, FrontEnd] = _named(_MSCLAP, *(replace(each, window=7.0, hop=1.0) for each in (_FADTK, _KADTK)))
"""Front ends for Microsoft's CLAP."""

COMMAND: Mapping[str, FrontEnd] = _named(
    replace(
        _STABLE_AUDIO,
        name="stable-audio-metrics-openl3",
        channels="stereo",
        resampler="soxr",
        level="source-peak",
        rounding=(),
        rate=44_100,
    ),
    replace(
        _STABLE_AUDIO,
        name="stable-audio-metrics-passt",
        rounding=(),
        rate=32_000,
        window=10.0,
        hop=5.0,
        padding="cover",
        pooling="mean-softmax",
    ),
)
"""Front ends for programs: openl3 cuts windows itself, and PaSST gets them cut."""


def pann(rate: int) -> Mapping[str, FrontEnd]:
    """Return the front ends for PANN at so many Hz; all pass it a recording as a whole."""
    return _named(_KADTK, _FRECHET, replace(_AUDIOLDM, shortest=_AUDIOLDM_SAMPLES / rate))
