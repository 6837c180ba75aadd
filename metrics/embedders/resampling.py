"""Resamplers as published front ends use them.

torchaudio's windowed sinc is written here, since torchaudio only works with the release of torch that it was built
for: J. O. Smith: Digital Audio Resampling Home Page, and torchaudio.functional.resample. It is computed in torchaudio's
precision, so that what follows rounds alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from bench.contracts.audio import Samples
from bench.contracts.front_end import Resampler
from metrics.networks.checkpoint import required

_KAISER_CROSSINGS, _KAISER_ROLLOFF, _KAISER_BETA = 64, 0.9475937167399596, 14.769656459379492
_HANN_CROSSINGS, _HANN_ROLLOFF = 6, 0.99


def resample(samples: Samples, rate: int, wanted: int, by: Resampler) -> Samples:
    """Resample mono audio, shape (frames,), from one rate in Hz to another; at the same rate it is returned as it is.

    Raises:
        MissingError: the library is not installed.
    """
    if rate == wanted or not len(samples):
        return samples
    return np.asarray(_RESAMPLERS[by](samples, rate, wanted), dtype=np.float32)


def _soxr(samples: Samples, rate: int, wanted: int) -> Samples:
    import soxr

    resampled: Samples = soxr.resample(samples, rate, wanted)
    return resampled


def _librosa(samples: Samples, rate: int, wanted: int) -> Samples:
    """As ``librosa.load`` does: soxr, cut or followed by zeros to the length that is rounded up."""
    frames = math.ceil(len(samples) * (wanted / rate))  # in its order, which may round another sample up
    resampled = _soxr(samples, rate, wanted)[:frames]
    return np.pad(resampled, (0, frames - len(resampled)))


def _resampy(samples: Samples, rate: int, wanted: int) -> Samples:
    resampled: Samples = required("resampy", "laion").resample(samples, rate, wanted)
    return resampled


def _kaiser(samples: Samples, rate: int, wanted: int) -> Samples:
    """``torchaudio.transforms.Resample`` with the settings of fadtk, whose filters are computed in float64."""
    return _windowed_sinc(samples, rate, wanted, kaiser=True)


def _hann(samples: Samples, rate: int, wanted: int) -> Samples:
    """``torchaudio.functional.resample`` with its defaults, whose filters are computed in float32."""
    return _windowed_sinc(samples, rate, wanted, kaiser=False)


_RESAMPLERS: Mapping[Resampler, Callable[[Samples, int, int], Samples]] = {
    "soxr": _soxr,
    "librosa": _librosa,
    "resampy": _resampy,
    "torchaudio-kaiser": _kaiser,
    "torchaudio-hann": _hann,
}


def _windowed_sinc(samples: Samples, rate: int, wanted: int, kaiser: bool) -> Samples:
    torch = required("torch", "laion")
    shared = math.gcd(rate, wanted)
    old, new = rate // shared, wanted // shared
    filters, width = _filters(old, new, kaiser)
    padded = torch.nn.functional.pad(torch.from_numpy(np.array(samples, dtype=np.float32))[None], (width, width + old))
    with torch.inference_mode():
        phases = torch.nn.functional.conv1d(padded[:, None], filters, stride=old)
    frames = math.ceil(np.float32(new * len(samples) / old))  # in its precision
    resampled: Samples = phases[0].T.reshape(-1)[:frames].numpy()
    return resampled


@lru_cache(maxsize=8)
def _filters(old: int, new: int, kaiser: bool) -> tuple[Any, int]:
    """The filter of each output sample of a period, shape (new, 1, 2 · width + old), and how far it reaches.

    Args:
        old, new: the two rates without common factors.
        kaiser: the window: Kaiser's in float64, or Hann's in float32.
    """
    torch = required("torch", "laion")
    crossings, rolloff = (_KAISER_CROSSINGS, _KAISER_ROLLOFF) if kaiser else (_HANN_CROSSINGS, _HANN_ROLLOFF)
    cutoff = min(old, new) * rolloff
    width = math.ceil(crossings * old / cutoff)
    inputs = torch.arange(-width, width + old, dtype=torch.float64 if kaiser else torch.float32)[None, None] / old
    outputs = torch.arange(0, -new, -1, dtype=None if kaiser else torch.float32)[:, None, None] / new
    at = ((outputs + inputs) * cutoff).clamp(-crossings, crossings)
    if kaiser:
        beta = torch.tensor(_KAISER_BETA)
        window = torch.i0(beta * torch.sqrt(1 - (at / crossings) ** 2)) / torch.i0(beta)
    else:
        window = torch.cos(at * math.pi / crossings / 2) ** 2
    angle = at * math.pi
    sinc = torch.where(angle == 0, torch.tensor(1.0).to(angle), angle.sin() / angle)
    return (sinc * (window * (cutoff / old))).float(), width
