"""Acoustic fingerprints: a few hundred numbers that identify a recording in other encodings or in part.

Chromaprint, the fingerprint of AcoustID, as essentia computes it: 32 bits for each 0.124 s, of which each pair says how
the strength of some pitch classes changes nearby. L. Lukáš: How does Chromaprint work? 2011; after Y. Ke, D. Hoiem, R.
Sukthankar: Computer Vision for Music Identification. CVPR 2005.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.contracts.audio import Audio
from bench.errors import DataError

Fingerprint = npt.NDArray[np.uint32]

VERSION = "chromaprint-1@1"

RATE = 11_025
"""Sample rate of chromaprint in Hz."""

STEP = 4096 // 3 / RATE
"""Seconds from one number to the next."""

SHIFTS = (0.0, 0.5)

_SHORTEST = 3.0  # seconds; shorter sounds give no numbers


def sound_fingerprint(audio: Audio) -> Fingerprint:
    """Return the fingerprint of a sound, shape (numbers,), uint32; empty if shorter than about 3 s.

    Args:
        audio: any rate and number of channels; the level does not matter.
    """
    if audio.duration < _SHORTEST:
        return np.zeros(0, dtype=np.uint32)
    mono = audio.mono(RATE)
    # It computes with 16-bit numbers, whose rounding would mask quiet sounds.
    peak = float(np.abs(mono).max(initial=0.0))
    if peak == 0:
        return np.zeros(0, dtype=np.uint32)
    level = np.ascontiguousarray(mono * (0.5 / peak), dtype=np.float32)
    return decoded(_essentia().Chromaprinter(sampleRate=RATE)(level))


def sound_fingerprints(audio: Audio) -> tuple[Fingerprint, ...]:
    """Return the fingerprints of a sound that begin at its start and `SHIFTS` of a step later.

    An excerpt may start anywhere between two steps of the recording: half a step away, a tenth of
    the bits differ, and with two of each no more than a quarter of a step is between them.
    """
    later = (round(share * STEP * audio.rate) for share in SHIFTS)
    return tuple(
        sound_fingerprint(Audio(audio.samples[:, begin:], audio.rate)) for begin in later if begin < audio.frames
    )


def _essentia() -> Any:
    """Return the library, with its messages on stderr disabled."""
    import essentia

    essentia.log.infoActive = False
    import essentia.standard

    return essentia.standard


def decoded(text: str) -> Fingerprint:
    """Return the numbers of a compressed fingerprint, as printed by ``fpcalc``.

    Four bytes hold the algorithm and the count. Each number is XORed with the one before, and what
    remains are the distances between its bits in 3 bits each, ended by 0; where such a distance is 7 or more, 5 bits
    for the rest follow after all of those.

    Raises:
        DataError: it is not a fingerprint.

    >>> decoded("AAAAAQE").tolist()
    [1]
    """
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise DataError(f"a fingerprint is not base64 ({error})") from None
    if len(raw) < 4:
        raise DataError(f"a fingerprint has {len(raw)} bytes, needs 4 or more")
    size = int.from_bytes(raw[1:4], "big")
    bits = np.unpackbits(np.frombuffer(raw[4:], dtype=np.uint8), bitorder="little")
    threes = bits[: len(bits) // 3 * 3].reshape(-1, 3) @ np.array([1, 2, 4])
    ends = np.flatnonzero(threes == 0)[:size]
    if len(ends) < size:
        raise DataError(f"a fingerprint ends before its {size} numbers do")
    gaps = threes[: int(ends[-1]) + 1 if size else 0].astype(np.int64)
    large = np.flatnonzero(gaps == 7)
    rest = bits[-(-3 * len(gaps) // 8) * 8 :]
    if len(rest) < 5 * len(large):
        raise DataError("a fingerprint ends before its large distances do")
    gaps[large] += rest[: 5 * len(large)].reshape(-1, 5) @ np.array([1, 2, 4, 8, 16])
    return _numbers(gaps, threes[: len(gaps)] == 0, size)


def _numbers(gaps: npt.NDArray[np.int64], ends: npt.NDArray[np.bool_], size: int) -> Fingerprint:
    """Return numbers from the distances between their bits, and where each ends."""
    owner: npt.NDArray[np.int64] = np.cumsum(ends) - ends
    total = np.cumsum(gaps)
    before = np.concatenate([[0], total[ends]])[owner]
    places = (total - before)[~ends] - 1
    if len(places) and int(places.max()) > 31:
        raise DataError("a fingerprint has a number of more than 32 bits")
    changed = np.zeros(size, dtype=np.uint32)
    np.bitwise_or.at(changed, owner[~ends], np.uint32(1) << places.astype(np.uint32))
    found: Fingerprint = np.bitwise_xor.accumulate(changed) if size else changed
    return found
