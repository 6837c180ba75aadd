"""The resamplers of published front ends.

torchaudio's windowed sinc is rewritten here, since torchaudio only works with the release of torch that it was built
for: J. O. Smith: Digital Audio Resampling Home Page, and torchaudio.functional.resample. It is computed in torchaudio's
precision, so that later steps round alike. That of julius differs in its normalization and at its ends.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from bench.contracts.audio import Samples
from bench.contracts.front_end import Resampler
from metrics.networks.checkpoint import required


class _Sinc(NamedTuple):
    """A windowed sinc.

    Attributes:
        crossings: zeros of the sinc on either side.
        rolloff: cut-off as a share of half the lower rate.
        beta: of a Kaiser window; None for a Hann window.
        double: whether filters are computed in float64; it moves samples by up to 1e-5.
        julius: filters sum to 1, the ends of the audio are repeated beyond it, and the length is rounded down.
    """

    crossings: int
    rolloff: float
    beta: float | None = None
    double: bool = False
    julius: bool = False


_KAISER = _Sinc(64, 0.9475937167399596, beta=14.769656459379492, double=True)
"""``torchaudio.transforms.Resample`` with the settings of fadtk."""

_HANN = _Sinc(6, 0.99)
"""``torchaudio.functional.resample`` with its defaults."""

_HANN_DOUBLE = _Sinc(6, 0.99, double=True)
"""``torchaudio.transforms.Resample`` with its defaults."""

_JULIUS = _Sinc(24, 0.945, julius=True)
"""``julius.resample_frac`` with its defaults."""


def resample(samples: Samples, rate: int, wanted: int, by: Resampler) -> Samples:
    """Resample mono audio, shape (frames,), from one rate in Hz to another; at the same rate it is returned as it is.

    Args:
        samples: mono, shape (frames,).
        rate: of the samples in Hz.
        wanted: the new rate in Hz.
        by: one of the resamplers of published front ends.

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
    """Resample as ``librosa.load`` does: soxr, cut or padded with zeros to the length that is rounded up."""
    frames = math.ceil(len(samples) * (wanted / rate))  # in librosa's order of operations, which may round up another
    resampled = _soxr(samples, rate, wanted)[:frames]
    return np.pad(resampled, (0, frames - len(resampled)))


def _resampy(samples: Samples, rate: int, wanted: int) -> Samples:
    resampled: Samples = required("resampy", "laion").resample(samples, rate, wanted)
    return resampled


def _sinc(kind: _Sinc) -> Callable[[Samples, int, int], Samples]:
    def resampled(samples: Samples, rate: int, wanted: int) -> Samples:
        return _windowed_sinc(samples, rate, wanted, kind)

    return resampled


_RESAMPLERS: Mapping[Resampler, Callable[[Samples, int, int], Samples]] = {
    "soxr": _soxr,
    "librosa": _librosa,
    "resampy": _resampy,
    "julius": _sinc(_JULIUS),
    "torchaudio-kaiser": _sinc(_KAISER),
    "torchaudio-hann": _sinc(_HANN),
    "torchaudio-hann-double": _sinc(_HANN_DOUBLE),
}


def _windowed_sinc(samples: Samples, rate: int, wanted: int, kind: _Sinc) -> Samples:
    torch = required("torch", "laion")
    shared = math.gcd(rate, wanted)
    old, new = rate // shared, wanted // shared
    filters, width = _filters(old, new, kind)
    signal = torch.from_numpy(np.array(samples, dtype=np.float32))[None, None]
    padded = torch.nn.functional.pad(signal, (width, width + old), mode="replicate" if kind.julius else "constant")
    with torch.inference_mode():
        phases = torch.nn.functional.conv1d(padded, filters, stride=old)
    frames = np.float32(new * len(samples) / old)  # in torchaudio's precision
    resampled: Samples = phases[0].T.reshape(-1)[: math.floor(frames) if kind.julius else math.ceil(frames)].numpy()
    return resampled


@lru_cache(maxsize=8)
def _filters(old: int, new: int, kind: _Sinc) -> tuple[Any, int]:
    """Compute the filter of each output sample of a period, shape (new, 1, 2 · width + old), and how far it reaches.

    Args:
        old, new: the two rates without common factors.
        kind: the window and its length.
    """
    torch = required("torch", "laion")
    cutoff = min(old, new) * kind.rolloff
    width = math.ceil(kind.crossings * old / cutoff)
    inputs = torch.arange(-width, width + old, dtype=torch.float64 if kind.double else torch.float32)[None, None] / old
    outputs = torch.arange(0, -new, -1, dtype=None if kind.double else torch.float32)[:, None, None] / new
    at = ((outputs + inputs) * cutoff).clamp(-kind.crossings, kind.crossings)
    if kind.beta:
        beta = torch.tensor(kind.beta)
        window = torch.i0(beta * torch.sqrt(1 - (at / kind.crossings) ** 2)) / torch.i0(beta)
    else:
        window = torch.cos(at * math.pi / kind.crossings / 2) ** 2
    angle = at * math.pi
    sinc = torch.where(angle == 0, torch.tensor(1.0).to(angle), angle.sin() / angle)
    filters = sinc * window
    filters = filters / filters.sum(dim=2, keepdim=True) if kind.julius else filters * (cutoff / old)
    return filters.float(), width
