"""Draw a mel spectrogram of a clip.

Every picture has the same size and the same frequency axis; those of one prompt share a range of levels.
"""

from __future__ import annotations

import io
import math
from functools import cache

import numpy as np
import numpy.typing as npt

from bench.contracts.audio import Samples, mix
from bench.errors import MissingError

COLUMNS, BANDS = 640, 96
LOWEST, HIGHEST = 20.0, 16_000.0
"""Hz: the lower edge of the lowest band, and the upper edge of the highest."""

RANGE = 80.0
"""dB from the brightest to the darkest."""

FAINTEST = -100.0
"""dB re full scale² / Hz: lower limit of a prompt's brightest level, so that silence is dark."""

_STEPS = 41  # shades, 2 dB apart: finer ones are hardly visible and would make files 50 % larger
_NOTHING = 1e-20  # full scale² / Hz, far below the noise of 24 bits
_WINDOW = 0.042  # seconds, rounded up to a power of two of samples: 2048 at 44.1 kHz

# Magma by Nathaniel J. Smith and Stéfan van der Walt, as matplotlib has it (matplotlib/_cm_listed.py), dedicated to the
# public domain (CC0). Equal steps look equal, also in grayscale and to color-blind people.
_MAGMA = bytes.fromhex(
    "00000401000501010601010802010902020b02020d03030f03031204041405041606051806051a07061c08071e0907200a08220b0924"
    "0c09260d0a290e0b2b100b2d110c2f120d31130d34140e36150e38160f3b180f3d19103f1a10421c10441d11471e114920114b21114e"
    "22115024125325125527125829115a2a115c2c115f2d11612f116331116533106734106936106b38106c390f6e3b0f703d0f713f0f72"
    "400f74420f75440f764510774710784910784a10794c117a4e117b4f127b51127c52137c54137d56147d57157e59157e5a167e5c167f"
    "5d177f5f187f601880621980641a80651a80671b80681c816a1c816b1d816d1d816e1e81701f81721f81732081752181762181782281"
    "7922827b23827c23827e24828025828125818326818426818627818827818928818b29818c29818e2a81902a81912b81932b80942c80"
    "962c80982d80992d809b2e7f9c2e7f9e2f7fa02f7fa1307ea3307ea5317ea6317da8327daa337dab337cad347cae347bb0357bb2357b"
    "b3367ab5367ab73779b83779ba3878bc3978bd3977bf3a77c03a76c23b75c43c75c53c74c73d73c83e73ca3e72cc3f71cd4071cf4070"
    "d0416fd2426fd3436ed5446dd6456cd8456cd9466bdb476adc4869de4968df4a68e04c67e24d66e34e65e44f64e55064e75263e85362"
    "e95462ea5661eb5760ec5860ed5a5fee5b5eef5d5ef05f5ef1605df2625df2645cf3655cf4675cf4695cf56b5cf66c5cf66e5cf7705c"
    "f7725cf8745cf8765cf9785df9795df97b5dfa7d5efa7f5efa815ffb835ffb8560fb8761fc8961fc8a62fc8c63fc8e64fc9065fd9266"
    "fd9467fd9668fd9869fd9a6afd9b6bfe9d6cfe9f6dfea16efea36ffea571fea772fea973feaa74feac76feae77feb078feb27afeb47b"
    "feb67cfeb77efeb97ffebb81febd82febf84fec185fec287fec488fec68afec88cfeca8dfecc8ffecd90fecf92fed194fed395fed597"
    "fed799fed89afdda9cfddc9efddea0fde0a1fde2a3fde3a5fde5a7fde7a9fde9aafdebacfcecaefceeb0fcf0b2fcf2b4fcf4b6fcf6b8"
    "fcf7b9fcf9bbfcfbbdfcfdbf"
)


def mel_spectrogram(samples: Samples, rate: int) -> Samples:
    """Compute the power of the channel mean in mel bands, in dB, shape (96, 640), lowest band first.

    Values are mean power spectral densities (full scale² / Hz) in triangular bands, so that clips of different rates
    are comparable; zero power, as above half the rate, is −200 dB. The time axis spans the whole clip, whatever
    its length. `bench.mel` has the bands.

    Args:
        samples: shape (channels, frames), at least one frame.
        rate: in Hz, at least 8000.
    """
    from bench.mel import mel_power

    window = window_length(rate)
    mono = mix(samples)
    # Each column is the mean of enough overlapping windows to cover it; in a short clip, windows
    # are a sixteenth of their length apart, and columns are repeated.
    columns = min(COLUMNS, -(-16 * len(mono) // window))
    each = -(-len(mono) // (COLUMNS * window // 2))
    centres = ((np.arange(columns * each) + 0.5) * len(mono) / (columns * each)).astype(int)
    power = mel_power(mono, band_weights(rate), centres)
    bands = power.reshape(columns, each, BANDS).mean(axis=1).T
    density = 2 / (rate * np.square(np.hanning(window + 1)).sum())
    decibels: Samples = 10 * np.log10(np.maximum(bands * np.float32(density), _NOTHING))
    return decibels[:, np.arange(COLUMNS) * columns // COLUMNS]


def window_length(rate: int) -> int:
    """Return the length in samples of the analysis window: 42 ms or up to twice as much, a power of two."""
    return 1 << math.ceil(math.log2(_WINDOW * rate))


@cache
def band_weights(rate: int) -> npt.NDArray[np.float32]:
    """Weights of the window's frequencies in each band, shape (96, window / 2 + 1); each band's weights sum to 1.

    Bands that lie above half the rate have no weights.
    """
    from bench.mel import mel_corners, mel_filters

    weights = mel_filters(rate, window_length(rate), BANDS, LOWEST, HIGHEST).copy()
    weights[mel_corners(BANDS, LOWEST, HIGHEST)[2:] > rate / 2] = 0
    sums = weights.sum(axis=1, keepdims=True)
    return np.divide(weights, sums, out=weights, where=sums > 0)


def picture(decibels: Samples, brightest: float) -> bytes:
    """Return a mel spectrogram as a PNG, 640 × 96 pixels, lowest band at the bottom.

    Args:
        decibels: shape (bands, columns).
        brightest: the level in dB of the lightest color; levels 80 dB or more below it are darkest.

    Raises:
        MissingError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise MissingError("Pillow is not installed: pip install 'tunebench[report]'") from None

    share = np.clip(1 + (decibels[::-1] - brightest) / RANGE, 0, 1)
    image = Image.fromarray(np.rint(share * (_STEPS - 1)).astype(np.uint8))
    image.putpalette(_palette())
    file = io.BytesIO()
    image.save(file, format="PNG", compress_level=6)
    return file.getvalue()


@cache
def _palette() -> bytes:
    colours = np.frombuffer(_MAGMA, dtype=np.uint8).reshape(-1, 3)
    chosen = np.rint(np.linspace(0, len(colours) - 1, _STEPS)).astype(int)
    return bytes(colours[chosen])
